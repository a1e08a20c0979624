package bakeoff

import "time"

// WorkerState says whether a worker can be counted on.
type WorkerState string

// The states of a worker.
const (
	WorkerUp       WorkerState = "up"
	WorkerDraining WorkerState = "draining" // it ends its work and takes no more
	WorkerLost     WorkerState = "lost"     // no heartbeat for 15 s
)

// WorkerInfo is a worker as its node knows it.
type WorkerInfo struct {
	Name    string      `json:"worker"`
	Host    string      `json:"host"`
	PID     int         `json:"pid"`
	Version string      `json:"version"`
	Queues  []string    `json:"queues"`
	Slots   int         `json:"slots"`
	Joined  bool        `json:"joined"` // from another process
	State   WorkerState `json:"state"`
	Since   time.Time   `json:"since"`
	Beat    time.Time   `json:"beat"` // when its last heartbeat arrived, by this node's clock
	// Skew is how many seconds its clock is ahead of this node's.
	Skew float64 `json:"clock_skew_seconds,omitempty"`
	Work []Work  `json:"work"`
}

// Work is a task that a worker is at.
type Work struct {
	Task    Task      `json:"task"`
	Attempt int       `json:"attempt"`
	Since   time.Time `json:"since"`
}

// Serving is which version of a model a predicting node answers with.
type Serving struct {
	Node    string    `json:"node"`
	Model   string    `json:"model"`
	Version int       `json:"version"` // 0 while it has none
	Wanted  int       `json:"wanted"`  // the champion that it knows of
	Loaded  time.Time `json:"loaded,omitzero"`
	Beat    time.Time `json:"beat"` // when it last said so
	// Refused says why it does not serve the wanted version.
	Refused string `json:"refused,omitempty"`
}

// Scope is what a token allows. Each scope includes those before it, but ScopeWork, which stands apart.
type Scope string

// The scopes.
const (
	ScopePredict Scope = "predict" // ask for predictions
	ScopeRead    Scope = "read"    // look at everything but secrets
	ScopeAdmin   Scope = "admin"   // act
	ScopeWork    Scope = "work"    // join as a worker
)

// Allows reports whether a token of scope s may do what asks for the other scope.
func (s Scope) Allows(other Scope) bool {
	rank := map[Scope]int{ScopePredict: 1, ScopeRead: 2, ScopeAdmin: 3}
	return s == other || rank[s] > rank[other] && rank[other] > 0
}

// Token is a key to a node as it is stored: without its secret.
type Token struct {
	Name    string    `json:"name"`
	Scope   Scope     `json:"scope"`
	Queues  []string  `json:"queues,omitempty"` // ScopeWork: the queues it may serve; none for all
	Hash    Digest    `json:"hash"`             // of the secret
	Created time.Time `json:"created"`
	By      string    `json:"by"`
}
