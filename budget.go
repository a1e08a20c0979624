package bakeoff

import "time"

// Budgets bound what a model may take to answer. Zero means no bound.
type Budgets struct {
	P50, P95      time.Duration // for one row, at most
	RowsPerSecond float64       // in blocks of rows, at least
	Size          int64         // bytes of the artifact, at most
	Memory        int64         // resident bytes of the opened model, at most
}

// Timed reports whether a budget is about measured times.
func (b Budgets) Timed() bool { return b.P50 > 0 || b.P95 > 0 || b.RowsPerSecond > 0 }

// Speed is how fast an opened model answered the judge, and what it took. It is what the machine
// gave at that moment: of two nights that are alike in all else, only the times differ.
type Speed struct {
	P50 float64 `json:"p50_seconds"` // of rows asked for one by one: half took no longer
	P95 float64 `json:"p95_seconds"` // 19 of 20 took no longer
	// RowsTimed is how many rows were asked for one by one.
	RowsTimed     int     `json:"rows_timed"`
	RowsPerSecond float64 `json:"rows_per_second"` // in blocks of many rows
	// Memory is the resident memory of a predict command and all that it has started, or that of a
	// built-in learner's model; 0 where the system does not tell.
	Memory int64 `json:"memory_bytes,omitempty"`
}
