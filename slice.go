package bakeoff

import "fmt"

// MaxSliceColumns is how many columns a pipeline may slice its holdout by: a report has room for
// all of their slices.
const MaxSliceColumns = 8

// SliceTable says how the contestants did on each part of the holdout that a column makes.
type SliceTable struct {
	Column string  `json:"column"`
	Slices []Slice `json:"slices"`
}

// SliceKind says how the rows of a slice were chosen.
type SliceKind string

// The kinds of slices.
const (
	SliceValue   SliceKind = "value"   // the rows with one value
	SliceBand    SliceKind = "band"    // a quarter of the rows, about, by their values
	SliceOther   SliceKind = "other"   // the rows with the values that have no slice of their own
	SliceMissing SliceKind = "missing" // the rows without a value
)

// Slice is a part of the holdout, and how the contestants did on it by the objective metric.
type Slice struct {
	Kind   SliceKind `json:"kind"`
	Value  string    `json:"value,omitempty"`  // in words: "Two year", "1 to 9"; "" for SliceMissing
	Values int       `json:"values,omitempty"` // SliceOther: how many there are
	Rows   int       `json:"rows"`
	// TooSmall says why nothing can be told from these rows; "" where something can.
	TooSmall string       `json:"too_small,omitempty"`
	Scores   []SliceScore `json:"scores,omitempty"` // as they are ranked on the leaderboard
	// Against compares the challenger that the verdict was about with the champion on these rows.
	Against *Comparison `json:"against,omitempty"`
	// Worse says that the challenger loses more here than the gate allows.
	Worse bool `json:"worse_than_allowed,omitempty"`
}

// Where says which rows a slice by a column has, as a clause: "contract is Two year".
func (s Slice) Where(column string) string {
	switch s.Kind {
	case SliceMissing:
		return column + " has no value"
	case SliceOther:
		return fmt.Sprintf("%s has one of %d other values", column, s.Values)
	}
	return column + " is " + s.Value
}

// SliceScore is the objective metric of one contestant on the rows of a slice.
type SliceScore struct {
	Candidate string      `json:"candidate"`
	Role      Role        `json:"role"`
	Version   int         `json:"version,omitempty"` // of the champion
	Value     float64     `json:"value"`
	Interval  *[2]float64 `json:"interval,omitempty"`
}
