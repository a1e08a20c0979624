package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/term"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/client"
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

// session is a node to talk to: one that runs already, or one that this process opens for the
// length of a command.
type session struct {
	*client.Client
	node *app.Node // nil where the node is another process
	here bool      // the node is of this machine: it may be given files
}

// withNode finds the node to talk to: the one that --server names, the one that works on the store,
// or, where none does, the store itself, which is made if it is not there.
func (s *shell) withNode(ctx context.Context, do func(context.Context, *session) error) error {
	running, err := s.running(ctx)
	if err != nil {
		return err
	}
	if running == nil {
		err := s.opened(ctx, do)
		if _, held := errors.AsType[*heldError](err); !held {
			return err
		}
		if running = s.starting(ctx); running == nil {
			return err
		}
	}
	defer running.Close()
	return do(ctx, running)
}

// heldError says that another process has the store, in the words of whoever found it out.
type heldError struct{ error }

func (e *heldError) Unwrap() error { return e.error }

// startTime is how long a node may take from its first hold of the store to its first answer.
const startTime = 5 * time.Second

// starting waits for a node that has the store and does not answer yet, nil where none does: another
// command may have it.
func (s *shell) starting(ctx context.Context) *session {
	for until := time.Now().Add(startTime); time.Now().Before(until) && ctx.Err() == nil; time.Sleep(50 * time.Millisecond) {
		if running, err := s.running(ctx); err == nil && running != nil {
			return running
		}
	}
	return nil
}

// running returns the node that runs already, nil where none does.
func (s *shell) running(ctx context.Context) (*session, error) {
	options := client.Options{BaseURL: s.server, By: app.Person()}
	if options.BaseURL == "" {
		options.BaseURL = s.getenv("BAKEOFF_SERVER")
	}
	here := false
	if options.BaseURL == "" {
		addresses, ok := app.FindNode(ctx, s.folder())
		if !ok {
			return nil, nil
		}
		options.BaseURL, here = "unix://"+addresses.Socket, true
		options.Transport = &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return app.DialNode(ctx, s.folder())
		}}
	} else {
		token, err := s.token()
		if err != nil {
			return nil, err
		}
		options.Token = token
	}
	c, err := client.New(options)
	if err != nil {
		return nil, err
	}
	return &session{Client: c, here: here}, nil
}

// token returns the token for a node on another machine: it is a secret, and so no flag, which
// every process list would show.
func (s *shell) token() (string, error) {
	if file := s.getenv("BAKEOFF_TOKEN_FILE"); file != "" {
		text, err := os.ReadFile(file)
		if err != nil {
			return "", bakeoff.Errorf(bakeoff.CodeInvalid, "read BAKEOFF_TOKEN_FILE: %w", err)
		}
		return strings.TrimSpace(string(text)), nil
	}
	return s.getenv("BAKEOFF_TOKEN"), nil
}

// opened opens the store for as long as do takes.
func (s *shell) opened(ctx context.Context, do func(context.Context, *session) error) (err error) {
	node, err := app.Open(ctx, s.config())
	if bakeoff.CodeOf(err) == bakeoff.CodeBusy {
		return &heldError{err}
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, node.Close()) }()
	c, stop, err := node.Client(app.Person())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stop()) }()
	return do(ctx, &session{Client: c, node: node, here: true})
}

// withStore is withNode for a store that must be there: a wrong --store should not make one.
func (s *shell) withStore(ctx context.Context, do func(context.Context, *session) error) error {
	if err := s.mustHaveStore(); err != nil {
		return err
	}
	return s.withNode(ctx, do)
}

func (s *shell) mustHaveStore() error {
	if s.server != "" || s.getenv("BAKEOFF_SERVER") != "" {
		return nil
	}
	if _, err := os.Stat(s.folder()); errors.Is(err, fs.ErrNotExist) {
		return bakeoff.Errorf(bakeoff.CodeNotFound, "there is no store at %s", s.folder()).
			WithHint("`bakeoff run FILE` makes one; --store or BAKEOFF_STORE names another folder")
	}
	return nil
}

// look is withStore for seeing what is there. What an earlier process has left undone is said and
// left to whoever works on the store: a look must not keep that from a node.
func (s *shell) look(ctx context.Context, do func(context.Context, *session) error) error {
	return s.withStore(ctx, func(ctx context.Context, n *session) error {
		if err := s.sayUndone(ctx, n); err != nil {
			return err
		}
		return do(ctx, n)
	})
}

// sayUndone says what an earlier process has left undone. A node that runs does it by itself.
func (s *shell) sayUndone(ctx context.Context, n *session) error {
	if n.node == nil {
		return nil
	}
	if err := s.openRuns(ctx, n); err != nil {
		return err
	}
	owed, err := n.node.Owed(ctx)
	if owed > 0 {
		fmt.Fprintf(s.stderr, "%s not delivered yet (`%s notify owed`): `%s up` or `%s run` goes on with that\n", counted(owed, "message"), typed(), typed(), typed())
	}
	return err
}

// resume drives the runs that an earlier process has left open to their end. A node that runs does
// that by itself.
func (s *shell) resume(ctx context.Context, n *session) error {
	if n.node == nil || s.noResume {
		return nil
	}
	open, err := n.Runs(ctx, client.RunQuery{Open: true})
	if err != nil || len(open) == 0 {
		return err
	}
	return s.working(ctx, n, func(ctx context.Context) error {
		for _, run := range open {
			fmt.Fprintf(s.stderr, "going on with run %s, which was interrupted (--no-resume leaves it for later)\n", run.Run)
			report, err := s.watch(ctx, n, run.Run)
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

// openRuns says which runs were interrupted, for commands that do not go on with them.
func (s *shell) openRuns(ctx context.Context, n *session) error {
	if n.node == nil {
		return nil
	}
	open, err := n.Runs(ctx, client.RunQuery{Open: true})
	for _, run := range open {
		fmt.Fprintf(s.stderr, "run %s is under way but nobody works on it: `%s up` or `%s run` goes on with it\n", run.Run, typed(), typed())
	}
	return err
}

// working has a node of this process work for as long as do takes; another process's works anyway.
func (s *shell) working(ctx context.Context, n *session, do func(context.Context) error) error {
	if n.node == nil {
		return do(ctx)
	}
	return beside(ctx, n.node.Work, do)
}

// driving is working without builds: for commands that end a run, or ask which are open.
func (s *shell) driving(ctx context.Context, n *session, do func(context.Context) error) error {
	if n.node == nil {
		return do(ctx)
	}
	return beside(ctx, n.node.Drive, do)
}

// beside runs work for as long as do takes.
func beside(ctx context.Context, work, do func(context.Context) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return work(ctx) })
	g.Go(func() error {
		defer cancel()
		return do(ctx)
	})
	return g.Wait()
}

// watch shows a run's progress until it has ended and returns its report. With a node of this
// process an interrupt cancels the run, and its message is delivered before watch returns.
func (s *shell) watch(ctx context.Context, n *session, id string) (client.RunReport, error) {
	run, err := n.Outcome(ctx, id)
	if err != nil {
		return run, err
	}
	if err := s.follow(ctx, n, run); err != nil {
		return run, err
	}
	run, err = n.Outcome(ctx, id)
	if err != nil {
		return run, err
	}
	s.settle(ctx, n)
	return run, nil
}

// errDetached says that a person no longer wants to watch a run that goes on elsewhere.
var errDetached = errors.New("detached")

// follow shows a run until it has ended.
func (s *shell) follow(ctx context.Context, n *session, run client.RunReport) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	p := s.progressOf(run)
	defer p.Close()
	stop := s.onInterrupt(ctx, n, run.Run, p, cancel)
	defer stop()
	for e, err := range n.Events(ctx, run.Run, 0) {
		if errors.Is(context.Cause(ctx), errDetached) {
			return exitCode(exitInterrupted)
		}
		if err != nil {
			return err
		}
		p.Event(e.Event)
	}
	return nil
}

// progressOf starts to show a run on stderr. Log records go there too, and none of them above a live
// block: with them, progress is lines as well.
func (s *shell) progressOf(run client.RunReport) *progress {
	var candidates []string
	for _, row := range run.Leaderboard {
		if row.Role == bakeoff.RoleChallenger {
			candidates = append(candidates, row.Candidate)
		}
	}
	mode := progressMode(s.stderr, s.getenv)
	if s.verbose {
		mode = progressPlain
	}
	l := look{utf8: utf8Locale(s.getenv), color: s.color(s.stderr)}
	b := newBoard(candidates)
	b.deadline = run.Deadline
	return newProgress(s.stderr, mode, l, b)
}

// onInterrupt says what an interrupt means while a run is watched. In a node of this process the
// first cancels the run and the second leaves at once; a run of another process goes on. What it
// says goes through the progress, whose live block a line of its own would break.
func (s *shell) onInterrupt(ctx context.Context, n *session, id string, p *progress, detach context.CancelCauseFunc) (stop func()) {
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
		if n.node == nil {
			fmt.Fprintf(p, "\nrun %s goes on without you; `bakeoff cancel --run %s` ends it\n", id, id)
			detach(errDetached)
			return
		}
		fmt.Fprintf(p, "\ncancelling run %s; once more leaves at once\n", id)
		if err := n.Cancel(ctx, id, ""); err != nil {
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

// settle has a node of this process deliver what is owed, and says what could not be delivered.
// That changes no verdict, and so no exit code: it is owed still. A node that runs does so by itself.
func (s *shell) settle(ctx context.Context, n *session) {
	if n.node == nil {
		return
	}
	sum, err := n.node.Settle(ctx)
	for _, d := range sum.Deliveries {
		switch d.State {
		case bakeoff.DeliverySent:
			fmt.Fprintf(s.stderr, "message %s sent\n", d.Notification)
		case bakeoff.DeliveryRefused:
			fmt.Fprintf(s.stderr, "message %s was refused: %s\n", d.Notification, d.Detail)
		default:
			fmt.Fprintf(s.stderr, "message %s could not be delivered and is kept: %s\n", d.Notification, d.Detail)
		}
	}
	if err != nil {
		fmt.Fprintf(s.stderr, "a message is owed still: %v\n", err)
	}
}

// pipeline returns the name of the pipeline that a command is about: the one named, or the only one.
func (n *session) pipeline(ctx context.Context, args []string) (string, error) {
	pipelines, err := n.Pipelines(ctx)
	if err != nil {
		return "", err
	}
	names := make([]string, len(pipelines))
	for i, p := range pipelines {
		names[i] = p.Name
	}
	if len(args) == 0 && len(names) == 1 {
		return names[0], nil
	}
	if gone := n.removed(ctx, args); gone != nil {
		return "", gone.Removed.Refusal(gone.Name)
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

// recorded is pipeline for what is left of one that was removed, too: its runs and its model.
func (n *session) recorded(ctx context.Context, args []string) (string, error) {
	if gone := n.removed(ctx, args); gone != nil {
		return gone.Name, nil
	}
	return n.pipeline(ctx, args)
}

// removed returns the pipeline that is named if it was removed, else nil.
func (n *session) removed(ctx context.Context, args []string) *client.Pipeline {
	if len(args) == 0 {
		return nil
	}
	p, err := n.Pipeline(ctx, args[0])
	if err != nil || p.Removed == nil {
		return nil // whoever looks for it among those that are there says what is wrong
	}
	return &p
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
