package cli

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/lmittmann/tint"
	"github.com/spf13/cobra"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/client"
	"github.com/bakeoffhq/bakeoff/internal/app"
	"github.com/bakeoffhq/bakeoff/internal/plain"
)

// The exit codes of a process that a signal has ended at once.
const exitTerminated = 143

// usualAddress is where a node answers unless it is told otherwise.
const usualAddress = "127.0.0.1:7700"

// listenFlags are the flags of the commands that answer requests.
type listenFlags struct {
	app.Listen
	cert, key string
}

func (l *listenFlags) flags(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&l.Address, "listen", usualAddress, "where to answer; elsewhere than on this machine with a token and TLS")
	f.StringVar(&l.cert, "tls-cert", "", "PEM file of the certificate")
	f.StringVar(&l.key, "tls-key", "", "PEM file of its key")
	f.BoolVar(&l.Insecure, "i-terminate-tls-elsewhere", false, "listen without TLS: a proxy in front has it")
	f.StringSliceVar(&l.Hosts, "host", nil, "other names that callers may use for this host")
	f.StringVar(&l.DefaultModel, "default-model", "", "the model of /invocations (default: the only one)")
	f.DurationVar(&l.Drain, "drain", 2*time.Second, "how long to go on answering after SIGTERM, so that callers can turn elsewhere")
}

// load reads the certificate.
func (l *listenFlags) load() error {
	if l.cert == "" && l.key == "" {
		return nil
	}
	pair, err := tls.LoadX509KeyPair(l.cert, l.key)
	if err != nil {
		return bakeoff.Errorf(bakeoff.CodeInvalid, "read --tls-cert and --tls-key: %w", err).WithHint("both are PEM files, and belong together")
	}
	l.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
	return nil
}

// buildFlags are the flags of the commands that build.
type buildFlags struct {
	queues      []string
	concurrency int
}

func (b *buildFlags) flags(c *cobra.Command) {
	f := c.Flags()
	f.StringSliceVar(&b.queues, "queue", []string{bakeoff.QueueDefault}, "the queues whose builds to take")
	f.IntVar(&b.concurrency, "concurrency", 0, "how many builds at once (default: the processors, at least 3)")
}

func (b *buildFlags) config(c *cobra.Command, to *app.Config) error {
	for _, q := range b.queues {
		if !bakeoff.ValidName(q) || q == bakeoff.QueueJudge {
			return usage(c, bakeoff.Errorf(bakeoff.CodeInvalid, "%q cannot be the name of a queue to build for", q))
		}
	}
	to.Queues = b.queues
	switch {
	case c.Flags().Changed("concurrency") && b.concurrency < 0:
		return usage(c, bakeoff.Errorf(bakeoff.CodeInvalid, "--concurrency is a number from 0"))
	case c.Flags().Changed("concurrency"):
		to.Slots = b.concurrency
	}
	return nil
}

func (s *shell) upCommand() *cobra.Command {
	var l listenFlags
	var b buildFlags
	var service app.Service
	var printUnit bool
	c := &cobra.Command{
		Use: "up [FILE|DIR ...]", Short: "Do everything by schedule: build, judge, promote, serve, notify", Args: cobra.ArbitraryArgs,
		Long: `Up schedules, builds, judges, promotes, answers prediction requests and sends
messages, in one process with one port. FILE is a pipeline file, DIR a folder
of them; without either it is ./bakeoff.yaml, or what the store has. Files are
read again when they change; an edit takes effect from now on. SIGTERM or
Ctrl-C ends it in good order, a second one at once: what was under way goes on
at the next start.`,
		RunE: func(c *cobra.Command, args []string) error {
			config := s.config()
			if err := b.config(c, &config); err != nil {
				return err
			}
			if printUnit {
				return s.printUnit(c, l, service.Admin, args)
			}
			if err := l.load(); err != nil {
				return err
			}
			config.Log = s.nodeLog()
			limitMemory(config.Log, shareBesideTrainers)
			service.Listen, service.Files = l.Listen, defaultFiles(args)
			return s.up(c.Context(), config, service)
		},
	}
	l.flags(c)
	b.flags(c)
	f := c.Flags()
	f.StringVar(&service.Admin, "admin-listen", "", "another address for the API, health and metrics; --listen then has predictions alone")
	f.StringVar(&service.NATS, "nats-listen", "", "where workers and predicting nodes join, such as 127.0.0.1:7701")
	f.BoolVar(&printUnit, "print-unit", false, "print systemd units with the other flags and files of this line, and end")
	return c
}

// printUnit prints the units of a service with the flags and files of a command line.
func (s *shell) printUnit(c *cobra.Command, l listenFlags, admin string, args []string) error {
	u, err := unitOf(c, l, admin, args)
	if err != nil {
		return err
	}
	text, err := systemdUnits(u)
	if err != nil {
		return err
	}
	_, err = fmt.Fprint(s.stdout, text)
	return err
}

// defaultFiles are the files of `up` where none is named.
func defaultFiles(args []string) []string {
	if len(args) > 0 {
		return args
	}
	if _, err := os.Stat(defaultFile); !errors.Is(err, fs.ErrNotExist) {
		return []string{defaultFile}
	}
	return nil
}

// nodeLog is the log of a process that stays: records on stderr, as JSON where nobody reads along.
func (s *shell) nodeLog() *slog.Logger {
	level := slog.LevelInfo
	if s.verbose {
		level = slog.LevelDebug
	}
	if isTerminal(s.stderr) {
		return slog.New(tint.NewTextHandler(s.stderr, &tint.Options{Level: level, NoColor: !s.color(s.stderr)}))
	}
	return slog.New(slog.NewJSONHandler(s.stderr, &slog.HandlerOptions{Level: level}))
}

// untilSignal returns a context that ends with the first SIGINT or SIGTERM; the second ends the
// process.
func untilSignal(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancel(ctx)
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	done, finished := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(finished)
		for received := 0; ; received++ {
			select {
			case <-done:
				return
			case got := <-signals:
				cancel()
				if received > 0 && got == os.Interrupt {
					os.Exit(exitInterrupted)
				} else if received > 0 {
					os.Exit(exitTerminated)
				}
			}
		}
	}()
	return ctx, func() {
		signal.Stop(signals)
		close(done)
		<-finished
		cancel()
	}
}

func (s *shell) up(ctx context.Context, config app.Config, service app.Service) error {
	ctx, stop := untilSignal(ctx)
	defer stop()
	return app.Up(ctx, config, service, func(ctx context.Context, up app.Running) error { return s.sayUp(ctx, up) })
}

// upOutcome is the one document that up --json prints when it is ready.
type upOutcome struct {
	app.Addresses
	Store     string            `json:"store"`
	Pipelines []client.Pipeline `json:"pipelines"`
	Problems  []string          `json:"problems"`
}

// sayUp says where everything is, and when each pipeline runs next.
func (s *shell) sayUp(ctx context.Context, up app.Running) error {
	pipelines, err := up.Client.Pipelines(ctx)
	if err != nil {
		return err
	}
	node, err := up.Client.Node(ctx)
	if err != nil {
		return err
	}
	if s.json { // in one line: it may be followed by nothing for months
		return writeJSONLine(s.stdout, upOutcome{up.Addresses, node.Store, pipelines, node.Problems})
	}
	fmt.Fprintf(s.stdout, "bakeoff %s is up at %s\n\n", programVersion(), up.Addresses.URL)
	s.sayPipelines(pipelines)
	fmt.Fprintf(s.stdout, "predictions  POST %s/predict/NAME\n", up.Addresses.URL)
	if up.Addresses.Admin != "" {
		fmt.Fprintf(s.stdout, "admin        %s\n", up.Addresses.Admin)
	}
	if up.Addresses.NATS != "" {
		fmt.Fprintf(s.stdout, "workers      join with %s worker --join %s --queue NAME\n", typed(), up.Addresses.NATS)
	}
	fmt.Fprintf(s.stdout, "store        %s\n", node.Store)
	for _, p := range node.Problems {
		fmt.Fprintf(s.stdout, "attention    %s\n", plain.Line(p))
	}
	_, err = fmt.Fprintln(s.stdout, "\nCtrl-C ends it; what is under way goes on at the next start.")
	return err
}

func (s *shell) sayPipelines(pipelines []client.Pipeline) {
	if len(pipelines) == 0 {
		fmt.Fprintf(s.stdout, "No pipeline yet: `%s init` writes a file, `%s run FILE` makes a run of it.\n\n", typed(), typed())
		return
	}
	t := table{columns: []column{{title: "PIPELINE"}, {title: "NEXT RUN"}, {title: "CHAMPION"}, {title: "LAST VERDICT"}}}
	for _, p := range pipelines {
		champion, last := "none yet", "-"
		if p.Champion != nil {
			champion = fmt.Sprintf("v%d (%s)", p.Champion.Version, p.Champion.Candidate)
		}
		if p.Last != nil {
			last = fmt.Sprintf("%s, %s ago", p.Last.Verdict, briefly(time.Since(p.Last.Ended)))
		}
		t.rows = append(t.rows, row{cells: []string{p.Name, nextRun(p), champion, last}})
	}
	t.write(s.stdout, width(s.stdout), s.color(s.stdout))
	fmt.Fprintln(s.stdout)
}

func nextRun(p client.Pipeline) string {
	switch {
	case p.Paused != nil:
		return "paused by " + plain.Line(p.Paused.By)
	case p.Next == nil && p.Schedule != "":
		return "none: this node does not have its file"
	case p.Next == nil:
		return "on demand"
	}
	next := p.Next.Time.Format("Mon 2006-01-02 15:04 -07:00") + " (" + p.Next.Zone + ")"
	if p.Next.Note != "" {
		next += ", " + p.Next.Note
	}
	return next
}

// joinFlags are the flags of the commands that join a node.
type joinFlags struct {
	app.Join
	ca string
}

func (j *joinFlags) flags(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&j.URL, "join", "", "the node to join: nats://HOST:PORT, or tls://HOST:PORT (its --nats-listen)")
	f.StringVar(&j.Dir, "dir", ".", "the folder that commands of pipelines run in")
	f.StringVar(&j.Name, "name", "", "this process's name there (default: host and process number)")
	f.StringVar(&j.ca, "tls-ca", "", "PEM file of the authority that signed the node's certificate (default: the system's)")
}

// load fills in what comes from files and the environment.
func (j *joinFlags) load(s *shell, c *cobra.Command) (err error) {
	if j.URL == "" {
		return usage(c, bakeoff.Errorf(bakeoff.CodeInvalid, "say which node to join: --join nats://HOST:PORT"))
	}
	if j.Token, err = s.token(); err != nil {
		return err
	}
	if j.ca == "" {
		return nil
	}
	if j.CA, err = os.ReadFile(j.ca); err != nil {
		return bakeoff.Errorf(bakeoff.CodeInvalid, "read --tls-ca: %w", err)
	}
	return nil
}

func (s *shell) workerCommand() *cobra.Command {
	var j joinFlags
	var b buildFlags
	c := &cobra.Command{
		Use: "worker --join URL", Short: "Build for a node on this or another machine", Args: cobra.NoArgs,
		Long: `Worker joins a node that listens for workers (up --nats-listen) and builds what
is on its queues. Commands of pipelines run in this folder, or --dir. The token
of scope work that a node elsewhere asks for is $BAKEOFF_TOKEN. SIGTERM or
Ctrl-C gives back what is under way.`,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := j.load(s, c); err != nil {
				return err
			}
			config := s.config()
			config.Log = s.nodeLog()
			limitMemory(config.Log, shareBesideTrainers)
			if err := b.config(c, &config); err != nil {
				return err
			}
			ctx, stop := untilSignal(c.Context())
			defer stop()
			return app.Work(ctx, config, j.Join, func() {
				fmt.Fprintf(s.stderr, "building for %s: %d at once, of %s\n", j.URL, config.Slots, strings.Join(config.Queues, ", "))
			})
		},
	}
	j.flags(c)
	b.flags(c)
	return c
}

func (s *shell) serveCommand() *cobra.Command {
	var j joinFlags
	var l listenFlags
	c := &cobra.Command{
		Use: "serve --join URL", Short: "Answer prediction requests with a node's champions, and do nothing else", Args: cobra.NoArgs,
		Long: `Serve joins a node that listens (up --nats-listen) and answers with its
champions, also while that node is away. Predict commands of pipelines run in
this folder, or --dir. A node that is away when it starts is waited for; a
token of scope predict, $BAKEOFF_TOKEN, is asked for elsewhere.`,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := j.load(s, c); err != nil {
				return err
			}
			if err := l.load(); err != nil {
				return err
			}
			config := s.config()
			config.Log = s.nodeLog()
			limitMemory(config.Log, shareAlone)
			ctx, stop := untilSignal(c.Context())
			defer stop()
			return app.Serve(ctx, config, j.Join, l.Listen, func(a app.Addresses) error {
				if s.json {
					return writeJSONLine(s.stdout, a)
				}
				_, err := fmt.Fprintf(s.stdout, "predictions  POST %s/predict/NAME\n", a.URL)
				return err
			})
		},
	}
	j.flags(c)
	l.flags(c)
	return c
}
