package dataset

import (
	"math"
	"slices"
	"strings"

	"github.com/bakeoffhq/bakeoff"
)

const (
	maxClasses = 1000
	// manyValues is above how many distinct integers a target is a number to predict, not a class.
	manyValues = 20
)

// target is the column to predict: one form for classification, one for regression.
type target struct {
	column  typedColumn
	classes []string  // every class of the file in its order; nil for regression
	codes   []int32   // one per row, -1 for a missing label
	values  []float64 // one per row, NaN for a missing label
	task    bakeoff.LearningTask
}

// missing reports whether the row has no label.
func (g *target) missing(row int) bool {
	if g.classes == nil {
		return math.IsNaN(g.values[row])
	}
	return g.codes[row] < 0
}

// readTarget reads the target and checks it against the stated task, or infers the task.
func readTarget(t *rawTable, s Source, missing missingTexts) (*target, error) {
	column, err := t.targetColumn(s, missing)
	if err != nil {
		return nil, err
	}
	distinct := distinctValues(&column.Column)
	switch {
	case distinct == 0:
		return nil, t.targetErrorf(s, "no row has a value").WithHint("a target needs at least two values")
	case distinct == 1:
		return nil, t.targetErrorf(s, "every row that has a value has the same one").WithHint("a target needs at least two values")
	case isRegression(&column.Column, s.Task, distinct):
		return regressionTarget(t, s, column)
	case s.Task == "" && s.Columns[s.Target] == "" && distinct > manyValues:
		if err := t.strayText(s, &column.Column); err != nil {
			return nil, err
		}
	}
	switch {
	case distinct > maxClasses:
		return nil, t.targetErrorf(s, "%d distinct values are too many classes, at most %d are possible", distinct, maxClasses).
			WithHint("choose another target, or state task: regression if it is a number")
	case s.Task == bakeoff.Binary && distinct != 2:
		return nil, t.targetErrorf(s, "the task is stated to be binary, but there are %d distinct values", distinct).
			WithHint("leave task out, or state multiclass")
	case s.Task == bakeoff.Multiclass && distinct == 2:
		return nil, t.targetErrorf(s, "the task is stated to be multiclass, but there are two distinct values").
			WithHint("leave task out, or state binary")
	}
	return classTarget(column, s.Task), nil
}

// mostlyNumbers is from which share of its labelled rows a target of many values is meant to be
// a number, and the text in it a mistake.
const mostlyNumbers = 0.9

// strayText names the first text in a target that is otherwise numbers: taking each number for a
// class would be legal and never what is wanted.
func (t *rawTable) strayText(s Source, c *Column) error {
	isText := make([]bool, len(c.Levels))
	for code, level := range c.Levels {
		_, number := inferNumber(level)
		isText[code] = !number
	}
	first, texts, labelled := -1, 0, 0
	for row, code := range c.Codes {
		if code < 0 {
			continue
		}
		labelled++
		if !isText[code] {
			continue
		}
		texts++
		if first < 0 {
			first = row
		}
	}
	if first < 0 || float64(labelled-texts) < mostlyNumbers*float64(labelled) {
		return nil
	}
	return t.errorf(first, "column %q: %s, but %d of the target's %d values are numbers", s.Target, shown(c.Levels[c.Codes[first]]), labelled-texts, labelled).
		WithHint("correct the cell or add its text to data.missing; if these are classes, state task: multiclass")
}

// targetColumn reads the target as its kind is stated, for regression as numbers, or as inferred.
func (t *rawTable) targetColumn(s Source, missing missingTexts) (typedColumn, error) {
	stated := s.Columns[s.Target]
	if s.Task != bakeoff.Regression || stated != "" {
		return t.typed(s.Target, stated, missing)
	}
	cells := t.columns[s.Target].cells()
	c := typedColumn{Column: Column{Name: s.Target, Kind: bakeoff.KindNumber, Numbers: make([]float64, len(cells))}}
	notFinite, bad := parseCells(c.Numbers, cells, reading(bakeoff.KindNumber), missing)
	if bad >= 0 {
		return c, t.errorf(bad, "column %q: %s, but a regression target holds numbers alone", s.Target, shown(cells[bad])).
			WithHint("correct the cell, add its text to data.missing, or leave task out")
	}
	c.notFinite = notFinite
	return c, nil
}

func (t *rawTable) targetErrorf(s Source, format string, args ...any) *bakeoff.Error {
	return bakeoff.Errorf(bakeoff.CodeInvalid, "%s: target %q: "+format, append([]any{t.path, s.Target}, args...)...)
}

// isRegression applies the stated task, or the rule for inferring it: numbers that are not all
// integers, or more than manyValues integers.
func isRegression(c *Column, task bakeoff.LearningTask, distinct int) bool {
	if task != "" {
		return task == bakeoff.Regression
	}
	if c.Kind != bakeoff.KindInteger && c.Kind != bakeoff.KindNumber {
		return false
	}
	return distinct > manyValues || slices.ContainsFunc(c.Numbers, func(v float64) bool { return v != math.Trunc(v) && !math.IsNaN(v) })
}

func regressionTarget(t *rawTable, s Source, c typedColumn) (*target, error) {
	if c.Kind != bakeoff.KindInteger && c.Kind != bakeoff.KindNumber {
		return nil, t.targetErrorf(s, "a regression target holds numbers, but the column is stated to be %s", c.Kind).
			WithHint("leave task or data.columns.%s out", s.Target)
	}
	return &target{column: c, values: c.Numbers, task: bakeoff.Regression}, nil
}

// classTarget orders the classes: by number where all are numbers, else by text.
func classTarget(c typedColumn, task bakeoff.LearningTask) *target {
	texts := c.Levels
	codes := c.Codes
	if c.Kind != bakeoff.KindCategory {
		cells := make([]string, len(c.Numbers))
		for i, v := range c.Numbers {
			if !math.IsNaN(v) {
				cells[i] = formatValue(c.Kind, v)
			}
		}
		codes, texts = encode(cells, nil)
	}
	codes, texts = orderClasses(codes, texts)
	return &target{column: c, classes: texts, codes: codes, task: task}
}

func orderClasses(codes []int32, texts []string) ([]int32, []string) {
	values := make(map[string]float64, len(texts))
	for _, text := range texts {
		v, _, ok := parseNumber(text)
		if !ok {
			return codes, texts // they are sorted
		}
		values[text] = v
	}
	ordered := slices.Clone(texts)
	slices.SortStableFunc(ordered, func(a, b string) int {
		switch {
		case values[a] < values[b]:
			return -1
		case values[a] > values[b]:
			return 1
		}
		return strings.Compare(a, b)
	})
	rank := make([]int32, len(texts))
	for i, text := range texts {
		rank[i] = int32(slices.Index(ordered, text))
	}
	for i, code := range codes {
		if code >= 0 {
			codes[i] = rank[code]
		}
	}
	return codes, ordered
}

// distinctValues counts the values of a column, the missing one not among them.
func distinctValues(c *Column) int {
	if c.Kind == bakeoff.KindCategory {
		return len(c.Levels)
	}
	seen := make(map[float64]struct{})
	for _, v := range c.Numbers {
		if !math.IsNaN(v) {
			seen[v] = struct{}{}
		}
	}
	return len(seen)
}
