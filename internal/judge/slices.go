package judge

import (
	"fmt"
	"math"
	"slices"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/dataset"
)

const (
	// minSliceRows and minSliceClass are how many rows, and how many of a class, a slice must have
	// for anything to be told from it.
	minSliceRows  = 30
	minSliceClass = 5
	// maxSliceScores is how many of the best are shown for each slice, beside champion and baseline.
	maxSliceScores = 10
	// slack is what the arithmetic of a loss may be off: 3 pt are not more than 3 pt.
	slack = 1e-12
)

// slice is a part of the holdout on a board.
type slice struct {
	column string
	shown  bakeoff.Slice
	// against compares every ranked challenger with the champion on these rows, by candidate; empty
	// where there is no champion to compare with, or too little to tell.
	against map[string]bakeoff.Comparison
	// reference is the champion's value of the objective here.
	reference float64
}

// CheckSlices reports a column to slice by that rows of a schema do not have, with
// bakeoff.CodeInvalid.
func CheckSlices(p *bakeoff.Pipeline, s bakeoff.Schema) error {
	var names []string
	for _, c := range s.Columns {
		names = append(names, c.Name)
	}
	for _, name := range p.Judge.Slices {
		if slices.Contains(names, name) {
			continue
		}
		e := bakeoff.Errorf(bakeoff.CodeInvalid, "judge.slices: the rows have no feature column %q", name)
		if near := bakeoff.Nearest(name, names); near != "" {
			return e.WithHint("did you mean %q?", near)
		}
		return e.WithHint("the columns are %s", named(names))
	}
	return nil
}

// sliceColumns returns the columns that a pipeline slices its rows by.
func sliceColumns(p *bakeoff.Pipeline, s bakeoff.Schema, t *dataset.Table) ([]dataset.Column, error) {
	if err := CheckSlices(p, s); err != nil {
		return nil, err
	}
	var columns []dataset.Column
	for _, name := range p.Judge.Slices {
		c := t.Column(name)
		if c == nil {
			return nil, bakeoff.Errorf(bakeoff.CodeInternal, "judge: the holdout lacks the column %q of its schema", name)
		}
		columns = append(columns, *c)
	}
	return columns, nil
}

// sliced judges the ranked places on the slices of the case's rows. Evidence is made for one part
// after the other and let go: all of it would be as much again as the answers, for every column.
func (b *board) sliced(c Case) {
	if !slices.ContainsFunc(b.places, func(k place) bool { return k.ranked }) {
		return // nothing is defined on these rows, or on fewer of them
	}
	for _, column := range c.Slices {
		parts := partsOf(column)
		judged := make([]slice, len(parts))
		b.each(len(parts), func(i int) { judged[i] = b.slice(c, column.Name, parts[i]) })
		b.slices = append(b.slices, judged...)
	}
}

// slice judges the ranked places on the rows of one part.
func (b *board) slice(c Case, column string, p part) slice {
	s := slice{column: column, shown: bakeoff.Slice{Kind: p.kind, Value: p.value, Values: p.values, Rows: len(p.rows)}}
	y := labelsOf(c.Labels, p.rows)
	s.shown.TooSmall = tooSmall(c.Task, y)
	places := b.weighed(y, p.rows, &s)
	for i, k := range places {
		if i < maxSliceScores || k.row.Role != bakeoff.RoleChallenger {
			s.shown.Scores = append(s.shown.Scores, b.score(k, s.shown.TooSmall == ""))
		}
	}
	if s.shown.TooSmall == "" {
		b.compareIn(&s, places)
	}
	return s
}

// weighed returns the ranked places with their values on some rows alone, in their order. Where the
// objective is not defined there, the slice is too small.
func (b *board) weighed(y bakeoff.Labels, rows []int32, s *slice) []place {
	var places []place
	why := ""
	for _, k := range b.places {
		if !k.ranked {
			continue
		}
		e, err := b.metrics.objective.Weigh(y, answersOf(k.answers, rows))
		if err != nil {
			why = err.Error()
			continue
		}
		places = append(places, place{row: k.row, ranked: true, value: e.Value(), evidence: e})
	}
	if len(places) == 0 && s.shown.TooSmall == "" {
		s.shown.TooSmall = why
	}
	return places
}

// tooSmall says why nothing can be told from rows with these labels, "" where something can. Of
// several classes one that does not occur is no fault: a model may well know where it never does.
func tooSmall(task bakeoff.LearningTask, y bakeoff.Labels) string {
	if y.Len() < minSliceRows {
		return fmt.Sprintf("it takes %d rows", minSliceRows)
	}
	counts := make([]int, len(y.Classes))
	for _, code := range y.Codes {
		if code >= 0 && int(code) < len(counts) {
			counts[code]++
		}
	}
	for class, n := range counts {
		if n < minSliceClass && (n > 0 || task == bakeoff.Binary) {
			return fmt.Sprintf("%d of class %s, it takes %d", n, oneLine(y.Classes[class]), minSliceClass)
		}
	}
	return ""
}

// score is what a report shows of a place in a slice.
func (b *board) score(k place, interval bool) bakeoff.SliceScore {
	s := bakeoff.SliceScore{Candidate: k.row.Candidate, Role: k.row.Role, Version: k.row.Version, Value: k.value}
	if !interval {
		return s
	}
	if bounds, err := k.evidence.Interval(b.metrics.confidence, b.metrics.seed); err == nil {
		s.Interval = &bounds
	}
	return s
}

// compareIn compares the challengers with the champion in a slice.
func (b *board) compareIn(s *slice, places []place) {
	i := slices.IndexFunc(places, func(k place) bool { return k.row.Role == bakeoff.RoleChampion })
	if i < 0 {
		return
	}
	champion := places[i]
	s.reference = champion.value
	s.against = map[string]bakeoff.Comparison{}
	for _, k := range places {
		if k.row.Role != bakeoff.RoleChallenger {
			continue
		}
		t := b.test(k, champion)
		c := b.comparison(k, champion, t, t.P, 1)
		c.Needed = 0
		if b.sliceLoss != nil {
			c.Needed = -b.allowed(s.reference)
		}
		s.against[k.row.Candidate] = c
	}
}

// allowed is the loss that the gate allows in a slice where the champion has a value, in the
// metric's unit.
func (b *board) allowed(reference float64) float64 {
	if b.sliceLoss.Relative {
		return b.sliceLoss.Margin * math.Abs(reference)
	}
	return b.sliceLoss.Margin
}

// worse reports whether a challenger loses more in a slice than the gate allows, and how much more.
func (b *board) worse(s slice, candidate string) (excess float64, is bool) {
	c, ok := s.against[candidate]
	if !ok || b.sliceLoss == nil {
		return 0, false
	}
	excess = -c.Gain - b.allowed(s.reference)
	return excess, excess > slack
}

// worseSlice says in which slice a place is worse than the gate allows: the one where it is so by
// the most. It returns "" where there is none.
func (b *board) worseSlice(k place) string {
	var at slice
	most, others := 0.0, -1
	for _, s := range b.slices {
		excess, is := b.worse(s, k.row.Candidate)
		if !is {
			continue
		}
		others++
		if excess > most {
			most, at = excess, s
		}
	}
	if others < 0 {
		return ""
	}
	said := b.lossInWords(k, at)
	switch {
	case others == 1:
		said += "; so it is in 1 other slice"
	case others > 1:
		said += fmt.Sprintf("; so it is in %d other slices", others)
	}
	return said
}

// lossInWords says by how much a place is worse in a slice, and what is allowed.
func (b *board) lossInWords(k place, s slice) string {
	c := s.against[k.row.Candidate]
	scale, unit := 1.0, ""
	switch {
	case b.sliceLoss.Relative && s.reference != 0:
		scale, unit = 100/math.Abs(s.reference), " %"
	case b.metrics.objective.Unit():
		scale, unit = 100, " pt"
	}
	loss, limit := pair(-c.Gain*scale, b.allowed(s.reference)*scale)
	champion, _ := first(b.of(bakeoff.RoleChampion))
	return fmt.Sprintf("is worse than v%d by %s%s of %s where %s (%s%s, %d rows), and at most %s%s is allowed",
		champion.row.Version, loss, unit, b.metrics.objective.Name(), s.shown.Where(s.column),
		b.lossInterval(c, scale), unit, s.shown.Rows, limit, unit)
}

// lossInterval writes the interval of a loss.
func (b *board) lossInterval(c bakeoff.Comparison, scale float64) string {
	return fmt.Sprintf("%s%% interval %s to %s", number(100*b.metrics.confidence, 4),
		number(-c.Interval[1]*scale, 2), number(-c.Interval[0]*scale, 2))
}

// sliceTables returns the slices as a report shows them, with the comparison of the challenger that
// the verdict is about.
func (b *board) sliceTables(o outcome) []bakeoff.SliceTable {
	considered := b.considered(o)
	var tables []bakeoff.SliceTable
	for _, s := range b.slices {
		if len(tables) == 0 || tables[len(tables)-1].Column != s.column {
			tables = append(tables, bakeoff.SliceTable{Column: s.column})
		}
		shown := s.shown
		if c, ok := s.against[considered]; ok {
			shown.Against = &c
			_, shown.Worse = b.worse(s, considered)
		}
		last := &tables[len(tables)-1]
		last.Slices = append(last.Slices, shown)
	}
	return tables
}

// considered names the challenger that an outcome is about: the promoted one, the one that was
// compared, or the best.
func (b *board) considered(o outcome) string {
	switch {
	case o.candidate != "":
		return o.candidate
	case b.deciding != nil:
		return b.deciding.Candidate
	}
	if best := b.challengers(); len(best) > 0 {
		return best[0].row.Candidate
	}
	return ""
}
