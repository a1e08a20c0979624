package cli

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/app"
)

// aboutRun is a command that looks at one ended run: the last of a pipeline, or the one named by --run.
func (s *shell) aboutRun(use, short string, show func(context.Context, *app.Node, bakeoff.Report) error) *cobra.Command {
	var id string
	c := &cobra.Command{
		Use: use + " [NAME]", Short: short, Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return s.look(c.Context(), func(ctx context.Context, node *app.Node) error {
				report, err := endedRun(ctx, node, args, id)
				if err != nil {
					return err
				}
				return show(ctx, node, report)
			})
		},
	}
	c.Flags().StringVar(&id, "run", "", "a run's ID instead of the last run")
	return c
}

// endedRun returns the report of a pipeline's run, "" for its last.
func endedRun(ctx context.Context, node *app.Node, args []string, id string) (bakeoff.Report, error) {
	name, err := pipeline(ctx, node, args)
	if err != nil {
		return bakeoff.Report{}, err
	}
	reports, err := node.Store().Verdicts(ctx, name)
	if err != nil {
		return bakeoff.Report{}, err
	}
	if id == "" && len(reports) > 0 {
		return reports[0], nil
	}
	ids := make([]string, len(reports))
	for i, r := range reports {
		if r.Run == id {
			return r, nil
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
	return s.aboutRun("leaderboard", "Show how a run's contestants did", func(_ context.Context, _ *app.Node, r bakeoff.Report) error {
		return s.print(r)
	})
}

func (s *shell) whyCommand() *cobra.Command {
	return s.aboutRun("why", "Say why a run ended as it did, and what would have changed it", func(_ context.Context, _ *app.Node, r bakeoff.Report) error {
		if s.json {
			return writeJSON(s.stdout, r)
		}
		writeWhy(s.stdout, r)
		return nil
	})
}

func (s *shell) logsCommand() *cobra.Command {
	var candidate string
	c := s.aboutRun("logs", "Print what a run's builds wrote", func(ctx context.Context, node *app.Node, r bakeoff.Report) error {
		return s.logs(ctx, node, r, candidate)
	})
	c.Flags().StringVar(&candidate, "candidate", "", "only this candidate's")
	return c
}

// trialLog is the log of one trial as JSON shows it.
type trialLog struct {
	Candidate string             `json:"candidate"`
	State     bakeoff.TrialState `json:"state"`
	Reason    string             `json:"reason,omitempty"`
	Log       string             `json:"log"`
}

func (s *shell) logs(ctx context.Context, node *app.Node, report bakeoff.Report, candidate string) error {
	run, _, err := node.Store().Run(ctx, report.Run)
	if err != nil {
		return err
	}
	logs := []trialLog{}
	var names []string
	for _, t := range run.Trials {
		names = append(names, t.Candidate)
		if candidate != "" && t.Candidate != candidate {
			continue
		}
		l := trialLog{Candidate: t.Candidate, State: t.State, Reason: t.Reason}
		if t.Log != "" {
			b, err := node.Store().GetBytes(ctx, t.Log)
			if err != nil {
				return err
			}
			l.Log = string(b)
		}
		logs = append(logs, l)
	}
	if len(logs) == 0 && candidate != "" {
		return bakeoff.Errorf(bakeoff.CodeNotFound, "run %s has no candidate %q, but %s", run.ID, candidate, list(names))
	}
	if s.json {
		return writeJSON(s.stdout, logs)
	}
	for _, l := range logs {
		writeLog(s.stdout, l)
	}
	return nil
}

func writeLog(w io.Writer, l trialLog) {
	fmt.Fprintf(w, "== %s: %s", l.Candidate, l.State)
	if l.Reason != "" {
		fmt.Fprintf(w, ": %s", l.Reason)
	}
	fmt.Fprintln(w)
	fmt.Fprint(w, l.Log)
	if l.Log == "" {
		fmt.Fprintln(w, "(it wrote nothing)")
	} else if l.Log[len(l.Log)-1] != '\n' {
		fmt.Fprintln(w)
	}
}

// historyEntry is one run as `history --json` lists it: the report, and what became of its message.
type historyEntry struct {
	bakeoff.Report
	Deliveries []bakeoff.Delivery `json:"deliveries,omitempty"`
}

func (s *shell) historyCommand() *cobra.Command {
	return &cobra.Command{
		Use: "history [NAME]", Short: "List a pipeline's runs, the newest first", Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return s.look(c.Context(), func(ctx context.Context, node *app.Node) error {
				name, err := pipeline(ctx, node, args)
				if err != nil {
					return err
				}
				return s.history(ctx, node, name)
			})
		},
	}
}

func (s *shell) history(ctx context.Context, node *app.Node, name string) error {
	reports, err := node.Store().Verdicts(ctx, name)
	if err != nil {
		return err
	}
	entries := make([]historyEntry, len(reports))
	for i, r := range reports {
		entries[i].Report = r
		if entries[i].Deliveries, err = node.Store().Deliveries(ctx, r.Run); err != nil {
			return err
		}
	}
	if s.json {
		return writeJSON(s.stdout, entries)
	}
	writeHistory(s.stdout, reports, width(s.stdout), s.color(s.stdout))
	for _, e := range entries {
		for _, d := range e.Deliveries {
			if d.State != bakeoff.DeliverySent {
				fmt.Fprintf(s.stdout, "message of run %s to receiver %d is %s: %s\n", d.Notification, d.Receiver+1, d.State, d.Detail)
			}
		}
	}
	return nil
}

func (s *shell) modelsCommand() *cobra.Command {
	return &cobra.Command{
		Use: "models [NAME]", Short: "List a model's versions and aliases", Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return s.look(c.Context(), func(ctx context.Context, node *app.Node) error {
				name, err := pipeline(ctx, node, args)
				if err != nil {
					return err
				}
				return s.models(ctx, node, name)
			})
		},
	}
}

func (s *shell) models(ctx context.Context, node *app.Node, name string) error {
	model, _, err := node.Store().Model(ctx, name)
	if err != nil {
		return err
	}
	versions, err := node.Store().Versions(ctx, name)
	if err != nil {
		return err
	}
	if s.json {
		return writeJSON(s.stdout, struct {
			bakeoff.Model
			Versions []bakeoff.Version `json:"versions"`
		}{model, versions})
	}
	aliases := make([]bakeoff.Alias, 0, len(model.Aliases))
	for _, name := range []string{bakeoff.AliasChampion, bakeoff.AliasPrevious} {
		if a, ok := model.Aliases[name]; ok {
			aliases = append(aliases, a)
		}
	}
	writeModels(s.stdout, versions, aliases, width(s.stdout), s.color(s.stdout))
	if h := model.Hold; h != nil {
		fmt.Fprintf(s.stdout, "held since %s by %s: %s\n", h.Since.Local().Format(time.RFC3339), h.By, h.Why)
	}
	return nil
}
