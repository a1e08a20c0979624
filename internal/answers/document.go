package answers

import (
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/dataset"
)

// document is the JSON document of a file: the case without its rows, and how the columns are to be
// read.
type document struct {
	File
	Count    int        `json:"rows_judged"`
	Labels   *labels    `json:"labels"`
	Baseline *shape     `json:"baseline"`
	Answers  []*shape   `json:"answers"` // one a contestant; null for one without
	Slices   []sliceOne `json:"slices,omitempty"`
}

type labels struct {
	Classes []string `json:"classes"` // null for Regression
}

type shape struct {
	Classes []string `json:"classes"` // null for Regression
	First   bool     `json:"first,omitempty"`
}

type sliceOne struct {
	Name   string       `json:"name"`
	Kind   bakeoff.Kind `json:"kind"`
	Levels []string     `json:"levels,omitempty"`
}

// documentOf describes a file.
func documentOf(f *File) document {
	d := document{File: *f, Count: f.Labels.Len(), Labels: &labels{Classes: f.Labels.Classes}, Baseline: shapeOf(f.Baseline)}
	for _, k := range f.Contestants {
		d.Answers = append(d.Answers, shapeOf(k.Predictions))
	}
	for _, c := range f.Slices {
		d.Slices = append(d.Slices, sliceOne{Name: c.Name, Kind: c.Kind, Levels: c.Levels})
	}
	return d
}

func shapeOf(p *bakeoff.Predictions) *shape {
	if p == nil {
		return nil
	}
	return &shape{Classes: p.Classes, First: !halved(p)}
}

// parse reads a document and checks that it does not contradict itself.
func parse(text string) (*document, error) {
	var d document
	if err := json.Unmarshal([]byte(text), &d); err != nil {
		return nil, fmt.Errorf("its description: %w", err)
	}
	switch {
	case d.Labels == nil || d.Baseline == nil:
		return nil, fmt.Errorf("its description has no labels or no baseline")
	case len(d.Answers) != len(d.File.Contestants):
		return nil, fmt.Errorf("its description has %d contestants and the answers of %d", len(d.File.Contestants), len(d.Answers))
	}
	return &d, nil
}

// The names of the columns.
const (
	labelColumn    = "label"
	baselineColumn = "baseline"
)

func answersColumn(contestant int, candidate string) string {
	return strconv.Itoa(contestant+1) + "_" + candidate
}

func firstColumn(of string) string { return of + "_first" }

func sliceColumn(i int, c string) string { return "slice_" + strconv.Itoa(i+1) + "_" + c }

// isCategory says of which form a further column is.
func isCategory(kind bakeoff.Kind) bool { return kind == bakeoff.KindCategory }

// column makes a further column of its description.
func (e sliceOne) column() dataset.Column {
	return dataset.Column{Name: e.Name, Kind: e.Kind, Levels: e.Levels}
}
