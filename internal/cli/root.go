// Package cli turns command lines into work of a node, and what came of it into text or JSON.
package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/lmittmann/tint"
	"github.com/spf13/cobra"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/app"
	"github.com/bakeoffhq/bakeoff/internal/build"
)

// The exit codes of every command.
const (
	exitOK          = 0
	exitFailed      = 1  // no decision, or an error
	exitUsage       = 2  // a bad flag, argument, pipeline file or data file
	exitKept        = 10 // with --detailed-exitcode: the champion stays
	exitInterrupted = 130
)

// Main runs the command line and returns the exit code.
func Main() int {
	s := &shell{stdout: os.Stdout, stderr: os.Stderr, getenv: os.Getenv}
	return s.main(context.Background(), os.Args[1:])
}

// shell is what a command sees of the outside, and the flags that all commands have.
type shell struct {
	stdout *os.File
	stderr *os.File
	getenv func(string) string

	store    string
	server   string
	json     bool
	verbose  bool
	noResume bool

	interrupted bool // a person has cancelled a run; read when the run has ended
}

// exitCode ends a command with a code and nothing more to say.
type exitCode int

func (e exitCode) Error() string { return fmt.Sprintf("exit code %d", int(e)) }

func (s *shell) main(ctx context.Context, args []string) int {
	root := s.root()
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	s.json = s.json || slices.Contains(args, "--json") // which a wrong flag before it kept from being read
	var code exitCode
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &code):
		return int(code)
	}
	if bakeoff.CodeOf(err) == bakeoff.CodeUnauthorized { // the node's hint is for those who write requests
		err = bakeoff.Errorf(bakeoff.CodeUnauthorized, "%w", err).
			WithHint("set BAKEOFF_TOKEN, or BAKEOFF_TOKEN_FILE; `bakeoff token create` on the node's machine makes one")
	}
	s.complain(err)
	if bakeoff.CodeOf(err) == bakeoff.CodeInvalid {
		return exitUsage
	}
	return exitFailed
}

// complain shows an error: what was wrong and where, then what to do.
func (s *shell) complain(err error) {
	if s.json {
		detail := map[string]string{"code": string(bakeoff.CodeOf(err)), "message": err.Error()}
		if hint := bakeoff.HintOf(err); hint != "" {
			detail["hint"] = hint
		}
		_ = writeJSON(s.stderr, map[string]any{"error": detail}) // nowhere left to complain
		return
	}
	fmt.Fprintf(s.stderr, "bakeoff: %v\n", err)
	if hint := bakeoff.HintOf(err); hint != "" {
		fmt.Fprintf(s.stderr, "hint: %s\n", hint)
	}
}

func (s *shell) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "bakeoff",
		Short: "Hold a model bake-off: build candidates in parallel, judge them on the same rows, keep the best one live",
		Long: `bakeoff freezes the data, builds every candidate model in parallel, judges them
and today's champion on the same held-out rows, promotes the best one, and
sends one message about it.

Exit codes: 0 a verdict was reached; 1 no decision, or an error; 2 bad usage,
pipeline file or data; 130 interrupted. With run --detailed-exitcode, 0 means
promoted and 10 kept.`,
		Version:       programVersion(),
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.ArbitraryArgs, // for an unknown command, an error like all others
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				return c.Help()
			}
			return unknownCommand(c, args[0])
		},
	}
	root.SetVersionTemplate("bakeoff {{.Version}}\n")
	root.SetOut(s.stdout)
	root.SetErr(s.stderr)
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error { return usage(c, err) })
	flags := root.PersistentFlags()
	flags.StringVar(&s.store, "store", "", "folder of the store (default $BAKEOFF_STORE, else ./.bakeoff)")
	flags.StringVar(&s.server, "server", "", "URL of a running node instead of a store (default $BAKEOFF_SERVER; its token is $BAKEOFF_TOKEN)")
	flags.BoolVar(&s.json, "json", false, "print one JSON document on stdout")
	flags.BoolVarP(&s.verbose, "verbose", "v", false, "log to stderr")
	flags.BoolVar(&s.noResume, "no-resume", false, "leave runs that were interrupted for later")
	root.AddGroup(
		&cobra.Group{ID: "start", Title: "Start:"},
		&cobra.Group{ID: "look", Title: "Look:"},
		&cobra.Group{ID: "act", Title: "Act:"},
		&cobra.Group{ID: "operate", Title: "Operate:"},
	)
	root.AddCommand(grouped("start", s.demoCommand(), s.initCommand(), s.checkCommand(), s.upCommand(), s.runCommand(),
		s.predictCommand(), s.workerCommand(), s.serveCommand())...)
	root.AddCommand(grouped("look", s.leaderboardCommand(), s.whyCommand(), s.reportCommand(), s.historyCommand(), s.modelsCommand(), s.cardCommand(),
		s.logsCommand(), s.liveCommand(), s.scheduleCommand(), s.workersCommand(), s.replayCommand(), s.diffCommand())...)
	root.AddCommand(grouped("act", s.promoteCommand(), s.approveCommand(), s.rejectCommand(), s.rollbackCommand(), s.pauseCommand(), s.resumeCommand(),
		s.cancelCommand(), s.retryCommand(), s.removeCommand())...)
	root.AddCommand(grouped("operate", s.notifyCommand(), s.tokenCommand(), s.backupCommand(), s.restoreCommand(),
		s.gcCommand(), s.doctorCommand())...)
	root.AddCommand(s.versionCommand(), s.buildCommand())
	for _, c := range root.Commands() {
		c.Args = usageArgs(c.Args)
	}
	return root
}

// unknownCommand says which command was probably meant.
func unknownCommand(root *cobra.Command, name string) error {
	var names []string
	for _, c := range root.Commands() {
		if !c.Hidden {
			names = append(names, c.Name())
		}
	}
	e := bakeoff.Errorf(bakeoff.CodeInvalid, "unknown command %q", name).WithHint("`%s --help` lists the commands", root.Name())
	if near := bakeoff.Nearest(name, names); near != "" {
		e = e.WithHint("did you mean `%s %s`?", root.Name(), near)
	}
	return e
}

func grouped(id string, commands ...*cobra.Command) []*cobra.Command {
	for _, c := range commands {
		c.GroupID = id
	}
	return commands
}

// usage makes of a wrong command line an error of the user's.
func usage(c *cobra.Command, err error) error {
	if err == nil {
		return nil
	}
	return bakeoff.Errorf(bakeoff.CodeInvalid, "%w", err).WithHint("`%s --help` shows how it is used", c.CommandPath())
}

func usageArgs(check cobra.PositionalArgs) cobra.PositionalArgs {
	if check == nil {
		check = cobra.NoArgs
	}
	return func(c *cobra.Command, args []string) error { return usage(c, check(c, args)) }
}

// folder returns the folder of the store.
func (s *shell) folder() string {
	if s.store != "" {
		return s.store
	}
	if folder := s.getenv("BAKEOFF_STORE"); folder != "" {
		return folder
	}
	return ".bakeoff"
}

func (s *shell) config() app.Config {
	c := app.DefaultConfig(s.folder())
	c.Version = programVersion()
	if s.verbose {
		c.Log = slog.New(tint.NewTextHandler(s.stderr, &tint.Options{NoColor: !s.color(s.stderr)}))
	}
	return c
}

// color reports whether what is written to f may be coloured.
func (s *shell) color(f *os.File) bool {
	return s.getenv("NO_COLOR") == "" && s.getenv("TERM") != "dumb" && isTerminal(f)
}

// writeJSONLine writes a document that is read while the process goes on.
func writeJSONLine(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

func writeJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// Version is the version that a release build sets with -ldflags, before anything runs; without it
// the build tells its own.
var Version = ""

// programVersion names this build of the program.
func programVersion() string {
	if Version != "" {
		return Version
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "devel"
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		return v
	}
	return "devel"
}

func (s *shell) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print the version",
		RunE: func(*cobra.Command, []string) error {
			if s.json {
				return writeJSON(s.stdout, map[string]string{"version": programVersion()})
			}
			_, err := fmt.Fprintln(s.stdout, "bakeoff", programVersion())
			return err
		},
	}
}

// buildCommand is what a build of a built-in learner runs in its child process.
func (s *shell) buildCommand() *cobra.Command {
	return &cobra.Command{
		Use: build.ChildCommand + " LEARNER", Hidden: true, Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return build.TrainChild(c.Context(), args[0], s.getenv)
		},
	}
}

// typed is how a person would type this program, for what to do next.
func typed() string {
	self, err := os.Executable()
	if err == nil && strings.Contains(self, string(filepath.Separator)+"go-build") {
		return "go run ./cmd/bakeoff"
	}
	return "bakeoff"
}
