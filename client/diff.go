package client

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"github.com/bakeoffhq/bakeoff"
)

// Diff says what changed from one run of a pipeline to another.
type Diff struct {
	Pipeline string       `json:"pipeline"`
	Before   DiffRun      `json:"before"`
	After    DiffRun      `json:"after"`
	Data     DataDiff     `json:"data"`
	Text     string       `json:"text,omitempty" doc:"of the pipeline file, as a unified diff; none where it is the same"`
	Recipes  []RecipeDiff `json:"recipes" doc:"candidates that came, went or changed"`
	Scores   []ScoreDiff  `json:"scores" doc:"by the objective metric"`
	Unknown  []string     `json:"unknown" doc:"what could not be compared, and why"`
}

// DiffRun is one of the two runs of a Diff.
type DiffRun struct {
	Run      string               `json:"run"`
	Created  time.Time            `json:"created"`
	Verdict  bakeoff.Verdict      `json:"verdict"`
	Reason   string               `json:"reason"`
	Champion *bakeoff.ChampionRef `json:"champion,omitempty" doc:"the live version after the run"`
	Metric   string               `json:"metric,omitempty"`
	Revision bakeoff.Digest       `json:"revision"`
	Snapshot bakeoff.Digest       `json:"snapshot,omitempty"`
	Rows     *bakeoff.Rows        `json:"rows,omitempty"`
	Program  string               `json:"bakeoff,omitempty" doc:"version of the program"`
}

// DataDiff is what changed in the data of two runs.
type DataDiff struct {
	Same    bool         `json:"same" doc:"the same rows, to the last bit"`
	Columns []ColumnDiff `json:"columns" doc:"columns that came, went or changed"`
	Classes []ClassDiff  `json:"classes" doc:"shares of the judged rows, where the target is a class"`
	Other   []string     `json:"other" doc:"what else changed: target, identity, split; in sentences"`
}

// ColumnDiff is what changed in a column.
type ColumnDiff struct {
	Name   string       `json:"column"`
	Before bakeoff.Kind `json:"kind_before,omitempty" doc:"none for a column that came"`
	After  bakeoff.Kind `json:"kind_after,omitempty" doc:"none for a column that went"`
	// Came and Went are categories of the training rows.
	Came    []string `json:"categories_came,omitempty"`
	Went    []string `json:"categories_went,omitempty"`
	Missing string   `json:"missing,omitempty" enum:"came,went" doc:"whether missing values came into the training rows, or went"`
}

// ClassDiff is the share of a class in the judged rows of two runs.
type ClassDiff struct {
	Class  string   `json:"class"`
	Before *float64 `json:"before" doc:"none for a class that came"`
	After  *float64 `json:"after" doc:"none for a class that went"`
}

// RecipeDiff is what changed in a candidate.
type RecipeDiff struct {
	Candidate string             `json:"candidate"`
	Before    *bakeoff.Candidate `json:"before,omitempty" doc:"none for one that came"`
	After     *bakeoff.Candidate `json:"after,omitempty" doc:"none for one that went"`
	Changed   []string           `json:"changed,omitempty" doc:"such as params.trees: 100 -> 200"`
}

// ScoreDiff is how a contestant did in two runs.
type ScoreDiff struct {
	Candidate string       `json:"candidate"`
	Role      bakeoff.Role `json:"role"`
	Before    *Score       `json:"before,omitempty" doc:"none where it was not ranked"`
	After     *Score       `json:"after,omitempty"`
	Change    *float64     `json:"change,omitempty" doc:"in the metric's unit: after less before"`
	// Within says that the change is no more than the rows explain: each value is within the other's interval.
	Within bool `json:"within_intervals"`
}

// Score is a value of the objective metric with its interval.
type Score struct {
	Value    float64     `json:"value"`
	Interval *[2]float64 `json:"interval,omitempty"`
	Rank     int         `json:"rank"`
	Version  int         `json:"version,omitempty" doc:"of the champion"`
}

// Diff says what changed from the run before to the run after; "" for the run of the same pipeline that
// was before it.
func (c *Client) Diff(ctx context.Context, before, after string) (Diff, error) {
	p := path("runs", after, "diff")
	if before != "" {
		p += "?" + url.Values{"with": {before}}.Encode()
	}
	return ask[Diff](ctx, c, http.MethodGet, p, nil)
}
