package search

import "github.com/bakeoffhq/bakeoff"

// leastRows is how many training rows the first rung of a halving search has at least: fewer would
// choose by luck.
const leastRows = 500

// rungs is how many rungs a search has that goes on with one setting of factor, on factor times the
// rows: as many as it takes until no more than factor are left beside the candidate's own parameters, and
// no more than the rows allow for.
func rungs(settings, factor, rows int) int {
	n := 1
	for left := settings - 1; left > factor && share(factor, n)*float64(rows) >= leastRows; n++ {
		left = kept(left, factor)
	}
	return n
}

// kept is how many of some settings go on.
func kept(settings, factor int) int { return (settings + factor - 1) / factor }

// Share is the share of the training rows on which the settings of a rung are scored.
func Share(s bakeoff.Searching, rung int) float64 {
	if s.Factor == 0 {
		return 1
	}
	return share(s.Factor, s.Rungs-rung)
}

// share divides once, which every processor does alike.
func share(factor, rungsToCome int) float64 {
	parts := 1.0
	for range rungsToCome {
		parts *= float64(factor)
	}
	return 1 / parts
}
