package cli

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/client"
	"github.com/bakeoffhq/bakeoff/internal/plain"
)

func (s *shell) removeCommand() *cobra.Command {
	var withModel bool
	c := &cobra.Command{
		Use: "remove NAME", Short: "Remove a pipeline: its schedule, its pause and its record", Args: cobra.ExactArgs(1),
		Long: `Remove takes a pipeline away: it has no more ticks and no more runs, and is not
among the pipelines any more. Its file is not touched. It is refused while a
run of it is open, and while the node applies a file that declares it.

What it has left stays: its runs and verdicts, and its model with all versions.
The champion goes on answering predictions, and history, why, models, rollback
and promote go on knowing it, as long as retention keeps what they show. With
--with-model the model is taken out of service too, now or later: nothing
answers predictions, and its artifacts go when they are 30 days old. Until then
promote --version N brings it back.

A pipeline of the same name that comes later goes on where this one ended: with
its champion, or with the next version.`,
		RunE: func(c *cobra.Command, args []string) error {
			return s.withStore(c.Context(), func(ctx context.Context, n *session) error { return s.remove(ctx, n, args[0], withModel) })
		},
	}
	c.Flags().BoolVar(&withModel, "with-model", false, "take its model out of service too: no prediction is answered any more")
	return c
}

func (s *shell) remove(ctx context.Context, n *session, name string, withModel bool) error {
	if err := s.openRuns(ctx, n); err != nil {
		return err
	}
	var r client.PipelineRemoval
	err := s.driving(ctx, n, func(ctx context.Context) (err error) { // the schedule asks which runs are open
		r, err = n.Remove(ctx, name, withModel)
		return err
	})
	if err != nil {
		return err
	}
	if s.json {
		err = writeJSON(s.stdout, r)
	} else {
		s.sayRemoval(r)
	}
	s.settle(ctx, n) // the last ticks may be told of
	return err
}

// sayRemoval says what is gone and what stays.
func (s *shell) sayRemoval(r client.PipelineRemoval) {
	fmt.Fprintf(s.stdout, "%s is removed: it has no more ticks and no more runs\n", r.Pipeline)
	switch {
	case r.Champion != nil:
		fmt.Fprintf(s.stdout, "%s v%d (%s) goes on answering predictions; `%s remove %s --with-model` ends that\n",
			r.Pipeline, r.Champion.Version, plain.Line(r.Champion.Candidate), typed(), r.Pipeline)
	case r.Dropped != nil:
		fmt.Fprintf(s.stdout, "%s v%d (%s) does not answer predictions any more; `%s promote %s --version %d` brings it back while retention keeps it\n",
			r.Pipeline, r.Dropped.Version, plain.Line(r.Dropped.Candidate), typed(), r.Pipeline, r.Dropped.Version)
	}
	fmt.Fprintf(s.stdout, "its runs stay: `%s history %s`\n", typed(), r.Pipeline)
}

// sayRemoved says which models go on without their pipelines.
func (s *shell) sayRemoved(ctx context.Context, n *session, there []client.Pipeline, live []client.Live) error {
	for _, l := range live {
		if l.Version == 0 || slices.ContainsFunc(there, func(p client.Pipeline) bool { return p.Name == l.Model }) {
			continue
		}
		p, err := n.Pipeline(ctx, l.Model)
		if bakeoff.CodeOf(err) == bakeoff.CodeNotFound {
			continue
		}
		if err != nil {
			return err
		}
		if p.Removed != nil {
			fmt.Fprintf(s.stdout, "%s has no pipeline since %s, removed by %s; `%s remove %s --with-model` takes it out of service\n",
				l.Model, p.Removed.At.Local().Format(time.RFC3339), plain.Line(p.Removed.By), typed(), l.Model)
		}
	}
	return nil
}
