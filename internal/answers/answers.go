// Package answers turns the labels of a holdout and what every contestant of a run answered into one
// file, and back: all that a decision was made from, so that it can be made again by another rule.
//
// The file is Parquet, compressed by zstd, with one row for each row of the holdout that was judged,
// in the holdout's order, and in its key/value metadata, under Key, a JSON document with what is not
// a matter of rows. A column of numbers has them bit by bit as they were answered:
//
//	label              the code of the row's class, or its number
//	baseline           what the baseline answered
//	1_linear           what the first contestant, linear, answered; 2_forest and so on
//	1_linear_first     of two classes, where some row's first probability is not one minus the second:
//	                   by how many numbers of 64 bits it is off
//	slice_1_NAME       the first column that the rows are sliced by
//
// Answers are the number for a regression, the probability of the second class of two, and a list of
// probabilities for any other number of classes. A contestant without answers has no column. Classes
// and the texts of categories are in the document, the columns have their codes.
//
// Of the pipeline there is what decides: no receiver, no hook, no secret.
package answers

import (
	"fmt"
	"time"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/dataset"
)

// Key is the key of the JSON document in a file's metadata.
const Key = "bakeoff.answers"

// File is a case of the judge as it is kept. Fields are added, never renamed: a file of an older
// version reads with the zero value.
type File struct {
	Rules        Rules                `json:"rules"`
	Task         bakeoff.LearningTask `json:"task"`
	Rows         bakeoff.Rows         `json:"rows"`
	Champion     int                  `json:"champion,omitempty"` // the live version; 0 for none
	Hold         *bakeoff.Hold        `json:"hold,omitempty"`
	At           time.Time            `json:"at,omitzero"`            // the moment that the run was for
	Moved        time.Time            `json:"moved,omitzero"`         // when the champion became that
	Incomparable string               `json:"incomparable,omitempty"` // why the champion is not compared
	Contaminated string               `json:"contaminated,omitempty"` // why too few clean rows are left
	Contestants  []Contestant         `json:"contestants"`

	Labels   bakeoff.Labels       `json:"-"`
	Baseline *bakeoff.Predictions `json:"-"`
	// Slices are the columns that the rows are also judged in parts by. Of a column, Levels may have texts
	// that no row has.
	Slices []dataset.Column `json:"-"`
}

// Rules are what a pipeline says about a decision. Judge and Gate are written with the names of their
// Go fields.
type Rules struct {
	Pipeline string        `json:"pipeline"`
	AtLeast  int           `json:"at_least"`
	Judge    bakeoff.Judge `json:"judge"`
	Gate     bakeoff.Gate  `json:"gate"`
	Seed     uint64        `json:"seed"` // of the split, and so of what is resampled
}

// Contestant is a challenger or the champion.
type Contestant struct {
	Candidate string         `json:"candidate"`
	Role      bakeoff.Role   `json:"role"`
	Version   int            `json:"version,omitempty"` // of the champion
	Rebuilt   bool           `json:"rebuilt,omitempty"` // the champion's recipe answered, built again
	Trial     bakeoff.Trial  `json:"trial"`
	Failure   string         `json:"failure,omitempty"` // why it has no answers, though it was built
	Unseen    int            `json:"unseen_categories,omitempty"`
	Speed     *bakeoff.Speed `json:"speed,omitempty"` // nil where it was not measured
	// Predictions are nil for a contestant that did not answer, or not as it must.
	Predictions *bakeoff.Predictions `json:"-"`
}

// Whole reports whether p has an answer for each of so many rows, in the form that its classes ask for.
func Whole(p *bakeoff.Predictions, rows int) bool {
	if k := len(p.Classes); k > 0 {
		return len(p.Probabilities) == rows*k
	}
	return len(p.Values) == rows
}

// check reports what cannot be kept.
func (f *File) check() error {
	rows := f.Labels.Len()
	if f.Baseline == nil || !Whole(f.Baseline, rows) {
		return fmt.Errorf("the baseline has no answer for each of %d rows", rows)
	}
	for _, k := range f.Contestants {
		if k.Predictions != nil && !Whole(k.Predictions, rows) {
			return fmt.Errorf("%s has no answer for each of %d rows", k.Candidate, rows)
		}
	}
	for _, c := range f.Slices {
		if max(len(c.Codes), len(c.Numbers)) != rows {
			return fmt.Errorf("the column %s has not %d rows", c.Name, rows)
		}
	}
	return nil
}
