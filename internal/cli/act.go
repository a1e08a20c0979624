package cli

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/app"
	"github.com/bakeoffhq/bakeoff/internal/registry"
)

// act opens the store for what a person does to a model. It does not wait for interrupted runs: an
// undo must be immediate.
func (s *shell) act(c *cobra.Command, args []string, reason string, do func(context.Context, *app.Node, registry.Act) error) error {
	return s.withStore(c.Context(), func(ctx context.Context, node *app.Node) error {
		name, err := pipeline(ctx, node, args)
		if err != nil {
			return err
		}
		if err := s.openRuns(ctx, node); err != nil {
			return err
		}
		return do(ctx, node, registry.Act{Model: name, By: app.Person(), Why: reason})
	})
}

// live tells what is live now.
func (s *shell) live(ctx context.Context, node *app.Node, m bakeoff.Model) error {
	v, err := node.Store().Version(ctx, m.Name, m.Champion())
	if err != nil {
		return err
	}
	if s.json {
		return writeJSON(s.stdout, m)
	}
	fmt.Fprintf(s.stdout, "%s v%d (%s) is the champion: it gave its golden answers\n", v.Model, v.Version, v.Candidate)
	if h := m.Hold; h != nil {
		fmt.Fprintf(s.stdout, "runs keep it until `%s resume %s`, or a promotion by hand\n", typed(), m.Name)
	}
	return nil
}

// parseVersion reads a version as people write it: 17 or v17. "" is 0.
func parseVersion(text string) (int, error) {
	if text == "" {
		return 0, nil
	}
	n, err := strconv.Atoi(strings.TrimPrefix(text, "v"))
	if err != nil || n < 1 {
		return 0, bakeoff.Errorf(bakeoff.CodeInvalid, "%q is not a version: versions are numbers from 1", text)
	}
	return n, nil
}

func (s *shell) rollbackCommand() *cobra.Command {
	var to, reason string
	var noHold bool
	c := &cobra.Command{
		Use: "rollback [NAME]", Short: "Make the previous version the champion again", Args: cobra.MaximumNArgs(1),
		Long: `Rollback makes an earlier version the champion again, after it has given its
golden answers from the store. Runs then keep it until resume or promote lifts
the hold.`,
		RunE: func(c *cobra.Command, args []string) error {
			n, err := parseVersion(to)
			if err != nil {
				return err
			}
			return s.act(c, args, reason, func(ctx context.Context, node *app.Node, a registry.Act) error {
				m, err := node.Registry().Rollback(ctx, a, n, !noHold)
				if err != nil {
					return err
				}
				return s.live(ctx, node, m)
			})
		},
	}
	c.Flags().StringVar(&to, "to", "", "the version to go back to (default: the one before the champion)")
	c.Flags().StringVar(&reason, "reason", "no reason given", "why, for the record")
	c.Flags().BoolVar(&noHold, "no-hold", false, "let the next run promote again")
	return c
}

func (s *shell) promoteCommand() *cobra.Command {
	var version, candidate, run, reason string
	c := &cobra.Command{
		Use: "promote [NAME]", Short: "Make a version, or what a run has built, the champion", Args: cobra.MaximumNArgs(1),
		Long: `Promote makes a version the champion by your decision, after it has given its
golden answers from the store: --version N, or a new version of what the last
run (or --run ID) has built of --candidate NAME. It lifts a hold.`,
		RunE: func(c *cobra.Command, args []string) error {
			n, err := parseVersion(version)
			if err != nil {
				return err
			}
			if (n == 0) == (candidate == "") {
				return usage(c, bakeoff.Errorf(bakeoff.CodeInvalid, "name what to promote: either --version or --candidate"))
			}
			return s.act(c, args, reason, func(ctx context.Context, node *app.Node, a registry.Act) error {
				m, err := promote(ctx, node, a, n, candidate, run)
				if err != nil {
					return err
				}
				return s.live(ctx, node, m)
			})
		},
	}
	c.Flags().StringVar(&version, "version", "", "a version of the model")
	c.Flags().StringVar(&candidate, "candidate", "", "a candidate that a run has built")
	c.Flags().StringVar(&run, "run", "", "with --candidate: the run's ID (default: the last)")
	c.Flags().StringVar(&reason, "reason", "promoted by hand", "why, for the record")
	return c
}

func promote(ctx context.Context, node *app.Node, a registry.Act, n int, candidate, run string) (bakeoff.Model, error) {
	if n != 0 {
		return node.Registry().Promote(ctx, a, n)
	}
	report, err := endedRun(ctx, node, []string{a.Model}, run)
	if err != nil {
		return bakeoff.Model{}, err
	}
	return node.Registry().PromoteTrial(ctx, a, report.Run, candidate)
}

func (s *shell) resumeCommand() *cobra.Command {
	return &cobra.Command{
		Use: "resume [NAME]", Short: "Lift the hold of a rollback: the next run may promote again", Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return s.act(c, args, "", func(ctx context.Context, node *app.Node, a registry.Act) error {
				held, err := node.Registry().Resume(ctx, a)
				if err != nil {
					return err
				}
				if s.json {
					return writeJSON(s.stdout, map[string]any{"model": a.Model, "lifted": held})
				}
				if held {
					_, err = fmt.Fprintf(s.stdout, "%s: the hold is lifted, the next run may promote\n", a.Model)
				} else {
					_, err = fmt.Fprintf(s.stdout, "%s was not held\n", a.Model)
				}
				return err
			})
		},
	}
}

// separate refuses to write the answers over the rows that they are for.
func separate(in, out string) error {
	a, errIn := os.Stat(in)
	b, errOut := os.Stat(out)
	if errIn == nil && errOut == nil && os.SameFile(a, b) {
		return bakeoff.Errorf(bakeoff.CodeInvalid, "--in and --out are the same file, %s", in).WithHint("write to another file")
	}
	return nil
}

func (s *shell) predictCommand() *cobra.Command {
	var in, out, version string
	c := &cobra.Command{
		Use: "predict [NAME] --in rows.csv --out scored.csv", Short: "Score the rows of a CSV file with the champion", Args: cobra.MaximumNArgs(1),
		Long: `Predict reads rows from a CSV file with the columns that the model was trained
on, in any order, and writes them with the model's answers behind. Files of any
size are read in constant memory. --out - writes to stdout.`,
		RunE: func(c *cobra.Command, args []string) error {
			n, err := parseVersion(version)
			if err != nil {
				return err
			}
			if in == "" || out == "" {
				return usage(c, bakeoff.Errorf(bakeoff.CodeInvalid, "say what to score and where to write it: --in and --out"))
			}
			if err := separate(in, out); err != nil {
				return err
			}
			if s.json && out == "-" {
				return usage(c, bakeoff.Errorf(bakeoff.CodeInvalid, "--json and --out - both want stdout"))
			}
			return s.withStore(c.Context(), func(ctx context.Context, node *app.Node) error {
				name, err := pipeline(ctx, node, args)
				if err != nil {
					return err
				}
				sum, v, err := node.Score(ctx, name, n, in, out)
				if err != nil {
					return err
				}
				if s.json {
					return writeJSON(s.stdout, map[string]any{"model": v.Model, "version": v.Version, "rows": sum.Rows, "unseen_categories": sum.Unseen})
				}
				fmt.Fprintf(s.stderr, "%s scored by %s v%d (%s)", counted(sum.Rows, "row"), v.Model, v.Version, v.Candidate)
				if sum.Unseen > 0 {
					fmt.Fprintf(s.stderr, "; %s with a category that training had not seen", counted(sum.Unseen, "cell"))
				}
				fmt.Fprintln(s.stderr)
				return nil
			})
		},
	}
	c.Flags().StringVar(&in, "in", "", "the CSV file to score")
	c.Flags().StringVar(&out, "out", "", "the CSV file to write, or - for stdout")
	c.Flags().StringVar(&version, "version", "", "a version instead of the champion")
	return c
}
