package cli

import (
	"fmt"
	"io"
	"slices"
	"strconv"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/plain"
	"github.com/bakeoffhq/bakeoff/internal/search"
)

// writeSearches says what the searches of a pipeline come to: the seed is that of the split.
func writeSearches(w io.Writer, p *bakeoff.Pipeline) {
	for _, c := range p.Candidates {
		if c.Search == nil {
			continue
		}
		n := len(search.Settings(c, p.Data.Split.Seed))
		rungs := ""
		if c.Search.Method == bakeoff.SearchHalving {
			rungs = fmt.Sprintf(", of which one of %d goes on to more rows", c.Search.Factor)
		}
		_, _ = fmt.Fprintf(w, "search      %s: %s (%s%s), each on %d folds of the training rows\n", c.Name, counted(n, "setting"), c.Search.Method, rungs, c.Search.Folds)
	}
}

// searched reports whether parameters of some contestant were searched for.
func searched(r *bakeoff.Report) bool {
	return slices.ContainsFunc(r.Leaderboard, func(row bakeoff.LeaderboardRow) bool { return row.Search != nil })
}

// triedCell says how many settings a contestant is the best of.
func triedCell(s *bakeoff.Searched) string {
	if s == nil {
		return "-"
	}
	return strconv.Itoa(s.Tried)
}

// searchesInWords says of each contestant whose parameters were searched for what was tried and chosen.
func searchesInWords(r *bakeoff.Report) []string {
	var lines []string
	for i := range r.Leaderboard {
		row := &r.Leaderboard[i]
		if row.Search == nil {
			continue
		}
		lines = append(lines, plain.Line(row.Candidate)+": "+search.InWords(row.Search))
		if note := plain.Line(row.Search.Note); note != "" {
			lines = append(lines, plain.Line(row.Candidate)+": "+note)
		}
	}
	return lines
}

// searchSentences tell which parameters were searched for, and that the holdout was not asked.
func searchSentences(r *bakeoff.Report) []string {
	lines := searchesInWords(r)
	for i := range lines {
		lines[i] = sentence(lines[i])
	}
	if len(lines) > 0 {
		lines = append(lines, "A search sees the training rows alone: whatever it has tried, each candidate enters the leaderboard once.")
	}
	return lines
}
