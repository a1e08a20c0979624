package learn_test

import (
	"bytes"
	"encoding/csv"
	"math"
	"os"
	"slices"
	"strconv"
	"testing"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/dataset"
)

// set is a small data set, in training rows and holdout.
type set struct {
	schema         bakeoff.Schema
	train, holdout *dataset.Table
	labels, truth  bakeoff.Labels
}

const (
	churnFile    = "../../examples/churn/telco_churn.csv"
	penguinsFile = "testdata/penguins.csv"
)

// readSet reads a CSV file as testdata/fixtures.py does: rows without target left out, every
// fourth row held out, a column of numbers if all of its values are.
func readSet(t testing.TB, file, target string, task bakeoff.LearningTask) set {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(bytes.NewReader(text)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	head, rows := rows[0], rows[1:]
	at := slices.Index(head, target)
	rows = slices.DeleteFunc(rows, func(row []string) bool { return isMissing(row[at]) })
	s := set{schema: bakeoff.Schema{Target: target, Task: task}}
	s.train = &dataset.Table{}
	s.holdout = &dataset.Table{}
	for j, name := range head {
		train, holdout := split(rows, j)
		s.train.Rows, s.holdout.Rows = len(train), len(holdout)
		if j == at {
			s.setLabels(t, train, holdout)
			continue
		}
		numeric := isNumeric(train) && isNumeric(holdout)
		c := textColumn(name, train)
		if numeric {
			c = numberColumn(t, name, train)
			s.holdout.Columns = append(s.holdout.Columns, numberColumn(t, name, holdout))
		} else {
			s.holdout.Columns = append(s.holdout.Columns, textColumn(name, holdout))
		}
		s.train.Columns = append(s.train.Columns, c)
	}
	s.schema.Columns = schemaOf(s.train)
	return s
}

func split(rows [][]string, column int) (train, holdout []string) {
	for i, row := range rows {
		if i%4 == 0 {
			holdout = append(holdout, row[column])
		} else {
			train = append(train, row[column])
		}
	}
	return train, holdout
}

func isMissing(cell string) bool { return cell == "" || cell == "NA" }

func isNumeric(cells []string) bool {
	return !slices.ContainsFunc(cells, func(cell string) bool {
		_, err := strconv.ParseFloat(cell, 64)
		return err != nil && !isMissing(cell)
	})
}

func numberColumn(t testing.TB, name string, cells []string) dataset.Column {
	t.Helper()
	c := dataset.Column{Name: name, Kind: bakeoff.KindNumber}
	for _, cell := range cells {
		v := math.NaN()
		if !isMissing(cell) {
			var err error
			if v, err = strconv.ParseFloat(cell, 64); err != nil {
				t.Fatal(err)
			}
		}
		c.Numbers = append(c.Numbers, v)
	}
	return c
}

// textColumn makes a category column; a cell that is empty or NA is missing.
func textColumn(name string, cells []string) dataset.Column {
	c := dataset.Column{Name: name, Kind: bakeoff.KindCategory, Levels: distinct(cells)}
	for _, cell := range cells {
		code, found := slices.BinarySearch(c.Levels, cell)
		if !found {
			code = -1
		}
		c.Codes = append(c.Codes, int32(code))
	}
	return c
}

func distinct(cells []string) []string {
	levels := slices.DeleteFunc(slices.Clone(cells), isMissing)
	slices.Sort(levels)
	return slices.Compact(levels)
}

// schemaOf describes the columns of the training rows.
func schemaOf(t *dataset.Table) []bakeoff.ColumnSchema {
	var columns []bakeoff.ColumnSchema
	for _, c := range t.Columns {
		columns = append(columns, bakeoff.ColumnSchema{Name: c.Name, Kind: c.Kind, Categories: c.Levels})
	}
	return columns
}

func (s *set) setLabels(t testing.TB, train, holdout []string) {
	t.Helper()
	if s.schema.Task == bakeoff.Regression {
		s.labels.Values = numberColumn(t, "", train).Numbers
		s.truth.Values = numberColumn(t, "", holdout).Numbers
		return
	}
	c := textColumn("", train)
	s.schema.Classes = c.Levels
	s.labels = bakeoff.Labels{Classes: c.Levels, Codes: c.Codes}
	s.truth = bakeoff.Labels{Classes: c.Levels, Codes: textColumn("", holdout).Codes}
}

// first returns the set with so many of its training rows only.
func (s set) first(rows int) set {
	s.train = s.train.Slice(0, rows)
	if s.labels.Codes != nil {
		s.labels.Codes = s.labels.Codes[:rows]
	} else {
		s.labels.Values = s.labels.Values[:rows]
	}
	return s
}

// rocAUC is the share of pairs of a positive and a negative row that the model orders rightly.
func rocAUC(p *bakeoff.Predictions, truth []int32) float64 {
	pairs, right := 0.0, 0.0
	for i, a := range truth {
		for j, b := range truth {
			if a != 1 || b != 0 {
				continue
			}
			pairs++
			switch pi, pj := p.Probabilities[2*i+1], p.Probabilities[2*j+1]; {
			case pi > pj:
				right++
			case pi == pj:
				right += 0.5
			}
		}
	}
	return right / pairs
}
