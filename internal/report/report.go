// Package report turns a run, and what its contestants answered, into one page that needs nothing
// else: no server, no script, no other file. It can be mailed, kept and printed, and follows the
// reader's theme.
//
// What a page cannot show, since it is not kept any more or does not fit the target, it says in words.
package report

import (
	"context"
	"crypto/sha256"
	_ "embed" // for the style
	"encoding/base64"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/chart"
	"github.com/bakeoffhq/bakeoff/internal/score"
)

// Page is what a report is made of. Nothing but Report has to be there.
type Page struct {
	Report bakeoff.Report
	Task   bakeoff.LearningTask
	Target string
	// Labels are those of the rows that were judged, and Contestants who answered them.
	Labels      bakeoff.Labels
	Contestants []Contestant
	// Unanswered says in a sentence why there are no labels and answers; "" where there are.
	Unanswered string
	Importance []Importance
	// Cards are those of the models that Importance is about, as far as they have one.
	Cards  []Described
	Origin Origin
}

// Described is a contestant with the card of its artifact.
type Described struct {
	Candidate string
	Role      bakeoff.Role
	Version   int
	Card      bakeoff.Card
}

// Contestant is a row of the leaderboard and its answers for the judged rows.
type Contestant struct {
	Candidate   string
	Role        bakeoff.Role
	Version     int                  // of the champion
	Predictions *bakeoff.Predictions // nil where it gave none
}

// Importance is what the columns are worth to a contestant.
type Importance struct {
	Candidate string
	Role      bakeoff.Role
	Version   int
	Columns   []score.Importance // the most important first
	Rows      int                // that it was measured on
	// Unmeasured says in a clause why there are no columns; "" where there are.
	Unmeasured string
}

// Origin is what it takes to build the run's models again.
type Origin struct {
	Seed    uint64
	Split   bakeoff.Split
	Program string // the version that wrote the page
}

//go:embed page.css
var pageCSS string

// style are the rules of the page. They are the only ones that a browser takes: their digest is in
// the policy.
var style = strings.TrimSpace(pageCSS + chart.CSS)

var policy = fmt.Sprintf("default-src 'none'; style-src 'sha256-%s'; base-uri 'none'; form-action 'none'", digest(style))

// Policy is the Content-Security-Policy under which a page is served: nothing is loaded, nothing runs,
// nobody frames it.
func Policy() string { return policy + "; frame-ancestors 'none'; sandbox" }

func digest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// Write writes the page. The same page gives the same bytes.
func Write(ctx context.Context, w io.Writer, p Page) error {
	v := viewOf(p)
	if err := page(v).Render(ctx, w); err != nil {
		return fmt.Errorf("write the report of %s: %w", p.Report.Run, err)
	}
	return nil
}

// moment writes a time for readers in any zone.
func moment(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }
