package bakeoff

import "time"

// LearningTask says what a target asks for. (A Task, without an adjective, is work for a worker.)
type LearningTask string

// The learning tasks.
const (
	Binary     LearningTask = "binary"     // two classes
	Multiclass LearningTask = "multiclass" // three classes or more
	Regression LearningTask = "regression" // a number
)

// Kind is the type of a column.
type Kind string

// The kinds. Numbers, integers, booleans and dates are held as float64 (a date as seconds since
// 1970-01-01 UTC), categories as text.
const (
	KindNumber   Kind = "number"
	KindInteger  Kind = "integer"
	KindBoolean  Kind = "boolean"
	KindCategory Kind = "category"
	KindDate     Kind = "date"
)

// Kinds lists every kind, in the order in which inference prefers them.
func Kinds() []Kind {
	return []Kind{KindBoolean, KindInteger, KindNumber, KindDate, KindCategory}
}

// ColumnSchema describes one feature column.
type ColumnSchema struct {
	Name string `json:"name"`
	Kind Kind   `json:"kind"`
	// Categories are the values of a category column in the training rows, sorted; nil for other kinds.
	Categories []string `json:"categories,omitempty"`
	// Missing says that the training rows have missing values here.
	Missing bool `json:"missing,omitempty"`
}

// Schema describes the rows that a model was trained on: its features in file order and its
// target. It is learnt from the training rows, never from the holdout.
type Schema struct {
	Columns []ColumnSchema `json:"columns"`
	Target  string         `json:"target"`
	Task    LearningTask   `json:"task"`
	// Classes are the target's values, sorted; for Binary the second is the positive class. Nil for Regression.
	Classes []string `json:"classes,omitempty"`
	// Weight is the column that says how much a row counts in training; "" where each counts one. It
	// is no feature, and rows to be scored do not have it.
	Weight string `json:"weight,omitempty"`
}

// Labels are the target's values of some rows, one form per learning task.
type Labels struct {
	// Classes are the names that Codes index, as in Schema.Classes; nil for Regression.
	Classes []string
	// Codes has one class index per row; nil for Regression.
	Codes []int32
	// Values has one number per row; nil for classification.
	Values []float64
	// Weights says how much each row counts in training, a finite number from 0; nil for one each.
	// No measure of the judge looks at it.
	Weights []float64
}

// Len returns the number of rows.
func (l Labels) Len() int { return max(len(l.Codes), len(l.Values)) }

// Predictions are a model's answers for some rows.
type Predictions struct {
	// Classes are the names that the columns of Probabilities stand for; nil for Regression.
	Classes []string
	// Probabilities holds len(Classes) numbers a row, row-major; each row sums to one. Nil for Regression.
	Probabilities []float64
	// Values has one number per row for Regression; nil for classification.
	Values []float64
}

// Len returns the number of rows.
func (p *Predictions) Len() int {
	if len(p.Classes) == 0 {
		return len(p.Values)
	}
	return len(p.Probabilities) / len(p.Classes)
}

// Class returns the index of the most probable class of a row; the first of equals.
func (p *Predictions) Class(row int) int {
	k := len(p.Classes)
	best := 0
	for c, v := range p.Probabilities[row*k : (row+1)*k] {
		if v > p.Probabilities[row*k+best] {
			best = c
		}
	}
	return best
}

// SplitBy names the way in which a row's side, training or holdout, is decided.
type SplitBy string

// The ways to split.
const (
	SplitByHash   SplitBy = "hash"   // a hash of the row's identity
	SplitByTime   SplitBy = "time"   // the newest share of the rows by a date or number column
	SplitByGroup  SplitBy = "group"  // a hash of a column's value: rows of one value stay together
	SplitByColumn SplitBy = "column" // a column of the file says so
)

// Split declares how the holdout is chosen.
type Split struct {
	Holdout float64 `json:"holdout"` // share of the rows, between 0 and 1
	By      SplitBy `json:"by"`
	Column  string  `json:"column,omitempty"` // for SplitByTime, SplitByGroup and SplitByColumn
	Seed    uint64  `json:"seed"`
	// Rotate is how long the same rows are held out, for SplitByHash and SplitByGroup; 0 for ever. Of a
	// snapshot, Period is which such time it was.
	Rotate time.Duration `json:"rotate,omitempty"`
	Period int64         `json:"period,omitempty"`
}

// Identity says what makes two rows of different nights the same row: the key column, or the
// feature columns that the pipeline's first run had. Rows of two snapshots can be compared only
// if their identities are equal.
type Identity struct {
	Key     string   `json:"key,omitempty"`
	Columns []string `json:"columns,omitempty"` // sorted; nil where there is a key
	// Generation counts the definitions that a pipeline has had, from 1: losing one of the
	// columns, or another key, starts the next.
	Generation int `json:"generation"`
}

// Rows counts the rows of a snapshot by what became of them.
type Rows struct {
	Train   int `json:"train"`
	Holdout int `json:"holdout"` // as judged: rows set aside are not in it
	// SetAside counts the rows that are in neither: the sum of the reasons below.
	SetAside int `json:"set_aside"`
	// MissingTarget counts rows without a label.
	MissingTarget int `json:"missing_target,omitempty"`
	// SeenByChampion counts holdout rows that the champion was trained on.
	SeenByChampion int `json:"seen_by_champion,omitempty"`
	// AlsoInTraining counts holdout rows of an identity that a training row of the same snapshot has.
	AlsoInTraining int `json:"also_in_training,omitempty"`
}

// Span is the first and the last of some moments, as the column of a split by time has them: dates as
// seconds since 1970-01-01 UTC.
type Span struct {
	From float64 `json:"from"`
	To   float64 `json:"to"`
}

// Snapshot describes the frozen rows of a run. The rows themselves are two Parquet objects, so
// that whoever may train never holds the labels of the holdout.
type Snapshot struct {
	Digest   Digest   `json:"digest"` // of the description below and so of both objects
	Train    Digest   `json:"train"`
	Holdout  Digest   `json:"holdout"`
	Schema   Schema   `json:"schema"`
	Rows     Rows     `json:"rows"`
	Identity Identity `json:"identity"`
	Split    Split    `json:"split"`
	// Span is that of the holdout, where time splits; nil otherwise.
	Span *Span `json:"span,omitempty"`
	// Fingerprint is an object that tells the identities of the training rows again, without the rows,
	// and how large it is; "" in snapshots from before there were any. They are not part of Digest.
	Fingerprint      Digest `json:"fingerprint,omitempty"`
	FingerprintBytes int64  `json:"fingerprint_bytes,omitempty"`
	// Missing are the texts that meant a missing value, beside the built-in ones: rows to score are read alike.
	Missing []string `json:"missing,omitempty"`
	// Notes are findings about the data that a person should read: constant columns, very many
	// categories, values that are not finite.
	Notes []string `json:"notes,omitempty"`
}
