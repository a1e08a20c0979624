package cli

import (
	"context"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/client"
	"github.com/bakeoffhq/bakeoff/internal/app"
	"github.com/bakeoffhq/bakeoff/internal/plain"
)

// defaultFile is the pipeline file that commands look for where none is named.
const defaultFile = "bakeoff.yaml"

// runOptions are the flags of the commands that start a run.
type runOptions struct {
	quiet    bool
	detach   bool
	detailed bool
}

func (o *runOptions) flags(c *cobra.Command) {
	c.Flags().BoolVar(&o.quiet, "no-notify", false, "send no message about it")
	c.Flags().BoolVar(&o.detach, "detach", false, "with a running node: print the run's ID and do not wait for it")
	c.Flags().BoolVar(&o.detailed, "detailed-exitcode", false, "exit with 10 instead of 0 when the champion is kept")
}

func (s *shell) runCommand() *cobra.Command {
	var o runOptions
	c := &cobra.Command{
		Use: "run [FILE|NAME]", Short: "Run a pipeline once, now", Args: cobra.MaximumNArgs(1),
		Long: `Run freezes the data of a pipeline, builds its candidates, judges them and
carries out the verdict. FILE is a pipeline file; NAME a pipeline that has run
before, whose file is read again. Without either it is ./bakeoff.yaml, or the
only pipeline of the store. Where ` + "`bakeoff up`" + ` works on the store, the run is
its work, and Ctrl-C only stops watching; otherwise Ctrl-C cancels the run.`,
		RunE: func(c *cobra.Command, args []string) error {
			path := namedFile(args)
			if path != "" { // a file that cannot be read should not make a store
				if _, _, err := app.LoadPipeline(path, os.LookupEnv); err != nil {
					return err
				}
			} else if err := s.mustHaveStore(); err != nil && len(args) == 0 {
				return noPipeline()
			} else if err != nil {
				return err
			}
			return s.withNode(c.Context(), func(ctx context.Context, n *session) error {
				return s.runOnce(ctx, n, path, args, o)
			})
		},
	}
	o.flags(c)
	return c
}

// runOnce makes the run that a command line asks for: of a file, or of the pipeline that is named.
func (s *shell) runOnce(ctx context.Context, n *session, path string, args []string, o runOptions) error {
	name := ""
	if path == "" {
		var err error
		name, err = n.pipeline(ctx, args)
		if bakeoff.CodeOf(err) == bakeoff.CodeNotFound && len(args) == 0 {
			return noPipeline()
		}
		if err != nil {
			return err
		}
	}
	if err := s.resume(ctx, n); err != nil {
		return err
	}
	return s.started(ctx, n, o, func(ctx context.Context) (string, error) { return s.start(ctx, n, path, name, o.quiet) })
}

// start applies the pipeline's file as it is now, and starts a run of it. A node on another machine
// takes no files: there the pipeline has to be known.
func (s *shell) start(ctx context.Context, n *session, path, name string, quiet bool) (string, error) {
	if path == "" && n.here {
		p, err := n.Pipeline(ctx, name)
		if err != nil {
			return "", err
		}
		if n.node == nil {
			return s.startEdited(ctx, n, p, quiet)
		}
		path = p.Path
	}
	if path != "" && !n.here {
		return "", bakeoff.Errorf(bakeoff.CodeInvalid, "a node on another machine takes no pipeline files").
			WithHint("name a pipeline that it has: `bakeoff run NAME`")
	}
	if path != "" {
		file, _, err := app.LoadPipeline(path, os.LookupEnv)
		if err != nil {
			return "", err
		}
		if _, err := n.Apply(ctx, file.Name, client.PipelineText{Path: file.Path, Text: file.Text}); err != nil {
			return "", err
		}
		name = file.Name
	}
	return n.StartRun(ctx, name, client.RunRequest{Quiet: quiet})
}

// startEdited starts a run of a pipeline that a running node has. An edit that the node has not seen
// yet counts; where the file is gone, what was applied does.
func (s *shell) startEdited(ctx context.Context, n *session, p client.Pipeline, quiet bool) (string, error) {
	text, err := os.ReadFile(p.Path)
	if err == nil && bakeoff.DigestOf(text) != p.Revision {
		if _, err := n.Apply(ctx, p.Name, client.PipelineText{Path: p.Path, Text: string(text)}); err != nil {
			return "", err
		}
	}
	return n.StartRun(ctx, p.Name, client.RunRequest{Quiet: quiet})
}

// run makes one run of a pipeline file and sees it to its end, after those that were interrupted.
func (s *shell) run(ctx context.Context, n *session, path string) (bakeoff.Report, error) {
	if err := s.resume(ctx, n); err != nil {
		return bakeoff.Report{}, err
	}
	var report client.RunReport
	err := s.working(ctx, n, func(ctx context.Context) error {
		id, err := s.start(ctx, n, path, "", false)
		if err != nil {
			return err
		}
		report, err = s.watch(ctx, n, id)
		return err
	})
	return report.Report, err
}

// started sees a run that a command starts to its end, prints it, and says how it ended.
func (s *shell) started(ctx context.Context, n *session, o runOptions, start func(context.Context) (string, error)) error {
	var report client.RunReport
	err := s.working(ctx, n, func(ctx context.Context) error {
		id, err := start(ctx)
		if err != nil {
			return err
		}
		if o.detach && n.node == nil {
			return s.detached(id)
		}
		report, err = s.watch(ctx, n, id)
		return err
	})
	if err != nil || report.Run == "" {
		return err
	}
	if err := s.print(report.Report); err != nil {
		return err
	}
	return s.verdictCode(report.Verdict, o.detailed)
}

// detached names a run that goes on by itself.
func (s *shell) detached(id string) error {
	if s.json {
		return writeJSON(s.stdout, client.RunStarted{Run: id})
	}
	_, err := fmt.Fprintln(s.stdout, id)
	return err
}

// namedFile returns the path of the file that a run is asked of, or "" if it is asked of a pipeline
// that the store knows.
func namedFile(args []string) string {
	if len(args) == 0 {
		if _, err := os.Stat(defaultFile); err == nil {
			return defaultFile
		}
		return ""
	}
	if info, err := os.Stat(args[0]); err == nil && !info.IsDir() || !bakeoff.ValidName(args[0]) {
		return args[0] // reading it says what is wrong with it
	}
	return ""
}

func noPipeline() error {
	return bakeoff.Errorf(bakeoff.CodeInvalid, "there is no %s here, and no pipeline in the store", defaultFile).
		WithHint("`bakeoff init` writes a pipeline file; `bakeoff run FILE` runs another")
}

// print writes a run's outcome to stdout.
func (s *shell) print(report bakeoff.Report) error {
	if s.json {
		return writeJSON(s.stdout, report)
	}
	writeLeaderboard(s.stdout, report, width(s.stdout), s.color(s.stdout))
	return nil
}

// failedCode is the exit code of a run without a decision.
func (s *shell) failedCode() error {
	if s.interrupted {
		return exitCode(exitInterrupted)
	}
	return exitCode(exitFailed)
}

func (s *shell) verdictCode(v bakeoff.Verdict, detailed bool) error {
	switch {
	case v == bakeoff.Failed:
		return s.failedCode()
	case v == bakeoff.Kept && detailed:
		return exitCode(exitKept)
	default:
		return nil
	}
}

func (s *shell) checkCommand() *cobra.Command {
	var schema bool
	c := &cobra.Command{
		Use: "check [FILE]", Short: "Find every mistake in a pipeline file, and look at its data", Args: cobra.MaximumNArgs(1),
		Long: `Check reads a pipeline file and the data that it names, changes nothing, and
prints what a run would do. With --schema it prints the JSON Schema of pipeline
files, for editors.`,
		RunE: func(c *cobra.Command, args []string) error {
			if schema {
				_, err := s.stdout.Write(app.PipelineSchema())
				return err
			}
			path := defaultFile
			if len(args) > 0 {
				path = args[0]
			}
			return s.check(c.Context(), path)
		},
	}
	c.Flags().BoolVar(&schema, "schema", false, "print the JSON Schema of pipeline files")
	return c
}

// check prints what a run of the file would do.
func (s *shell) check(ctx context.Context, path string) error {
	plan, err := app.Check(ctx, path, os.LookupEnv)
	if err != nil {
		return err
	}
	if s.json {
		return writeJSON(s.stdout, plan)
	}
	rows := plan.Snapshot.Rows
	count := plain.Count
	fmt.Fprintf(s.stdout, "%s is a valid pipeline file.\n\n", path)
	fmt.Fprintf(s.stdout, "pipeline    %s, revision %s\n", plan.Pipeline.Name, plan.Pipeline.Revision.Short())
	fmt.Fprintf(s.stdout, "data        %s\n", plan.Pipeline.Data.Source)
	fmt.Fprintf(s.stdout, "rows        %s to train, %s held out, %s set aside\n", count(rows.Train), count(rows.Holdout), count(rows.SetAside))
	if split := plan.Snapshot.Split; split.Rotate > 0 {
		fmt.Fprintf(s.stdout, "rotation    these rows are held out until %s UTC, then others for %s; a champion from before is built again, to be compared\n",
			split.Ends().Format("2006-01-02 15:04"), bakeoff.Days(split.Rotate))
	}
	fmt.Fprintf(s.stdout, "target      %s: %s\n", plan.Snapshot.Schema.Target, target(plan.Snapshot.Schema))
	fmt.Fprintf(s.stdout, "metric      %s\n", plan.Metric)
	writeSearches(s.stdout, plan.Pipeline)
	writeGate(s.stdout, plan.Pipeline)
	fmt.Fprintf(s.stdout, "candidates  %s\n", list(candidateNames(plan.Pipeline)))
	fmt.Fprintln(s.stdout, "columns")
	for _, c := range plan.Snapshot.Schema.Columns {
		fmt.Fprintf(s.stdout, "  %-24s %s%s\n", c.Name, c.Kind, categories(c))
	}
	for _, n := range plan.Snapshot.Notes {
		fmt.Fprintf(s.stdout, "note: %s\n", n)
	}
	for _, n := range plan.Missing {
		fmt.Fprintf(s.stdout, "note: %s\n", n)
	}
	_, err = fmt.Fprintf(s.stdout, "\nnext: %s run %s\n", typed(), path)
	return err
}

func target(schema bakeoff.Schema) string {
	if schema.Task == bakeoff.Regression {
		return string(schema.Task)
	}
	return fmt.Sprintf("%s, %s", schema.Task, list(schema.Classes))
}

func categories(c bakeoff.ColumnSchema) string {
	if c.Kind != bakeoff.KindCategory {
		return ""
	}
	return fmt.Sprintf(" of %d", len(c.Categories))
}

func candidateNames(p *bakeoff.Pipeline) []string {
	names := make([]string, len(p.Candidates))
	for i, c := range p.Candidates {
		names[i] = c.Name + " (" + c.Trainer + ")"
	}
	return names
}
