package cli

import (
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/bakeoffhq/bakeoff"
)

// writeGate says what a pipeline asks for beside better answers, and what that comes to.
func writeGate(w io.Writer, p *bakeoff.Pipeline) {
	if len(p.Judge.Slices) > 0 {
		line := list(p.Judge.Slices)
		if l := p.Gate.SliceLoss; l != nil {
			line += fmt.Sprintf("; who is worse than the champion in one, by more than %s, is not promoted", lossInWords(*l))
		}
		_, _ = fmt.Fprintf(w, "slices      %s\n", line)
	}
	if budgets := budgetsInWords(p.Gate.Budgets); budgets != "" {
		_, _ = fmt.Fprintf(w, "budgets     %s\n", budgets)
	}
	if c := p.Gate.Cooldown; c > 0 {
		_, _ = fmt.Fprintf(w, "cool-down   for %s after the champion has moved no run promotes\n", bakeoff.Days(c))
	}
	if a := p.Gate.Approve; a != nil {
		then := "the champion stays"
		if a.Then == bakeoff.LapsePromote {
			then = "it is promoted all the same"
		}
		_, _ = fmt.Fprintf(w, "approval    a promotion waits %s for `%s approve`; where nobody decides, %s\n", bakeoff.Days(a.Within), typed(), then)
	}
}

func lossInWords(l bakeoff.SliceLoss) string {
	if l.Relative {
		return strconv.FormatFloat(100*l.Margin, 'g', 4, 64) + " % of the champion's value there"
	}
	return strconv.FormatFloat(l.Margin, 'g', 4, 64)
}

func budgetsInWords(b bakeoff.Budgets) string {
	var parts []string
	if b.P50 > 0 {
		parts = append(parts, "half of the single rows in "+b.P50.String())
	}
	if b.P95 > 0 {
		parts = append(parts, "95% of the single rows in "+b.P95.String())
	}
	if b.RowsPerSecond > 0 {
		parts = append(parts, strconv.FormatFloat(b.RowsPerSecond, 'f', -1, 64)+" rows a second in blocks")
	}
	if b.Size > 0 {
		parts = append(parts, "an artifact of "+formatBytes(b.Size))
	}
	if b.Memory > 0 {
		parts = append(parts, formatBytes(b.Memory)+" of memory")
	}
	return strings.Join(parts, ", ")
}
