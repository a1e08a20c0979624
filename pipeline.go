package bakeoff

import (
	"encoding/json"
	"regexp"
	"time"
)

// Pipeline is one declared recipe: a pipeline file, parsed, with its defaults filled in.
type Pipeline struct {
	Name     string
	Revision Digest // of the file's text
	Dir      string // the folder of the file; relative paths in it start there

	Data       Data
	Candidates []Candidate
	Parallel   int // how many trials are built at once; 0: as many as the worker has slots
	AtLeast    int // how many candidates must be built for a verdict
	Judge      Judge
	Gate       Gate
	Notify     []Receiver
}

// PipelineFile is a revision of a pipeline file as it is kept: the text as written, in which the
// names of variables stand and not their values.
type PipelineFile struct {
	Name     string    `json:"pipeline"`
	Revision Digest    `json:"revision"`
	Path     string    `json:"path"`
	Text     string    `json:"text"`
	Applied  time.Time `json:"applied"`
}

// Candidate returns the candidate of that name.
func (p *Pipeline) Candidate(name string) (Candidate, bool) {
	for _, c := range p.Candidates {
		if c.Name == name {
			return c, true
		}
	}
	return Candidate{}, false
}

// Data says which rows a pipeline learns from.
type Data struct {
	Source  string // a file; absolute, or relative to the pipeline's folder
	Target  string
	Task    LearningTask // "" to infer it from the target
	Key     string       // the column that identifies a row; "" for the feature columns
	Columns map[string]Kind
	Ignore  []string
	Missing []string // texts that mean a missing value, beside the built-in ones
	Split   Split
}

// TrainerCommand is the trainer that is not a built-in learner: the user's own command.
const TrainerCommand = "command"

// Candidate is one competing recipe of a pipeline.
type Candidate struct {
	Name    string          `json:"name"`
	Trainer string          `json:"trainer"`          // a built-in learner's name or TrainerCommand
	Params  json.RawMessage `json:"params,omitempty"` // a JSON object, keys sorted; nil where none are set
	Build   []string        `json:"build,omitempty"`  // TrainerCommand: the argv that builds
	Predict []string        `json:"predict,omitempty"`
	Limits  Limits          `json:"limits,omitzero"`
}

// Limits bound one attempt. Zero means no limit.
type Limits struct {
	Time time.Duration `json:"time,omitempty"`
}

// Judge says what the leaderboard measures.
type Judge struct {
	Metric     string // the objective; "" for the learning task's default
	Also       []string
	Confidence float64 // of the intervals, between 0 and 1
}

// Gate lists what a challenger must pass to become the champion.
type Gate struct {
	// Floors are the least acceptable values by metric; for a metric where lower is better, the most.
	Floors map[string]float64
	Gain   Gain
}

// Gain is the improvement over the champion that a challenger must exceed, in the direction of
// the objective metric. The zero value asks for any improvement.
type Gain struct {
	Margin   float64
	Relative bool // Margin is a share of the champion's value
}

// Receiver is where a notification goes.
type Receiver struct {
	Slack        string // the URL of an incoming webhook: a secret
	AllowPrivate bool   // the URL may lead to a loopback or private address
}

var nameForm = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,62}$`)

// ValidName reports whether s can name a pipeline or a candidate: 1 to 63 lower-case letters,
// digits, hyphens and underscores, the first a letter or a digit.
func ValidName(s string) bool { return nameForm.MatchString(s) }
