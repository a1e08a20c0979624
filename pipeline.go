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

	Schedule   *Schedule // nil where it only runs on demand
	Data       Data
	Candidates []Candidate
	Parallel   int // how many trials are built at once; 0: as many as the worker has slots
	AtLeast    int // how many candidates must be built for a verdict
	Judge      Judge
	Gate       Gate
	Deploy     []Hook
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
	Removed  *Removal  `json:"removed,omitempty"` // of a pipeline that is not there any more
	// Untold says that the text has no receivers, and Unhooked that it has no hooks: nothing is then
	// owed for a move of the champion. False where nobody has looked.
	Untold   bool `json:"untold,omitempty"`
	Unhooked bool `json:"unhooked,omitempty"`
}

// As returns the record with what is known once its text is understood.
func (f PipelineFile) As(p *Pipeline) PipelineFile {
	f.Untold, f.Unhooked = len(p.Notify) == 0, len(p.Deploy) == 0
	return f
}

// Removal says who removed a pipeline. Its runs and its model stay.
type Removal struct {
	By string    `json:"by"`
	At time.Time `json:"at"`
}

// Refusal is the error of who asks of a removed pipeline what only one that is there can do.
func (r Removal) Refusal(pipeline string) *Error {
	return Errorf(CodeNotFound, "pipeline %s was removed by %s on %s", pipeline, r.By, r.At.Format(time.DateOnly)).
		WithHint("`bakeoff history %s` and `bakeoff models %s` show what it has left; `bakeoff run FILE` or `bakeoff up FILE` brings it back", pipeline, pipeline)
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
	Weight  string       // the column that says how much a row counts in training; "" for one each
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
	Queue   string          `json:"queue,omitempty"` // whose workers build it; "" for QueueDefault
	Retry   Retry           `json:"retry,omitzero"`
	Search  *Search         `json:"search,omitempty"` // of parameters beside Params; nil for none
}

// Limits bound one attempt. Zero means no limit.
type Limits struct {
	Time   time.Duration `json:"time,omitempty"`
	Memory int64         `json:"memory,omitempty"` // bytes, of the trainer and all that it starts
}

// Retry says how often a trainer's own failure is tried again. A lost worker or a fault of ours is
// tried again in any case.
type Retry struct {
	Attempts int           `json:"attempts,omitempty"` // in all; 0 for one
	Backoff  time.Duration `json:"backoff,omitempty"`  // before the second, doubled before each later one
}

// Judge says what the leaderboard measures.
type Judge struct {
	Metric     string // the objective; "" for the learning task's default
	Also       []string
	Confidence float64 // of the intervals, between 0 and 1
	// Slices are feature columns by whose values the holdout is also judged in parts.
	Slices []string
}

// Gate lists what a challenger must pass to become the champion.
type Gate struct {
	// Floors are the least acceptable values by metric; for a metric where lower is better, the most.
	Floors map[string]float64
	Gain   Gain
	// Cooldown is how long after a move of the champion no run promotes; 0 for no time.
	Cooldown time.Duration `json:",omitempty"`
	// Approve has a person asked before a run promotes; nil where nobody is.
	Approve *Approval `json:",omitempty"`
	// SliceLoss is by how much a challenger may be worse than the champion in a slice; nil for any.
	SliceLoss *SliceLoss
	Budgets   Budgets
}

// SliceLoss is a bound on a loss of the objective metric, in its unit.
type SliceLoss struct {
	Margin   float64
	Relative bool // Margin is a share of the champion's value in the slice
}

// Gain is the improvement over the champion that a challenger must show, in the direction of the
// objective metric: one that the judge can tell from noise where Significant is set, else one by
// more than Margin. The zero value asks for any improvement.
type Gain struct {
	Significant bool
	Margin      float64
	Relative    bool // Margin is a share of the champion's value
}

// Receiver is where a notification goes: one of Slack, Webhook and Email.
type Receiver struct {
	Slack        string // the URL of an incoming webhook: a secret
	Webhook      string // a URL that takes a notification as JSON: a secret
	Secret       string // Webhook: the key of its signature; "" for none
	Email        *Email
	AllowPrivate bool // the host may have a loopback or private address, a URL may be http
}

// Email says how a notification is mailed.
type Email struct {
	To       []string
	From     string
	Host     string // of the SMTP server
	Port     int
	Username string
	Password string // a secret
	TLS      EmailTLS
}

// EmailTLS says how a connection to an SMTP server is secured.
type EmailTLS string

// The ways to secure a connection to an SMTP server.
const (
	EmailStartTLS EmailTLS = "starttls" // begun in clear, and no further without TLS
	EmailImplicit EmailTLS = "implicit" // TLS from the first byte
	EmailNoTLS    EmailTLS = "none"     // only with AllowPrivate
)

// Hook is something to be done after a model's champion has moved, for those who serve elsewhere:
// one of Webhook, Command and Copy.
type Hook struct {
	Webhook      string        // a URL that takes the deployment as JSON: a secret
	Secret       string        // Webhook: the key of its signature; "" for none
	AllowPrivate bool          // Webhook: as with a Receiver
	Command      []string      // an argv, run in the pipeline's folder
	Copy         string        // a folder, absolute, that is replaced by the artifact's files at once
	Time         time.Duration // how long one try may take
}

var nameForm = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,62}$`)

// ValidName reports whether s can name a pipeline or a candidate: 1 to 63 lower-case letters,
// digits, hyphens and underscores, the first a letter or a digit.
func ValidName(s string) bool { return nameForm.MatchString(s) }
