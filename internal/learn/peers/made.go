package main

import (
	"encoding/csv"
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/dataset"
)

// made is a data set of random rows. The target hangs on six numbers, in part by their products and
// curves so that a linear model does poorly, on the category where there is one, and on noise.
type made struct {
	task    bakeoff.LearningTask
	numbers int // columns of numbers; the later half resembles the former
	levels  int // values of the one category column; 0 for none
	classes int // of a multiclass target
	fewer   int // it has this many times fewer rows than asked for; 0 for just as many
}

// makes are the made sets by name.
var makes = map[string]made{
	"made_binary":     {task: bakeoff.Binary, numbers: 28},
	"made_categories": {task: bakeoff.Binary, numbers: 6, levels: 5000},
	"made_multiclass": {task: bakeoff.Multiclass, numbers: 20, classes: 7},
	"made_regression": {task: bakeoff.Regression, numbers: 20},
	"made_wide":       {task: bakeoff.Binary, numbers: 1000, fewer: 20},
}

// madeTarget and madeCategory name the columns beside the numbers.
const (
	madeTarget   = "target"
	madeCategory = "level"
	madeRows     = 100_000
)

func (m made) prepared() prepared { return prepared{Target: madeTarget, Task: m.task} }

// rows returns how many rows the set has where so many are asked for.
func (m made) rows(asked int) int {
	if asked == 0 {
		asked = madeRows
	}
	return max(100, asked/max(1, m.fewer))
}

// draw makes one row: it fills x, and returns the category and the target.
func (m made) draw(r *rand.Rand, x []float64) (level int, y float64) {
	for j := range x {
		x[j] = r.NormFloat64()
		if half := len(x) / 2; j >= half && j < 2*half {
			x[j] = 0.6*x[j-half] + 0.8*x[j]
		}
	}
	if m.task == bakeoff.Multiclass {
		return 0, float64(m.class(r, x))
	}
	signal := x[0]*x[1] + math.Sin(2*x[2]) + math.Abs(x[3]) - 0.8 + 0.7*x[4] - 0.5*x[5]
	if m.levels > 0 {
		u := r.Float64() // few levels are common, many are rare
		level = int(float64(m.levels) * u * u)
		signal += 1.5 * math.Sin(float64(level)*2.399)
	}
	if m.task == bakeoff.Regression {
		return level, 10 + signal + 0.5*r.NormFloat64()
	}
	u := r.Float64()
	if signal+0.7*math.Log(u/(1-u)) > 0 {
		return level, 1
	}
	return level, 0
}

// class draws a class: the likelier, the higher its own mixture of the numbers is.
func (m made) class(r *rand.Rand, x []float64) int {
	best, most := 0, math.Inf(-1)
	for k := range m.classes {
		score := 1.5*math.Sin(float64(k))*x[0]*x[1] - 0.5*math.Log(-math.Log(r.Float64()))
		for j := range 6 {
			score += math.Cos(1.7*float64(k)+2.3*float64(j)) * x[j]
		}
		if score > most {
			best, most = k, score
		}
	}
	return best
}

// random returns the numbers that every set is made of.
func random() *rand.Rand { return rand.New(rand.NewPCG(20260101, 28)) }

// write makes the file of a set, each row with its side.
func (m made) write(path string, rows int) error {
	r, x, isHeld := random(), make([]float64, m.numbers), lastTenth(rows)
	return writeCSV(path, func(w *csv.Writer) error {
		if err := w.Write(append(m.header(), madeTarget, sideColumn)); err != nil {
			return err
		}
		var record []string
		for row := range rows {
			record = append(m.cells(record[:0], r, x), sideOf(row, isHeld))
			if err := w.Write(record); err != nil {
				return err
			}
		}
		return nil
	})
}

// header returns the names of the feature columns.
func (m made) header() []string {
	var names []string
	for j := range m.numbers {
		names = append(names, "x"+strconv.Itoa(j))
	}
	if m.levels > 0 {
		names = append(names, madeCategory)
	}
	return names
}

// cells draws a row as text, the target last.
func (m made) cells(record []string, r *rand.Rand, x []float64) []string {
	level, y := m.draw(r, x)
	for _, v := range x {
		record = append(record, strconv.FormatFloat(v, 'g', 6, 64))
	}
	if m.levels > 0 {
		record = append(record, fmt.Sprintf("v%04d", level))
	}
	return append(record, strconv.FormatFloat(y, 'g', 6, 64))
}

// set makes rows of two classes and numbers in memory, the last tenth held out: there can be more of
// them than one would want to write as text.
func (m made) set(rows int) *set {
	r, x := random(), make([]float64, m.numbers)
	t := &dataset.Table{Rows: rows}
	s := &set{name: fmt.Sprintf("%d x %d", rows, m.numbers), schema: bakeoff.Schema{Target: madeTarget, Task: bakeoff.Binary, Classes: []string{"0", "1"}}}
	for _, name := range m.header() {
		t.Columns = append(t.Columns, dataset.Column{Name: name, Kind: bakeoff.KindNumber, Numbers: make([]float64, rows)})
		s.schema.Columns = append(s.schema.Columns, bakeoff.ColumnSchema{Name: name, Kind: bakeoff.KindNumber})
	}
	codes := make([]int32, rows)
	for row := range rows {
		_, y := m.draw(r, x)
		codes[row] = int32(y)
		for j, v := range x {
			t.Columns[j].Numbers[row] = float64(float32(v)) // as few digits as a file would have
		}
	}
	part := func(lo, hi int) *dataset.Rows {
		return &dataset.Rows{Table: t.Slice(lo, hi), Labels: bakeoff.Labels{Classes: s.schema.Classes, Codes: codes[lo:hi]}}
	}
	s.train, s.holdout = part(0, rows-rows/10), part(rows-rows/10, rows)
	return s
}
