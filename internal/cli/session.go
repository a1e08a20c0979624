package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/term"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/app"
)

func isTerminal(f *os.File) bool { return term.IsTerminal(int(f.Fd())) }

// width returns the columns of a terminal, 0 for what is none.
func width(f *os.File) int {
	w, _, err := term.GetSize(int(f.Fd()))
	if err != nil {
		return 0
	}
	return w
}

// withNode opens the store for as long as do takes.
func (s *shell) withNode(ctx context.Context, do func(context.Context, *app.Node) error) (err error) {
	node, err := app.Open(ctx, s.config())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, node.Close()) }()
	return do(ctx, node)
}

// withStore is withNode for a store that must be there: a wrong --store should not make one.
func (s *shell) withStore(ctx context.Context, do func(context.Context, *app.Node) error) error {
	if err := s.mustHaveStore(); err != nil {
		return err
	}
	return s.withNode(ctx, do)
}

func (s *shell) mustHaveStore() error {
	if _, err := os.Stat(s.folder()); errors.Is(err, fs.ErrNotExist) {
		return bakeoff.Errorf(bakeoff.CodeNotFound, "there is no store at %s", s.folder()).
			WithHint("`bakeoff run FILE` makes one; --store or BAKEOFF_STORE names another folder")
	}
	return nil
}

// look opens the store to see what is in it. What an earlier process has left undone is done first:
// interrupted runs are ended, and messages that are owed delivered.
func (s *shell) look(ctx context.Context, do func(context.Context, *app.Node) error) error {
	return s.withStore(ctx, func(ctx context.Context, node *app.Node) error {
		if s.noResume {
			if err := s.openRuns(ctx, node); err != nil {
				return err
			}
			return do(ctx, node)
		}
		if err := s.resume(ctx, node); err != nil {
			return err
		}
		s.notify(ctx, node)
		return do(ctx, node)
	})
}

// resume drives the runs that an earlier process has left open to their end.
func (s *shell) resume(ctx context.Context, node *app.Node) error {
	open, err := node.Store().OpenRuns(ctx)
	if err != nil || len(open) == 0 || s.noResume {
		return err
	}
	return s.working(ctx, node, func(ctx context.Context) error {
		for _, run := range open {
			fmt.Fprintf(s.stderr, "going on with run %s, which was interrupted (--no-resume leaves it for later)\n", run.ID)
			report, err := s.watch(ctx, node, run.ID)
			if err != nil {
				return err
			}
			fmt.Fprintf(s.stderr, "%s: %s\n", report.Verdict, report.Reason)
			if s.interrupted {
				return exitCode(exitInterrupted)
			}
		}
		return nil
	})
}

// openRuns says which runs are open, for commands that do not wait for them.
func (s *shell) openRuns(ctx context.Context, node *app.Node) error {
	open, err := node.Store().OpenRuns(ctx)
	for _, run := range open {
		fmt.Fprintf(s.stderr, "run %s was interrupted; the next `bakeoff run` or `bakeoff leaderboard` goes on with it\n", run.ID)
	}
	return err
}

// working has the node work for as long as do takes.
func (s *shell) working(ctx context.Context, node *app.Node, do func(context.Context) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return node.Work(ctx) })
	g.Go(func() error {
		defer cancel()
		return do(ctx)
	})
	return g.Wait()
}

// watch shows a run's progress until it has ended, has its message delivered, and returns its
// report. An interrupt cancels the run; a second one leaves at once.
func (s *shell) watch(ctx context.Context, node *app.Node, id string) (bakeoff.Report, error) {
	run, err := s.follow(ctx, node, id)
	if err != nil {
		return bakeoff.Report{}, err
	}
	report, err := node.Store().Verdict(ctx, run.Pipeline, run.ID)
	if err != nil {
		return report, err
	}
	s.notify(ctx, node)
	return report, nil
}

// follow shows a run until it has ended. Only meanwhile does an interrupt cancel it.
func (s *shell) follow(ctx context.Context, node *app.Node, id string) (bakeoff.Run, error) {
	p, err := s.progressOf(ctx, node, id)
	if err != nil {
		return bakeoff.Run{}, err
	}
	defer p.Close()
	stop := s.cancelOnInterrupt(ctx, node, id, p)
	defer stop()
	if err := s.show(ctx, node, id, p); err != nil {
		return bakeoff.Run{}, err
	}
	return node.Store().WaitRun(ctx, id)
}

// lastEvents is how long the events of a run that has ended may be on their way.
const lastEvents = time.Second

// progressOf starts to show a run on stderr. Log records go there too, and none of them above a live
// block: with them, progress is lines as well.
func (s *shell) progressOf(ctx context.Context, node *app.Node, id string) (*progress, error) {
	run, _, err := node.Store().Run(ctx, id)
	if err != nil {
		return nil, err
	}
	candidates := make([]string, len(run.Trials))
	for i, t := range run.Trials {
		candidates[i] = t.Candidate
	}
	mode := progressMode(s.stderr, s.getenv)
	if s.verbose {
		mode = progressPlain
	}
	l := look{utf8: utf8Locale(s.getenv), color: s.color(s.stderr)}
	return newProgress(s.stderr, mode, l, candidates), nil
}

// show follows a run's events until the last.
func (s *shell) show(ctx context.Context, node *app.Node, id string, p *progress) error {
	var waiting sync.WaitGroup
	defer waiting.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()      // before the wait
	waiting.Go(func() { // the last event may have been lost in a crash; the run's record is not
		if _, err := node.Store().WaitRun(ctx, id); err == nil {
			select {
			case <-ctx.Done():
			case <-time.After(lastEvents):
				cancel()
			}
		}
	})
	return node.Store().WatchEvents(ctx, id, func(e bakeoff.Event) error {
		p.Event(e)
		if e.Kind == bakeoff.EventVerdict {
			cancel()
		}
		return nil
	})
}

// cancelOnInterrupt turns the first interrupt into a cancelled run and the second into an exit. What
// it says goes through the progress, whose live block a line of its own would break.
func (s *shell) cancelOnInterrupt(ctx context.Context, node *app.Node, id string, p *progress) (stop func()) {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	done := make(chan struct{})
	finished := make(chan struct{})
	go func() {
		defer close(finished)
		select {
		case <-done:
			return
		case <-signals:
		}
		s.interrupted = true
		fmt.Fprintf(p, "\ncancelling run %s; once more leaves at once\n", id)
		if err := node.Cancel(ctx, id, "by "+app.Person()); err != nil {
			fmt.Fprintf(p, "cannot cancel run %s: %v\n", id, err)
		}
		select {
		case <-done:
		case <-signals:
			p.Close()
			os.Exit(exitInterrupted)
		}
	}()
	return func() {
		signal.Stop(signals)
		close(done)
		<-finished
	}
}

// notify delivers what is owed and says what could not be delivered. That changes no verdict, and so
// no exit code: it is owed still.
func (s *shell) notify(ctx context.Context, node *app.Node) {
	sum, err := node.Notify(ctx)
	for _, d := range sum.Deliveries {
		switch d.State {
		case bakeoff.DeliverySent:
			fmt.Fprintf(s.stderr, "message of run %s sent\n", d.Notification)
		case bakeoff.DeliveryRefused:
			fmt.Fprintf(s.stderr, "message of run %s was refused: %s\n", d.Notification, d.Detail)
		default:
			fmt.Fprintf(s.stderr, "message of run %s could not be delivered and is kept: %s\n", d.Notification, d.Detail)
		}
	}
	if err != nil {
		fmt.Fprintf(s.stderr, "a message is owed still: %v\n", err)
	}
}

// pipeline returns the name of the pipeline that a command is about: the one named, or the only one.
func pipeline(ctx context.Context, node *app.Node, args []string) (string, error) {
	files, err := node.Store().Pipelines(ctx)
	if err != nil {
		return "", err
	}
	names := make([]string, len(files))
	for i, f := range files {
		names[i] = f.Name
	}
	if len(args) == 0 && len(names) == 1 {
		return names[0], nil
	}
	if len(names) == 0 {
		return "", bakeoff.Errorf(bakeoff.CodeNotFound, "this store has no pipeline").WithHint("`bakeoff run FILE` makes the first run of one; --store names another store")
	}
	if len(args) == 0 {
		return "", bakeoff.Errorf(bakeoff.CodeInvalid, "this store has %d pipelines: name one of %s", len(names), list(names))
	}
	for _, name := range names {
		if name == args[0] {
			return name, nil
		}
	}
	e := bakeoff.Errorf(bakeoff.CodeNotFound, "pipeline %q is not in this store, which has %s", args[0], list(names))
	if near := bakeoff.Nearest(args[0], names); near != "" {
		e = e.WithHint("did you mean %s?", near)
	}
	return "", e
}

// list joins names for a sentence, the first twelve of them.
func list(names []string) string {
	const most = 12
	text := ""
	for i, n := range names[:min(len(names), most)] {
		if i > 0 {
			text += ", "
		}
		text += n
	}
	if len(names) > most {
		text += fmt.Sprintf(" and %d more", len(names)-most)
	}
	return text
}

// counted writes a number of things.
func counted(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
