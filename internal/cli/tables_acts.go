package cli

import (
	"cmp"
	"fmt"
	"io"
	"time"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/plain"
)

// actRow is something that was done other than by a run, among the runs.
func actRow(a *bakeoff.Act, retried bool, zone *time.Location) row {
	who, version, done := "person", "-", string(a.Kind)
	if a.Kind == bakeoff.ActTimeout {
		who = "-"
	}
	if a.Version != 0 {
		version = fmt.Sprintf("v%d", a.Version)
	}
	if a.Forced {
		done += ", forced"
	}
	line := row{cells: []string{moment(a.Time, zone), cmp.Or(plain.Line(a.Run), "-"), who}}
	if retried {
		line.cells = append(line.cells, "-")
	}
	line.cells = append(line.cells, done, version, "-", actInWords(a))
	return line
}

// actInWords says who did it and why, and what the judge had said where that was overruled.
func actInWords(a *bakeoff.Act) string {
	text := byInWords(*a)
	if a.Overruled != "" {
		text += "; the judge had said: " + plain.Line(a.Overruled)
	}
	return text
}

// writeActs writes one line an act.
func writeActs(w io.Writer, acts []bakeoff.Act, zone *time.Location) {
	for _, a := range acts {
		line := fmt.Sprintf("%s %s", a.Time.In(zone).Format(time.RFC3339), a.Kind)
		if a.Forced {
			line += ", forced"
		}
		if a.Candidate != "" {
			line += fmt.Sprintf(" %s of run %s", plain.Line(a.Candidate), plain.Line(a.Run))
		}
		switch {
		case a.Previous != 0:
			line += fmt.Sprintf(" (v%d, in place of v%d)", a.Version, a.Previous)
		case a.Version != 0:
			line += fmt.Sprintf(" (v%d)", a.Version)
		}
		fmt.Fprintf(w, "%s %s\n", line, actInWords(&a))
	}
}
