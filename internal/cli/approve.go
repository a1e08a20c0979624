package cli

import (
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/client"
	"github.com/bakeoffhq/bakeoff/internal/plain"
)

func (s *shell) approveCommand() *cobra.Command {
	a := client.Answer{}
	c := &cobra.Command{
		Use: "approve [NAME]", Short: "Promote what waits for approval", Args: cobra.MaximumNArgs(1),
		Long: `Approve promotes what a run has left for a person to decide about, as a
pipeline with gate.approve has it, after it has given the answers that it was
judged by. With --run it does so only if what waits is of that run: a later one
may have taken its place.`,
		RunE: func(c *cobra.Command, args []string) error {
			return s.act(c, args, func(ctx context.Context, n *session, name string) error {
				m, err := n.Approve(ctx, name, a)
				if err != nil {
					return err
				}
				return s.live(ctx, n, m)
			})
		},
	}
	c.Flags().StringVar(&a.Run, "run", "", "only if what waits is of this run")
	c.Flags().StringVar(&a.Why, "reason", "approved", "why, for the record")
	return c
}

func (s *shell) rejectCommand() *cobra.Command {
	a := client.Answer{}
	c := &cobra.Command{
		Use: "reject [NAME] --reason TEXT", Short: "Have what waits for approval not be promoted", Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if a.Why == "" {
				return usage(c, bakeoff.Errorf(bakeoff.CodeInvalid, "say why it is rejected: --reason \"...\""))
			}
			return s.act(c, args, func(ctx context.Context, n *session, name string) error { return s.reject(ctx, n, name, a) })
		},
	}
	c.Flags().StringVar(&a.Run, "run", "", "only if what waits is of this run")
	c.Flags().StringVar(&a.Why, "reason", "", "why, for the record")
	return c
}

func (s *shell) reject(ctx context.Context, n *session, name string, a client.Answer) error {
	before, err := n.Model(ctx, name)
	if err != nil {
		return err
	}
	p := before.Pending
	if p != nil && a.Run == "" {
		a.Run = p.Run // what is told to be rejected is what is
	}
	m, err := n.Reject(ctx, name, a)
	if err != nil {
		return err
	}
	if s.json {
		return writeJSON(s.stdout, m)
	}
	what := "what waited" // since a moment ago
	if p != nil && p.Run == a.Run {
		what = fmt.Sprintf("%s of run %s", plain.Line(p.Candidate), plain.Line(p.Run))
	}
	_, err = fmt.Fprintf(s.stdout, "%s is rejected: %s\n", what, staysInWords(m))
	return err
}

func staysInWords(m bakeoff.Model) string {
	if m.Champion() == 0 {
		return m.Name + " has no champion yet"
	}
	return fmt.Sprintf("%s v%d stays", m.Name, m.Champion())
}

// writePending says what waits for a person's word, nothing for nil.
func writePending(w io.Writer, model string, p *bakeoff.Pending, zone *time.Location) {
	if p == nil {
		return
	}
	fmt.Fprintf(w, "%s: %s of run %s waits for approval %s; `%s approve %s` or `%s reject %s` decides\n",
		plain.Line(model), plain.Line(p.Candidate), plain.Line(p.Run), untilInWords(*p, zone), typed(), plain.Line(model), typed(), plain.Line(model))
}

// untilInWords says until when something waits, and what is done then.
func untilInWords(p bakeoff.Pending, zone *time.Location) string {
	then := "it is promoted"
	switch {
	case p.Then == bakeoff.LapsePromote:
	case p.Champion == 0:
		then = "it is not promoted"
	default:
		then = fmt.Sprintf("v%d stays", p.Champion)
	}
	return fmt.Sprintf("until %s, then %s", moment(p.Until, zone), then)
}

// sayDecided says below a report what waits for approval now, and what became of what the run left
// waiting: the report itself is of the time when the run ended.
func (s *shell) sayDecided(ctx context.Context, n *session, r bakeoff.Report) error {
	if s.json {
		return nil
	}
	m, err := n.Model(ctx, r.Pipeline)
	if err != nil {
		return err
	}
	if r.Pending == nil || m.Pending != nil && m.Pending.Run == r.Run {
		writePending(s.stdout, r.Pipeline, m.Pending, time.Local)
		return nil
	}
	acts, err := n.Acts(ctx, r.Pipeline, maxActs)
	if err != nil {
		return err
	}
	fmt.Fprintln(s.stdout, decidedInWords(r, acts, time.Local))
	writePending(s.stdout, r.Pipeline, m.Pending, time.Local)
	return nil
}

// maxActs is how many acts are gone through for one.
const maxActs = 1000

// decidedInWords says what became of what a run left waiting, once it waits no longer.
func decidedInWords(r bakeoff.Report, acts []bakeoff.Act, zone *time.Location) string {
	i := slices.IndexFunc(acts, func(a bakeoff.Act) bool {
		return a.Run == r.Run && slices.Contains([]bakeoff.ActKind{bakeoff.ActApprove, bakeoff.ActReject, bakeoff.ActTimeout}, a.Kind)
	})
	name := plain.Line(r.Pending.Candidate)
	if i < 0 {
		return fmt.Sprintf("%s waits no longer: the champion was moved or held, or a later run took its place.", name)
	}
	a := acts[i]
	what := "was not promoted"
	if a.Previous != 0 || a.Version != 0 && r.Pending.Champion == 0 {
		what = fmt.Sprintf("was promoted as v%d", a.Version)
	}
	return sentence(fmt.Sprintf("Since then %s %s, at %s, %s", name, what, moment(a.Time, zone), byInWords(a)))
}

// byInWords says who did something and why.
func byInWords(a bakeoff.Act) string {
	switch {
	case a.Kind == bakeoff.ActTimeout && a.Why != "":
		return plain.Line(a.Why)
	case a.Why == "":
		return "by " + plain.Line(a.By)
	}
	return "by " + plain.Line(a.By) + ": " + plain.Line(a.Why)
}
