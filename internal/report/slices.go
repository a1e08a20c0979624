package report

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/chart"
	"github.com/bakeoffhq/bakeoff/internal/plain"
)

// slices shows how the contestants did on parts of the holdout: by how much the challenger that the
// verdict was about is better in each than the champion, or how good it is where there is none.
func (w *writer) slices() section {
	s := section{id: "slices", title: "Slices"}
	for i := range w.r.Slices {
		of := &w.r.Slices[i]
		id := fmt.Sprintf("slices-%d", i+1)
		if c := consideredIn(of); c != nil && w.same() == "" {
			s.wide = append(s.wide, w.sliceGains(id, of, c))
		} else if best := w.best(); best != nil {
			s.wide = append(s.wide, w.sliceValues(id, of, *best))
		}
		s.wide = append(s.wide, sheetTable(w.sliceScores(of)))
	}
	return s
}

// consideredIn returns some comparison of the slices: all are of one challenger. It is nil where there is none.
func consideredIn(of *bakeoff.SliceTable) *bakeoff.Comparison {
	for _, s := range of.Slices {
		if s.Against != nil {
			return s.Against
		}
	}
	return nil
}

// best returns the challenger that the verdict is about, nil for none.
func (w *writer) best() *entrant {
	of := w.r.Considered()
	i := slices.IndexFunc(w.ranked, func(e entrant) bool {
		return e.row.Role == bakeoff.RoleChallenger && of != nil && e.row.Candidate == of.Candidate
	})
	if i < 0 {
		return nil
	}
	return &w.ranked[i]
}

func (w *writer) sliceGains(id string, of *bakeoff.SliceTable, c *bakeoff.Comparison) chart.Dots {
	d := chart.Dots{
		Frame: chart.Frame{
			ID: id, Title: fmt.Sprintf("%s: gain of %s over the champion", plain.Line(of.Column), plain.Line(c.Candidate)),
			Note: "On the rows of each slice alone; left of the line it is a loss.",
		},
		Head:  [3]string{plain.Line(of.Column), "gain", w.confidence()},
		Marks: []chart.Mark{{Value: 0, Name: "no difference"}},
	}
	for _, s := range of.Slices {
		dot := w.sliceDot(s, w.styleNamed(c.Candidate, bakeoff.RoleChallenger))
		if a := s.Against; a != nil {
			dot.Value, dot.Text, dot.Range = w.scaled(a.Gain), w.gain(a.Gain), rangeOf(a.Interval, w.gain, points)
			dot.Interval = [2]float64{w.scaled(a.Interval[0]), w.scaled(a.Interval[1])}
		}
		d.Rows = append(d.Rows, dot)
	}
	return d
}

func (w *writer) sliceValues(id string, of *bakeoff.SliceTable, best entrant) chart.Dots {
	d := chart.Dots{
		Frame: chart.Frame{ID: id, Title: fmt.Sprintf("%s: %s of %s", plain.Line(of.Column), plain.Line(w.r.Metric), best.name())},
		Head:  [3]string{plain.Line(of.Column), plain.Line(w.r.Metric), w.confidence()},
	}
	for _, s := range of.Slices {
		dot := w.sliceDot(s, best.style)
		for _, k := range s.Scores {
			if k.Candidate != best.row.Candidate || k.Role != best.row.Role {
				continue
			}
			dot.Value, dot.Text = k.Value, value(k.Value)
			if k.Interval != nil {
				dot.Interval, dot.Range = *k.Interval, rangeOf(*k.Interval, value, "")
			}
		}
		d.Rows = append(d.Rows, dot)
	}
	return d
}

// sliceDot is the row of a slice, without a value.
func (w *writer) sliceDot(s bakeoff.Slice, style chart.Style) chart.Dot {
	dot := chart.Dot{Name: sliceName(s), Note: plain.Count(s.Rows) + " rows", Style: style, Value: math.NaN(), Text: "–"}
	switch {
	case s.TooSmall != "":
		dot.Note += ", too few"
	case s.Worse:
		dot.Note += ", worse than the gate allows"
	}
	return dot
}

func sliceName(s bakeoff.Slice) string {
	switch s.Kind {
	case bakeoff.SliceMissing:
		return "(no value)"
	case bakeoff.SliceOther:
		return fmt.Sprintf("(%s other values)", plain.Count(s.Values))
	}
	return plain.Line(s.Value)
}

// sliceScores is the objective of every contestant on every slice.
func (w *writer) sliceScores(of *bakeoff.SliceTable) sheet {
	type contestant struct {
		candidate string
		role      bakeoff.Role
	}
	var all []contestant
	t := sheet{head: []cell{{text: plain.Line(of.Column)}, {text: "rows", num: true}}}
	for _, s := range of.Slices {
		for _, k := range s.Scores {
			if c := (contestant{k.Candidate, k.Role}); !slices.Contains(all, c) {
				all = append(all, c)
				t.head = append(t.head, cell{text: nameOf(k.Candidate, k.Role, k.Version), num: true})
			}
		}
	}
	for _, s := range of.Slices {
		row := []cell{{text: sliceName(s), head: true}, countCell(s.Rows)}
		if s.TooSmall != "" {
			t.rows = append(t.rows, append(row, cell{text: "too small: " + plain.Line(s.TooSmall), span: max(2, len(all))}))
			continue
		}
		for _, c := range all {
			scored := cell{text: "–", num: true}
			if i := slices.IndexFunc(s.Scores, func(k bakeoff.SliceScore) bool { return k.Candidate == c.candidate && k.Role == c.role }); i >= 0 {
				scored.text = value(s.Scores[i].Value)
				if b := s.Scores[i].Interval; b != nil {
					scored.sub = value(b[0]) + "–" + value(b[1])
				}
			}
			row = append(row, scored)
		}
		t.rows = append(t.rows, row)
	}
	return t
}

// speedHead names the columns of what answering takes.
func speedHead() []cell {
	return []cell{{text: "half of the rows in", num: true}, {text: "95 % in", num: true}, {text: "rows a second", num: true}, {text: "memory", num: true}}
}

// speedCells are what answering took a contestant.
func speedCells(s *bakeoff.Speed) []cell {
	if s == nil {
		none := cell{text: "–", num: true}
		return []cell{none, none, none, none}
	}
	return []cell{
		{text: briefly(s.P50), num: true},
		{text: briefly(s.P95), num: true},
		{text: plain.Count(int(math.Min(1e15, math.Round(s.RowsPerSecond)))), num: true},
		{text: bytesOf(s.Memory), num: true},
	}
}

// briefly writes a short time with three digits.
func briefly(seconds float64) string {
	switch d := time.Duration(seconds * float64(time.Second)); {
	case d < time.Millisecond:
		return strconv.FormatFloat(float64(d)/float64(time.Microsecond), 'f', 0, 64) + " µs"
	case d < time.Second:
		return strconv.FormatFloat(float64(d)/float64(time.Millisecond), 'f', 1, 64) + " ms"
	}
	return secondsOf(seconds)
}
