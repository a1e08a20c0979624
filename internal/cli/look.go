package cli

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/client"
	"github.com/bakeoffhq/bakeoff/internal/plain"
	"github.com/bakeoffhq/bakeoff/internal/spec"
)

// aboutRun is a command that looks at one ended run: the last of a pipeline, or the one named by --run.
func (s *shell) aboutRun(use, short string, show func(context.Context, *session, bakeoff.Report) error) *cobra.Command {
	var id string
	c := &cobra.Command{
		Use: use + " [NAME]", Short: short, Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return s.look(c.Context(), func(ctx context.Context, n *session) error {
				if id == "" {
					if err := s.sayUnderWay(ctx, n, args); err != nil {
						return err
					}
				}
				report, err := n.endedRun(ctx, args, id)
				if err != nil {
					return err
				}
				return show(ctx, n, report)
			})
		},
	}
	c.Flags().StringVar(&id, "run", "", "a run's ID instead of the last run")
	return c
}

// sayUnderWay says on stderr which runs of a pipeline a node works on, since the last that has ended is
// shown. Those that nobody works on are told of already.
func (s *shell) sayUnderWay(ctx context.Context, n *session, args []string) error {
	if n.node != nil {
		return nil
	}
	name, err := n.recorded(ctx, args)
	if err != nil {
		return err
	}
	p, err := n.Pipeline(ctx, name)
	for _, run := range p.Open {
		fmt.Fprintf(s.stderr, "run %s is under way: `%s logs %s --follow` watches it\n", run, typed(), name)
	}
	return err
}

// endedRun returns the report of a pipeline's run, "" for its last.
func (n *session) endedRun(ctx context.Context, args []string, id string) (bakeoff.Report, error) {
	if id != "" && len(args) == 0 {
		run, err := n.Run(ctx, id)
		if err == nil && run.Verdict == "" {
			return bakeoff.Report{}, bakeoff.Errorf(bakeoff.CodeConflict, "run %s has not ended: it is in phase %s", id, run.Phase).
				WithHint("`bakeoff logs --follow --run %s` watches it", id)
		}
		return run.Report, err
	}
	name, err := n.recorded(ctx, args)
	if err != nil {
		return bakeoff.Report{}, err
	}
	reports, err := n.History(ctx, name, 0)
	if err != nil {
		return bakeoff.Report{}, err
	}
	if id == "" && len(reports) > 0 {
		return reports[0].Report, nil
	}
	ids := make([]string, len(reports))
	for i, r := range reports {
		if r.Run == id {
			return r.Report, nil
		}
		ids[i] = r.Run
	}
	if id == "" {
		return bakeoff.Report{}, bakeoff.Errorf(bakeoff.CodeNotFound, "pipeline %s has no run that has ended", name).WithHint("`bakeoff run %s` makes one", name)
	}
	e := bakeoff.Errorf(bakeoff.CodeNotFound, "pipeline %s has no ended run %q", name, id).WithHint("`bakeoff history %s` lists its runs", name)
	if near := bakeoff.Nearest(id, ids); near != "" {
		e = e.WithHint("did you mean %s?", near)
	}
	return bakeoff.Report{}, e
}

func (s *shell) leaderboardCommand() *cobra.Command {
	var sliced bool
	c := s.aboutRun("leaderboard", "Show how a run's contestants did", func(ctx context.Context, n *session, r bakeoff.Report) error {
		if sliced {
			return s.slices(r)
		}
		if err := s.print(r); err != nil {
			return err
		}
		return s.sayDecided(ctx, n, r)
	})
	c.Flags().BoolVar(&sliced, "slices", false, "show how they did on each slice of the holdout (judge.slices)")
	return c
}

func (s *shell) whyCommand() *cobra.Command {
	var wanted string
	c := s.aboutRun("why", "Say why a run ended as it did, and what would have changed it", func(ctx context.Context, n *session, r bakeoff.Report) error {
		if wanted != "" {
			return s.whyGain(r, wanted)
		}
		var err error
		if r.Advice, err = n.advice(ctx, r); err != nil {
			return err
		}
		if s.json {
			return writeJSON(s.stdout, r)
		}
		writeWhy(s.stdout, r)
		if err := s.sayDecided(ctx, n, r); err != nil {
			return err
		}
		writeAdvice(s.stdout, r.Advice)
		return nil
	})
	c.Flags().StringVar(&wanted, "gain", "", "say how many holdout rows it takes to find a gain such as 0.5pt")
	return c
}

// whyGain says how many rows it takes to find a gain.
func (s *shell) whyGain(r bakeoff.Report, wanted string) error {
	g, err := spec.Margin(wanted)
	if err != nil {
		return err
	}
	rows, err := rowsNeeded(&r, g)
	if err != nil {
		return err
	}
	if s.json {
		return writeJSON(s.stdout, rows)
	}
	fmt.Fprintf(s.stdout, "To find a true gain of %s in 8 of 10 cases, the holdout needs about %s rows; this one has %s.\n",
		plain.Value(rows.Gain), plain.Count(rows.Needed), plain.Count(rows.Holdout))
	return nil
}

func (s *shell) historyCommand() *cobra.Command {
	var limit int
	var ticks, acts bool
	c := &cobra.Command{
		Use: "history [NAME]", Short: "List a pipeline's runs, the ticks without one and what persons did, the newest first", Args: cobra.MaximumNArgs(1),
		Long: `History lists the runs of a pipeline, those that are under way and those that
have ended, the ticks of its schedule that had none with the reason why, what
persons did to its model and schedule, and what could not be delivered. With
--json it is the runs that have ended; with --ticks as well, the ticks, each
with its run or its reason; with --acts, what was done, by whom and why.`,
		RunE: func(c *cobra.Command, args []string) error {
			return s.look(c.Context(), func(ctx context.Context, n *session) error {
				name, err := n.recorded(ctx, args)
				if err != nil {
					return err
				}
				if ticks {
					return s.ticks(ctx, n, name, limit)
				}
				if acts {
					return s.acts(ctx, n, name, limit)
				}
				return s.history(ctx, n, name, limit)
			})
		},
	}
	c.Flags().IntVarP(&limit, "limit", "n", 100, "how many at most")
	c.Flags().BoolVar(&ticks, "ticks", false, "list the ticks instead: the run of each, or why it had none")
	c.Flags().BoolVar(&acts, "acts", false, "list what was done other than by a run instead: promotions and rollbacks by hand, approvals, pauses")
	c.MarkFlagsMutuallyExclusive("ticks", "acts")
	return c
}

// acts lists what was done to a model and its schedule other than by a run.
func (s *shell) acts(ctx context.Context, n *session, name string, limit int) error {
	acts, err := n.Acts(ctx, name, limit)
	if err != nil {
		return err
	}
	if s.json {
		return writeJSON(s.stdout, acts)
	}
	writeActs(s.stdout, acts, time.Local)
	if len(acts) == 0 {
		fmt.Fprintf(s.stdout, "nothing has been done to %s but by its runs\n", name)
	}
	return nil
}

func (s *shell) history(ctx context.Context, n *session, name string, limit int) error {
	reports, err := n.History(ctx, name, limit)
	if err != nil {
		return err
	}
	if s.json {
		return writeJSON(s.stdout, reports)
	}
	ticks, err := n.Ticks(ctx, name, limit)
	if err != nil {
		return err
	}
	acts, err := n.Acts(ctx, name, limit)
	if err != nil {
		return err
	}
	if err := s.underWay(ctx, n, name); err != nil {
		return err
	}
	plainReports := make([]bakeoff.Report, len(reports))
	for i, r := range reports {
		plainReports[i] = r.Report
	}
	writeHistory(s.stdout, pastOf(plainReports, ticks, acts, limit), width(s.stdout), s.color(s.stdout))
	for _, r := range reports {
		writeUndone(s.stdout, r)
	}
	return nil
}

// underWay says which runs of a pipeline have not ended.
func (s *shell) underWay(ctx context.Context, n *session, name string) error {
	open, err := n.Runs(ctx, client.RunQuery{Open: true})
	if err != nil {
		return err
	}
	for _, r := range open {
		if r.Pipeline != name {
			continue
		}
		fmt.Fprintf(s.stdout, "under way: run %s, in phase %s, since %s\n", r.Run, r.Phase, r.Created.Local().Format(time.RFC3339))
	}
	return nil
}

// ticks lists what became of a pipeline's ticks.
func (s *shell) ticks(ctx context.Context, n *session, name string, limit int) error {
	ticks, err := n.Ticks(ctx, name, limit)
	if err != nil {
		return err
	}
	if s.json {
		return writeJSON(s.stdout, ticks)
	}
	for _, t := range ticks {
		fmt.Fprintln(s.stdout, tickInWords(t))
	}
	if len(ticks) == 0 {
		fmt.Fprintf(s.stdout, "no tick of %s has come yet\n", name)
	}
	return nil
}

// tickInWords says what became of a tick, or of several in a row that had no run.
func tickInWords(t bakeoff.Tick) string {
	when := t.Time.Local().Format(time.RFC3339)
	if t.Count > 1 {
		when = fmt.Sprintf("%s to %s: %s", when, t.Last.Local().Format(time.RFC3339), counted(t.Count, "tick"))
	}
	if t.State == bakeoff.TickRun {
		return fmt.Sprintf("%s run %s", when, t.Run)
	}
	return fmt.Sprintf("%s %s: %s", when, t.State, plain.Line(t.Reason))
}

// writeUndone says what a run has left undelivered.
func writeUndone(w io.Writer, r client.RunReport) {
	for _, d := range r.Deliveries {
		if d.State != bakeoff.DeliverySent {
			fmt.Fprintf(w, "message of run %s to receiver %d is %s: %s\n", d.Notification, d.Receiver+1, d.State, d.Detail)
		}
	}
	for _, h := range r.Hooks {
		if h.State != bakeoff.DeliverySent {
			fmt.Fprintf(w, "deploy hook %d (%s) of run %s is %s: %s\n", h.Hook+1, h.Kind, r.Run, h.State, plain.Line(h.Detail))
		}
	}
}

func (s *shell) modelsCommand() *cobra.Command {
	return &cobra.Command{
		Use: "models [NAME]", Short: "List a model's versions and aliases", Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return s.look(c.Context(), func(ctx context.Context, n *session) error {
				name, err := n.recorded(ctx, args)
				if err != nil {
					return err
				}
				return s.models(ctx, n, name)
			})
		},
	}
}

func (s *shell) models(ctx context.Context, n *session, name string) error {
	model, err := n.Model(ctx, name)
	if err != nil {
		return err
	}
	if s.json {
		return writeJSON(s.stdout, model)
	}
	writeModels(s.stdout, model.Versions, slices.Collect(maps.Values(model.Aliases)), width(s.stdout), s.color(s.stdout))
	if champion, ok := model.Aliases[bakeoff.AliasChampion]; ok {
		fmt.Fprintln(s.stdout, movedInWords(champion, time.Local))
	}
	if h := model.Hold; h != nil {
		fmt.Fprintf(s.stdout, "held since %s by %s: %s\n", h.Since.Local().Format(time.RFC3339), h.By, h.Why)
	}
	writePending(s.stdout, name, model.Pending, time.Local)
	return nil
}
