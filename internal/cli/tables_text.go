package cli

import (
	"fmt"
	"strings"

	"github.com/charmbracelet/x/ansi"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/plain"
)

// pad fills s with spaces to width display cells.
func pad(s string, width int) string {
	return s + strings.Repeat(" ", max(0, width-ansi.StringWidth(s)))
}

// formatBytes formats a size in decimal units.
func formatBytes(n int64) string {
	if n < 1000 {
		return fmt.Sprintf("%d B", n)
	}
	v, unit := float64(n), 0
	for v >= 999.95 && unit < 4 {
		v /= 1000
		unit++
	}
	return fmt.Sprintf("%.1f %cB", v, " kMGT"[unit])
}

// rowsInWords says how many rows there were and which were set aside.
func rowsInWords(n *bakeoff.Rows) string {
	line := fmt.Sprintf("%s to train, %s in the holdout", plain.Count(n.Train), plain.Count(n.Holdout))
	if n.SetAside == 0 {
		return line
	}
	return line + ", " + plain.Count(n.SetAside) + " set aside" + setAsideInWords(n)
}

// setAsideInWords gives the reasons for which rows were set aside, in brackets.
func setAsideInWords(n *bakeoff.Rows) string {
	var why []string
	if n.MissingTarget > 0 {
		why = append(why, plain.Count(n.MissingTarget)+" without a target")
	}
	if n.SeenByChampion > 0 {
		why = append(why, plain.Count(n.SeenByChampion)+" that the champion was trained on")
	}
	if n.AlsoInTraining > 0 {
		why = append(why, plain.Count(n.AlsoInTraining)+" that are training rows too")
	}
	if len(why) == 0 {
		return ""
	}
	return " (" + strings.Join(why, ", ") + ")"
}
