package cli

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/client"
	"github.com/bakeoffhq/bakeoff/internal/plain"
)

func (s *shell) logsCommand() *cobra.Command {
	var id, candidate string
	var follow bool
	c := &cobra.Command{
		Use: "logs [NAME]", Short: "Print what a run's builds wrote", Args: cobra.MaximumNArgs(1),
		Long: `Logs prints what the builds of a run wrote: of the last run that has ended, or
of the one named by --run. With --follow it prints what the open run writes,
until its trials have ended; where no node works on it, what there is.`,
		RunE: func(c *cobra.Command, args []string) error {
			return s.look(c.Context(), func(ctx context.Context, n *session) error {
				run, err := n.loggedRun(ctx, args, id, follow)
				if err != nil {
					return err
				}
				writes := n.node == nil // somebody may
				return s.logs(ctx, n, run, client.LogQuery{Candidate: candidate, Follow: follow && writes})
			})
		},
	}
	c.Flags().StringVar(&id, "run", "", "a run's ID instead of the last run")
	c.Flags().StringVar(&candidate, "candidate", "", "only this candidate's")
	c.Flags().BoolVarP(&follow, "follow", "f", false, "go on until the builds have ended")
	return c
}

// loggedRun returns the ID of the run whose logs are asked for.
func (n *session) loggedRun(ctx context.Context, args []string, id string, follow bool) (string, error) {
	if id != "" {
		return id, nil
	}
	if follow {
		name, err := n.recorded(ctx, args)
		if err != nil {
			return "", err
		}
		p, err := n.Pipeline(ctx, name)
		if err != nil {
			return "", err
		}
		if len(p.Open) > 0 {
			return p.Open[len(p.Open)-1], nil
		}
	}
	report, err := n.endedRun(ctx, args, "")
	return report.Run, err
}

// trialLog is the log of one trial as JSON shows it.
type trialLog struct {
	Candidate string             `json:"candidate"`
	State     bakeoff.TrialState `json:"state"`
	Reason    string             `json:"reason,omitempty"`
	Log       string             `json:"log"`
	NoLog     bool               `json:"no_log,omitempty"` // none was kept
}

// logs prints a run's logs. Followed, several builds write at once: each line then says whose it is.
func (s *shell) logs(ctx context.Context, n *session, run string, q client.LogQuery) error {
	if q.Follow && !s.json {
		return s.followLogs(ctx, n, run, q)
	}
	logs := []trialLog{}
	for e, err := range n.Logs(ctx, run, q) {
		if err != nil {
			return err
		}
		i := slices.IndexFunc(logs, func(l trialLog) bool { return l.Candidate == e.Candidate })
		if i < 0 {
			logs = append(logs, trialLog{Candidate: e.Candidate})
			i = len(logs) - 1
		}
		logs[i].Log += e.Text
		if e.State != "" {
			logs[i].State, logs[i].Reason, logs[i].NoLog = e.State, e.Reason, e.NoLog
		}
	}
	if s.json {
		return writeJSON(s.stdout, logs)
	}
	for _, l := range logs {
		writeLog(s.stdout, l)
	}
	return nil
}

func (s *shell) followLogs(ctx context.Context, n *session, run string, q client.LogQuery) error {
	rest := map[string]string{} // of lines that have not ended, by candidate
	for e, err := range n.Logs(ctx, run, q) {
		if err != nil {
			return err
		}
		lines := strings.SplitAfter(rest[e.Candidate]+e.Text, "\n")
		for _, line := range lines[:len(lines)-1] {
			fmt.Fprintf(s.stdout, "%s | %s\n", e.Candidate, lastWritten(line))
		}
		rest[e.Candidate] = stillOpen(lines[len(lines)-1])
		if e.State == "" {
			continue
		}
		if last := lastWritten(rest[e.Candidate]); last != "" {
			fmt.Fprintf(s.stdout, "%s | %s\n", e.Candidate, last)
		}
		fmt.Fprintf(s.stdout, "== %s: %s\n", e.Candidate, stateInWords(e.State, e.Reason))
	}
	return nil
}

// lastWritten is what a terminal is left with of a line that was written over and over, as progress
// bars are: what follows the last carriage return.
func lastWritten(line string) string {
	line = strings.TrimRight(line, "\r\n")
	return line[strings.LastIndexByte(line, '\r')+1:]
}

// stillOpen returns of a line that has not ended what may still be seen of it.
func stillOpen(line string) string {
	return line[strings.LastIndexByte(strings.TrimRight(line, "\r"), '\r')+1:]
}

func stateInWords(state bakeoff.TrialState, reason string) string {
	if reason == "" {
		return string(state)
	}
	return string(state) + ": " + plain.Line(reason)
}

func writeLog(w io.Writer, l trialLog) {
	fmt.Fprintf(w, "== %s: %s\n", l.Candidate, stateInWords(l.State, l.Reason))
	fmt.Fprint(w, l.Log)
	switch {
	case l.Log == "" && l.NoLog && (l.State == bakeoff.TrialQueued || l.State == bakeoff.TrialSearching):
		fmt.Fprintln(w, "(its log is kept once it has ended; --follow prints it as it comes)")
	case l.Log == "" && l.NoLog:
		fmt.Fprintln(w, "(no log was kept)")
	case l.Log == "":
		fmt.Fprintln(w, "(it wrote nothing)")
	case l.Log[len(l.Log)-1] != '\n':
		fmt.Fprintln(w)
	}
}
