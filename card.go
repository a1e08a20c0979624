package bakeoff

import "encoding/json"

// CardFile is the name of the card in the folder of an artifact that has one.
const CardFile = "card.json"

// Card says what a model of a built-in learner was learnt from and what it looks at. It is made of
// the training rows alone, by whoever builds the model, and is part of the artifact. Shares and
// measures have six digits.
type Card struct {
	Learner  string          `json:"learner"`
	Params   json.RawMessage `json:"params"` // with defaults
	Task     LearningTask    `json:"task"`
	Rows     int             `json:"rows"`               // that the model was trained on
	Weighted bool            `json:"weighted,omitempty"` // the rows do not count alike
	Classes  []ClassCount    `json:"classes,omitempty"`
	LeftOut  []LeftOut       `json:"left_out,omitempty"`
	// Strength names what FeatureStrength.Strength is: gain, the share of all that the splits of trees
	// have gained; coefficient, the largest difference that a column makes to the sum of a linear
	// model. Empty where the learner has no such thing.
	Strength string `json:"strength,omitempty"`
	// Metric is what importance by permutation is measured by, log_loss or rmse, on Sample training
	// rows that were permuted Repeats times.
	Metric   string            `json:"metric"`
	Sample   int               `json:"sample"`
	Repeats  int               `json:"repeats"`
	Features []FeatureStrength `json:"features"` // the most important by permutation first
	// Unmeasured is how many columns are not among Features since permuting all would have taken too
	// long. Features are then those of the greatest Strength or, where there is none, the first columns.
	Unmeasured int `json:"unmeasured,omitempty"`
	// Dependence is the mean answer over DependenceSample training rows if all of them had the same
	// value in one column (J. Friedman, Greedy function approximation, 2001), for the first columns
	// of Features.
	DependenceSample int          `json:"dependence_sample"`
	Dependence       []Dependence `json:"dependence"`
}

// ClassCount is a class of the target and how many training rows have it.
type ClassCount struct {
	Name string `json:"name"`
	Rows int    `json:"rows"`
}

// LeftOut is a column from which nothing can be learnt, and why.
type LeftOut struct {
	Column string `json:"column"`
	Why    string `json:"why"`
}

// FeatureStrength is a column and how much a model looks at it.
type FeatureStrength struct {
	Column string `json:"column"`
	// Strength is what Card.Strength says; nil where that is empty.
	Strength *float64 `json:"strength,omitempty"`
	// Permutation is how much the metric gets worse where the column's values stand in other rows
	// than their own, the mean over the repeats; Deviation is its standard deviation.
	Permutation float64 `json:"permutation"`
	Deviation   float64 `json:"deviation"`
}

// Dependence is how a model's answer depends on one column.
type Dependence struct {
	Column string            `json:"column"`
	Kind   Kind              `json:"kind"`
	Points []DependencePoint `json:"points"` // by value for numbers, else the most frequent first
}

// DependencePoint is the mean answer at a value: a number, for a date its seconds since 1970-01-01
// UTC, or the text of a category.
type DependencePoint struct {
	Number   *float64 `json:"number,omitempty"`
	Category *string  `json:"category,omitempty"`
	// Answer has one number for regression, else the mean probability of each of the card's classes.
	Answer []float64 `json:"answer"`
}
