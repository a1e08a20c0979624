package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/client"
	"github.com/bakeoffhq/bakeoff/internal/app"
	"github.com/bakeoffhq/bakeoff/internal/dataset"
	"github.com/bakeoffhq/bakeoff/internal/plain"
	"github.com/bakeoffhq/bakeoff/internal/predict"
)

// act finds the pipeline that a person does something to. It does not wait for interrupted runs: an
// undo must be immediate.
func (s *shell) act(c *cobra.Command, args []string, do func(ctx context.Context, n *session, name string) error) error {
	return s.withStore(c.Context(), func(ctx context.Context, n *session) error {
		name, err := n.recorded(ctx, args)
		if err != nil {
			return err
		}
		if err := s.openRuns(ctx, n); err != nil {
			return err
		}
		return do(ctx, n, name)
	})
}

// moved tells what is live now, and then carries out what is owed for it where no node does.
func (s *shell) moved(ctx context.Context, n *session, m bakeoff.Model) error {
	if err := s.live(ctx, n, m); err != nil {
		return err
	}
	s.settle(ctx, n)
	return nil
}

// live tells what is live now.
func (s *shell) live(ctx context.Context, n *session, m bakeoff.Model) error {
	if s.json {
		return writeJSON(s.stdout, m)
	}
	model, err := n.Model(ctx, m.Name)
	if err != nil {
		return err
	}
	candidate := ""
	for _, v := range model.Versions {
		if v.Version == m.Champion() {
			candidate = v.Candidate
		}
	}
	fmt.Fprintf(s.stdout, "%s v%d (%s) is the champion: it gave its golden answers\n", m.Name, m.Champion(), candidate)
	if m.Hold != nil {
		fmt.Fprintf(s.stdout, "runs keep it until `%s resume %s`, or a promotion by hand\n", typed(), m.Name)
		return nil
	}
	fmt.Fprintf(s.stdout, "the next run may replace it, one under way too; `%s promote %s --version %d --hold` keeps it\n", typed(), m.Name, m.Champion())
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
	var version, reason string
	var noHold, quiet bool
	c := &cobra.Command{
		Use: "rollback [NAME]", Short: "Make the previous version the champion again", Args: cobra.MaximumNArgs(1),
		Long: `Rollback makes an earlier version the champion again, after it has given its
golden answers from the store. Runs then keep it until resume or promote lifts
the hold. The pipeline's receivers are told.`,
		RunE: func(c *cobra.Command, args []string) error {
			to, err := parseVersion(version)
			if err != nil {
				return err
			}
			return s.act(c, args, func(ctx context.Context, n *session, name string) error {
				m, err := n.Rollback(ctx, name, client.Rollback{To: to, Why: reason, NoHold: noHold, Quiet: quiet})
				if err != nil {
					return err
				}
				return s.moved(ctx, n, m)
			})
		},
	}
	c.Flags().StringVar(&version, "to", "", "the version to go back to (default: the one before the champion)")
	c.Flags().StringVar(&reason, "reason", "no reason given", "why, for the record")
	c.Flags().BoolVar(&noHold, "no-hold", false, "let the next run promote again")
	c.Flags().BoolVar(&quiet, "no-notify", false, "send no message about it")
	return c
}

func (s *shell) promoteCommand() *cobra.Command {
	var version, candidate, run, reason string
	var hold, force, quiet bool
	c := &cobra.Command{
		Use: "promote [NAME]", Short: "Make a version, or what a run has built, the champion", Args: cobra.MaximumNArgs(1),
		Long: `Promote makes a version the champion by your decision, after it has given its
golden answers from the store: --version N, or a new version of what the last
run (or --run ID) has built of --candidate NAME. It lifts a hold. The next run
may replace it, as may one that is under way, unless --hold keeps it until
resume or another promotion by hand. A candidate that the judge has not let pass
beside today's champion takes --force and a --reason; it has to answer in any
case. The pipeline's receivers are told.`,
		RunE: func(c *cobra.Command, args []string) error {
			number, err := parseVersion(version)
			if err != nil {
				return err
			}
			if (number == 0) == (candidate == "") {
				return usage(c, bakeoff.Errorf(bakeoff.CodeInvalid, "name what to promote: either --version or --candidate"))
			}
			if force && (reason == "" || !c.Flags().Changed("reason")) {
				return usage(c, bakeoff.Errorf(bakeoff.CodeInvalid, "say why it is forced: --reason \"...\""))
			}
			return s.act(c, args, func(ctx context.Context, n *session, name string) error {
				m, err := n.Promote(ctx, name, client.Promotion{
					Version: number, Candidate: candidate, Run: run, Why: reason, Hold: hold, Force: force, Quiet: quiet,
				})
				if err != nil {
					return err
				}
				return s.moved(ctx, n, m)
			})
		},
	}
	c.Flags().StringVar(&version, "version", "", "a version of the model")
	c.Flags().StringVar(&candidate, "candidate", "", "a candidate that a run has built")
	c.Flags().StringVar(&run, "run", "", "with --candidate: the run's ID (default: the last)")
	c.Flags().StringVar(&reason, "reason", "promoted by hand", "why, for the record")
	c.Flags().BoolVar(&hold, "hold", false, "have runs keep it")
	c.Flags().BoolVar(&force, "force", false, "with --reason: also what the judge has not let pass")
	c.Flags().BoolVar(&quiet, "no-notify", false, "send no message about it")
	return c
}

func (s *shell) resumeCommand() *cobra.Command {
	return &cobra.Command{
		Use: "resume [NAME]", Short: "Lift a pause of the schedule and the hold of a rollback or promotion", Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return s.act(c, args, func(ctx context.Context, n *session, name string) error {
				var lifted client.Resumed
				err := s.driving(ctx, n, func(ctx context.Context) (err error) { // the schedule asks which runs are open
					lifted, err = n.Resume(ctx, name)
					return err
				})
				if err != nil {
					return err
				}
				if s.json {
					return writeJSON(s.stdout, lifted)
				}
				if lifted.Pause != nil {
					fmt.Fprintf(s.stdout, "%s: its schedule goes on\n", name)
				}
				if lifted.Hold != nil {
					fmt.Fprintf(s.stdout, "%s: the hold is lifted, the next run may promote\n", name)
				}
				if lifted.Pause == nil && lifted.Hold == nil {
					fmt.Fprintf(s.stdout, "%s was neither paused nor held\n", name)
				}
				return nil
			})
		},
	}
}

func (s *shell) pauseCommand() *cobra.Command {
	var reason string
	c := &cobra.Command{
		Use: "pause [NAME]", Short: "Stop a pipeline's schedule until resume", Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return s.act(c, args, func(ctx context.Context, n *session, name string) error {
				pause, err := n.Pause(ctx, name, reason)
				if err != nil {
					return err
				}
				if s.json {
					return writeJSON(s.stdout, pause)
				}
				_, err = fmt.Fprintf(s.stdout, "%s: no tick has a run until `%s resume %s`\n", name, typed(), name)
				return err
			})
		},
	}
	c.Flags().StringVar(&reason, "reason", "", "why, for the record")
	return c
}

// openRun returns the ID of the run that a command is about: the one named, or the pipeline's only open one.
func (n *session) openRun(ctx context.Context, args []string, id string) (string, error) {
	if id != "" {
		return id, nil
	}
	name, err := n.pipeline(ctx, args)
	if err != nil {
		return "", err
	}
	p, err := n.Pipeline(ctx, name)
	if err != nil {
		return "", err
	}
	switch len(p.Open) {
	case 0:
		return "", bakeoff.Errorf(bakeoff.CodeNotFound, "pipeline %s has no open run", name).WithHint("`bakeoff history %s` lists those that have ended", name)
	case 1:
		return p.Open[0], nil
	default:
		return "", bakeoff.Errorf(bakeoff.CodeInvalid, "pipeline %s has %d open runs: name one with --run: %s", name, len(p.Open), list(p.Open))
	}
}

func (s *shell) cancelCommand() *cobra.Command {
	var id, reason string
	c := &cobra.Command{
		Use: "cancel [NAME]", Short: "End a pipeline's open run", Args: cobra.MaximumNArgs(1),
		Long: `Cancel ends the open run of a pipeline, or the one named by --run: its builds
are killed, with all that they have started, and its verdict is failed. The
champion stays. A run that was interrupted is ended without going on first.`,
		RunE: func(c *cobra.Command, args []string) error {
			return s.withStore(c.Context(), func(ctx context.Context, n *session) error {
				run, err := n.openRun(ctx, args, id)
				if err != nil {
					return err
				}
				return s.driving(ctx, n, func(ctx context.Context) error { return s.cancel(ctx, n, run, reason) })
			})
		},
	}
	c.Flags().StringVar(&id, "run", "", "a run's ID instead of the only open one")
	c.Flags().StringVar(&reason, "reason", "", "why, for the record")
	return c
}

func (s *shell) cancel(ctx context.Context, n *session, run, reason string) error {
	if err := n.Cancel(ctx, run, reason); err != nil {
		return err
	}
	report, err := s.watch(ctx, n, run)
	if err != nil {
		return err
	}
	if s.json {
		return writeJSON(s.stdout, report)
	}
	_, err = fmt.Fprintf(s.stdout, "%s: %s\n", report.Verdict, plain.Line(report.Reason))
	return err
}

func (s *shell) retryCommand() *cobra.Command {
	var id string
	var o runOptions
	c := &cobra.Command{
		Use: "retry [NAME]", Short: "Build the failed trials of a run again, and judge anew", Args: cobra.MaximumNArgs(1),
		Long: `Retry makes a new run on the snapshot and with the seed of an ended one, the
last or the one named by --run: what was built is taken over, failed trials are
built again.`,
		RunE: func(c *cobra.Command, args []string) error {
			return s.withStore(c.Context(), func(ctx context.Context, n *session) error {
				if err := s.resume(ctx, n); err != nil {
					return err
				}
				of, err := n.endedRun(ctx, args, id)
				if err != nil {
					return err
				}
				return s.started(ctx, n, o, func(ctx context.Context) (string, error) {
					return n.Retry(ctx, of.Run, client.RunRequest{Quiet: o.quiet})
				})
			})
		},
	}
	c.Flags().StringVar(&id, "run", "", "a run's ID instead of the last run")
	c.Flags().Bool("failed", true, "build only the failed trials again, as it does")
	_ = c.Flags().MarkHidden("failed") // for who types it: it is defined
	o.flags(c)
	return c
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
	var files predict.Files
	var version, format string
	c := &cobra.Command{
		Use: "predict [NAME] --in rows.csv --out scored.csv", Short: "Score the rows of a CSV or Parquet file with the champion", Args: cobra.MaximumNArgs(1),
		Long: `Predict reads rows from a file with the columns that the model was trained on,
in any order, and writes them with the model's answers behind. Files of any
size are read in constant memory. Their names say what they are: Parquet if they
end in .parquet or .pq, else CSV. --in - reads CSV from stdin, and --out - writes
to stdout, CSV or what --format says.`,
		RunE: func(c *cobra.Command, args []string) error {
			number, err := parseVersion(version)
			if err != nil {
				return err
			}
			files.Stdout = dataset.Format(format)
			if files.In == "" || files.Out == "" {
				return usage(c, bakeoff.Errorf(bakeoff.CodeInvalid, "say what to score and where to write it: --in and --out"))
			}
			if err := separate(files.In, files.Out); err != nil {
				return err
			}
			if c.Flags().Changed("format") && files.Out != dataset.Stream {
				return usage(c, bakeoff.Errorf(bakeoff.CodeInvalid, "--format is for stdout; a file has the format that its name ends in"))
			}
			if s.json && files.Out == dataset.Stream {
				return usage(c, bakeoff.Errorf(bakeoff.CodeInvalid, "--json and --out - both want stdout"))
			}
			return s.withStore(c.Context(), func(ctx context.Context, n *session) error {
				name, err := n.recorded(ctx, args)
				if err != nil {
					return err
				}
				return s.predict(ctx, n, name, number, files)
			})
		},
	}
	c.Flags().StringVar(&files.In, "in", "", "the file to score, or - for stdin")
	c.Flags().StringVar(&files.Out, "out", "", "the file to write, or - for stdout")
	c.Flags().StringVar(&format, "format", string(dataset.FormatCSV), "what is written to stdout: csv or parquet")
	c.Flags().StringVar(&version, "version", "", "a version instead of the champion")
	return c
}

// predict scores a file. With a running node the rows stay here: the artifact is fetched, and a
// million rows are no load for those who ask it for predictions.
func (s *shell) predict(ctx context.Context, n *session, name string, number int, files predict.Files) error {
	var scored app.Scored
	var err error
	if n.node != nil {
		scored, err = n.node.Score(ctx, name, number, files)
	} else {
		scored, err = s.predictHere(ctx, n, name, number, files)
	}
	if err != nil {
		return err
	}
	if s.json {
		return writeJSON(s.stdout, scored)
	}
	fmt.Fprintf(s.stderr, "%s scored by %s v%d (%s)", counted(scored.Rows, "row"), scored.Model, scored.Version, scored.Candidate)
	if scored.Unseen > 0 {
		fmt.Fprintf(s.stderr, "; %s with a category that training had not seen", counted(scored.Unseen, "cell"))
	}
	fmt.Fprintln(s.stderr)
	return nil
}

// predictHere scores with an artifact that a running node hands out.
func (s *shell) predictHere(ctx context.Context, n *session, name string, number int, files predict.Files) (app.Scored, error) {
	model, err := n.Model(ctx, name)
	if err != nil {
		return app.Scored{}, err
	}
	if number == 0 {
		number = model.Champion()
	}
	i := slices.IndexFunc(model.Versions, func(v bakeoff.Version) bool { return v.Version == number })
	if i < 0 && number == 0 {
		return app.Scored{}, bakeoff.Errorf(bakeoff.CodeNotFound, "model %s has no champion", name).
			WithHint("`bakeoff why %s` says why no run has promoted one", name)
	}
	if i < 0 {
		return app.Scored{}, bakeoff.Errorf(bakeoff.CodeNotFound, "model %s has no version %d", name, number).
			WithHint("`bakeoff models %s` lists its versions", name)
	}
	p, err := n.Pipeline(ctx, name)
	if err != nil {
		return app.Scored{}, err
	}
	fetch := func(w io.Writer) error { return n.Artifact(ctx, name, number, w) }
	return app.ScoreFetched(ctx, s.config(), model.Versions[i], filepath.Dir(p.Path), fetch, files)
}
