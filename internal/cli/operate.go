package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/google/renameio/v2"
	"github.com/spf13/cobra"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/client"
	"github.com/bakeoffhq/bakeoff/internal/app"
	"github.com/bakeoffhq/bakeoff/internal/plain"
)

func (s *shell) scheduleCommand() *cobra.Command {
	var count int
	c := &cobra.Command{
		Use: "schedule [NAME]", Short: "List the next ticks, with UTC offset and clock changes", Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return s.withStore(c.Context(), func(ctx context.Context, n *session) error {
				name := ""
				if len(args) > 0 {
					var err error
					if name, err = n.pipeline(ctx, args); err != nil {
						return err
					}
				}
				ticks, err := n.Schedule(ctx, name, count)
				if err != nil {
					return err
				}
				return s.schedule(ctx, n, name, ticks)
			})
		},
	}
	c.Flags().IntVarP(&count, "limit", "n", 10, "how many")
	return c
}

// schedule prints the next ticks of the pipeline that is named, "" for all.
func (s *shell) schedule(ctx context.Context, n *session, name string, ticks []bakeoff.Upcoming) error {
	if s.json {
		return writeJSON(s.stdout, ticks)
	}
	pipelines, err := n.Pipelines(ctx)
	if err != nil {
		return err
	}
	for _, p := range pipelines {
		switch {
		case name != "" && p.Name != name:
		case p.Paused != nil:
			fmt.Fprintf(s.stdout, "%s: paused since %s by %s; `%s resume %s` goes on\n", p.Name, p.Paused.Since.Local().Format(time.RFC3339), plain.Line(p.Paused.By), typed(), p.Name)
		case p.Schedule == "":
			fmt.Fprintf(s.stdout, "%s: on demand only\n", p.Name)
		case p.Next == nil:
			fmt.Fprintf(s.stdout, "%s: %s, but the node does not have its file: no ticks\n", p.Name, p.Schedule)
		default:
			fmt.Fprintf(s.stdout, "%s: %s\n", p.Name, p.Schedule)
		}
	}
	t := table{columns: []column{{title: "PIPELINE"}, {title: "TICK"}, {title: "IN", right: true}, {title: "ZONE"}, {title: "NOTE"}}}
	for _, u := range ticks {
		t.rows = append(t.rows, row{cells: []string{
			u.Pipeline, u.Time.Format("Mon 2006-01-02 15:04:05 -07:00"), briefly(time.Until(u.Time)), u.Zone, u.Note,
		}})
	}
	if len(ticks) > 0 {
		fmt.Fprintln(s.stdout)
		t.write(s.stdout, width(s.stdout), s.color(s.stdout))
	}
	if n.node != nil && len(ticks) > 0 {
		fmt.Fprintf(s.stdout, "\nnobody waits for them: `%s up` does\n", typed())
	}
	return nil
}

func (s *shell) workersCommand() *cobra.Command {
	var drain string
	c := &cobra.Command{
		Use: "workers", Short: "List who builds: host, slots, work, age of the heartbeat", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return s.withStore(c.Context(), func(ctx context.Context, n *session) error {
				if drain != "" {
					return s.drain(ctx, n, drain)
				}
				workers, err := n.Workers(ctx)
				if err != nil {
					return err
				}
				if s.json {
					return writeJSON(s.stdout, workers)
				}
				writeWorkers(s.stdout, workers, width(s.stdout), s.color(s.stdout))
				if err := s.sayUnserved(ctx, n); err != nil {
					return err
				}
				if n.node != nil {
					fmt.Fprintf(s.stdout, "no node works on this store: `%s up` starts one\n", typed())
				}
				return nil
			})
		},
	}
	c.Flags().StringVar(&drain, "drain", "", "have this worker end its work and take no more")
	return c
}

func (s *shell) drain(ctx context.Context, n *session, worker string) error {
	if err := n.Drain(ctx, worker); err != nil {
		return err
	}
	return s.done("worker", worker, "ends its work and takes no more")
}

// done says what was done to something that has no record to show.
func (s *shell) done(kind, name, what string) error {
	if s.json {
		return writeJSON(s.stdout, map[string]string{kind: name, "done": what})
	}
	_, err := fmt.Fprintf(s.stdout, "%s %s %s\n", kind, plain.Line(name), what)
	return err
}

// sayUnserved says which queues nobody builds for.
func (s *shell) sayUnserved(ctx context.Context, n *session) error {
	node, err := n.Node(ctx)
	for _, p := range node.Problems {
		if strings.HasPrefix(p, "no worker serves") || strings.Contains(p, ", which this node does not serve: ") {
			fmt.Fprintln(s.stdout, plain.Line(p))
		}
	}
	return err
}

func writeWorkers(w io.Writer, workers []bakeoff.WorkerInfo, width int, color bool) {
	t := table{columns: []column{
		{title: "WORKER"}, {title: "HOST"}, {title: "STATE"}, {title: "QUEUES"}, {title: "SLOTS", right: true}, {title: "BEAT", right: true}, {title: "WORK"},
	}}
	for _, one := range workers {
		r := row{cells: []string{
			plain.Line(one.Name), plain.Line(one.Host), string(one.State), strings.Join(one.Queues, ","),
			fmt.Sprintf("%d/%d", len(one.Work), one.Slots), briefly(time.Since(one.Beat)) + " ago", workInWords(one),
		}}
		if one.State == bakeoff.WorkerLost {
			r.style = badStyle
		}
		t.rows = append(t.rows, r)
	}
	if len(workers) > 0 {
		t.write(w, width, color)
	}
}

func workInWords(w bakeoff.WorkerInfo) string {
	var parts []string
	for _, one := range w.Work {
		what := string(one.Task.Kind)
		if one.Task.Candidate != "" {
			what = one.Task.Candidate
		}
		if one.Task.Setting > 0 {
			what += fmt.Sprintf(", setting %d,", one.Task.Setting)
		}
		parts = append(parts, fmt.Sprintf("%s of %s, %s", plain.Line(what), one.Task.Run, briefly(time.Since(one.Since))))
	}
	if w.Skew > 2 || w.Skew < -2 {
		parts = append(parts, fmt.Sprintf("its clock is %+.0f s off", w.Skew))
	}
	if len(parts) == 0 {
		return "-"
	}
	return strings.Join(parts, "; ")
}

func (s *shell) liveCommand() *cobra.Command {
	return &cobra.Command{
		Use: "live [NAME]", Short: "Say which version of each model answers, on which nodes", Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return s.look(c.Context(), func(ctx context.Context, n *session) error {
				live, err := n.live(ctx, args)
				if err != nil {
					return err
				}
				if s.json {
					return writeJSON(s.stdout, live)
				}
				for _, l := range live {
					writeLive(s.stdout, l)
				}
				if err := s.sayStanding(ctx, n, live); err != nil {
					return err
				}
				if n.node != nil {
					fmt.Fprintf(s.stdout, "no node answers requests: `%s up` starts one\n", typed())
				}
				return nil
			})
		},
	}
}

// live returns what answers of every model, or of the one that is named.
func (n *session) live(ctx context.Context, args []string) ([]client.Live, error) {
	live, err := n.Serving(ctx)
	if err != nil || len(args) == 0 {
		return live, err
	}
	name, err := n.recorded(ctx, args)
	return slices.DeleteFunc(live, func(l client.Live) bool { return l.Model != name }), err
}

// sayStanding says why a model may stay as it is: its pipeline is paused or held, or a file is broken.
func (s *shell) sayStanding(ctx context.Context, n *session, live []client.Live) error {
	pipelines, err := n.Pipelines(ctx)
	if err != nil {
		return err
	}
	if err := s.sayRemoved(ctx, n, pipelines, live); err != nil {
		return err
	}
	for _, p := range pipelines {
		if !slices.ContainsFunc(live, func(l client.Live) bool { return l.Model == p.Name }) {
			continue
		}
		if h := p.Held; h != nil {
			fmt.Fprintf(s.stdout, "%s is held since %s by %s: %s\n", p.Name, h.Since.Local().Format(time.RFC3339), plain.Line(h.By), plain.Line(h.Why))
		}
		writePending(s.stdout, p.Name, p.Pending, time.Local)
		if h := p.Paused; h != nil {
			fmt.Fprintf(s.stdout, "%s is paused since %s by %s\n", p.Name, h.Since.Local().Format(time.RFC3339), plain.Line(h.By))
		}
	}
	node, err := n.Node(ctx)
	for _, p := range node.Problems {
		if strings.HasPrefix(p, "not applied: ") {
			fmt.Fprintln(s.stdout, plain.Line(p))
		}
	}
	return err
}

func writeLive(w io.Writer, l client.Live) {
	switch {
	case l.Version == 0:
		fmt.Fprintf(w, "%s has no champion yet\n", l.Model)
		return
	case l.Nodes == 0:
		fmt.Fprintf(w, "%s v%d is the champion, and no node answers with it\n", l.Model, l.Version)
		return
	}
	fmt.Fprintf(w, "%s v%d is live on %d of %d nodes\n", l.Model, l.Version, l.Live, l.Nodes)
	for _, one := range l.Serving {
		switch {
		case one.Refused != "":
			fmt.Fprintf(w, "  %s %s and refuses v%d: %s\n", plain.Line(one.Node), answersWith(one.Version), one.Wanted, plain.Line(one.Refused))
		case one.Version != l.Version:
			fmt.Fprintf(w, "  %s %s\n", plain.Line(one.Node), answersWith(one.Version))
		}
	}
}

func answersWith(version int) string {
	if version == 0 {
		return "has no version to answer with"
	}
	return fmt.Sprintf("answers with v%d", version)
}

func help(c *cobra.Command, _ []string) error { return c.Help() }

func (s *shell) backupCommand() *cobra.Command {
	return &cobra.Command{
		Use: "backup FILE", Short: "Write the whole store into one file, also while a node works on it", Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return s.withStore(c.Context(), func(ctx context.Context, n *session) error { return s.backup(ctx, n, args[0]) })
		},
	}
}

func (s *shell) backup(ctx context.Context, n *session, path string) error {
	f, err := renameio.NewPendingFile(path, renameio.WithTempDir(filepath.Dir(path)), renameio.WithPermissions(0o600))
	if err != nil {
		return bakeoff.Errorf(bakeoff.CodeInvalid, "write %s: %w", path, err).WithHint("create the folder first")
	}
	defer f.Cleanup()
	if err := n.Backup(ctx, f); err != nil {
		return err
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return fmt.Errorf("read %s again: %w", path, err)
	}
	sum, err := app.VerifyBackup(f)
	if err != nil {
		return fmt.Errorf("read %s again: %w", path, err)
	}
	if err := f.CloseAtomicallyReplace(); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if s.json {
		return writeJSON(s.stdout, map[string]any{"file": path, "bytes": sum.Bytes, "records": sum.Records, "objects": sum.Objects})
	}
	_, err = fmt.Fprintf(s.stdout, "wrote %s: %s and %s, read back and whole\n", path, counted(sum.Records, "record"), counted(sum.Objects, "object"))
	return err
}

func (s *shell) restoreCommand() *cobra.Command {
	return &cobra.Command{
		Use: "restore FILE", Short: "Make a store from a backup", Args: cobra.ExactArgs(1),
		Long: `Restore makes a new store, in the folder that --store names, from a file that
backup has written. Nothing may be there yet. Everything is checked before the
store counts: a damaged file leaves none.`,
		RunE: func(c *cobra.Command, args []string) error {
			f, err := os.Open(args[0])
			if err != nil {
				return bakeoff.Errorf(bakeoff.CodeInvalid, "open the backup: %w", err)
			}
			defer func() { _ = f.Close() }() // read only
			sum, err := app.Restore(c.Context(), s.config(), f)
			if err != nil {
				return err
			}
			if s.json {
				return writeJSON(s.stdout, sum)
			}
			_, err = fmt.Fprintf(s.stdout, "restored %s and %s into %s\n", counted(sum.Records, "record"), counted(sum.Objects, "object"), s.folder())
			return err
		},
	}
}

func (s *shell) gcCommand() *cobra.Command {
	var r client.Retention
	c := &cobra.Command{
		Use: "gc", Short: "Remove what nobody needs any more", Args: cobra.NoArgs,
		Long: `Gc removes what old runs have left: logs, snapshots and artifacts that no
version refers to. Verdicts stay for ever; so do the champion, whatever has an
alias, and what open runs need. A running node does it once a day by itself.`,
		RunE: func(c *cobra.Command, _ []string) error {
			return s.withStore(c.Context(), func(ctx context.Context, n *session) error {
				removed, err := n.GC(ctx, r)
				if err != nil {
					return err
				}
				if s.json {
					return writeJSON(s.stdout, removed)
				}
				verb := "removed"
				switch {
				case removed.Runs == 0 && removed.Objects == 0:
					_, err = fmt.Fprintln(s.stdout, "nothing to remove")
					return err
				case removed.DryRun:
					verb = "would remove"
				}
				_, err = fmt.Fprintf(s.stdout, "%s %s and %s, %s\n", verb, counted(removed.Runs, "run"), counted(removed.Objects, "object"), sizeCell(removed.Bytes))
				return err
			})
		},
	}
	c.Flags().BoolVar(&r.DryRun, "dry-run", false, "only say what would be removed")
	c.Flags().IntVar(&r.Runs, "keep-runs", 0, "how many runs of a pipeline stay whole (default 100)")
	c.Flags().IntVar(&r.Days, "keep-days", 0, "for how many days a run stays whole (default 30)")
	return c
}

func (s *shell) doctorCommand() *cobra.Command {
	return &cobra.Command{
		Use: "doctor", Short: "Look for what is wrong with the store, the node and the machine", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return s.withNode(c.Context(), func(ctx context.Context, n *session) error {
				checks, err := n.Doctor(ctx)
				if err != nil {
					return err
				}
				return s.doctor(checks)
			})
		},
	}
}

func (s *shell) doctor(checks []client.Check) error {
	var failed error
	for _, c := range checks {
		if !c.OK {
			failed = exitCode(exitFailed)
		}
	}
	if s.json {
		return errors.Join(writeJSON(s.stdout, checks), failed)
	}
	for _, c := range checks {
		mark := "ok  "
		switch {
		case !c.OK:
			mark = "FIX "
		case c.Hint != "": // nothing is wrong, and somebody may want it otherwise
			mark = "note"
		}
		fmt.Fprintf(s.stdout, "%s %s: %s\n", mark, c.Name, plain.Line(c.Detail))
		if c.Hint != "" {
			fmt.Fprintf(s.stdout, "     %s\n", plain.Line(c.Hint))
		}
	}
	return failed
}
