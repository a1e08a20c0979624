package search

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"

	"github.com/cespare/xxhash/v2"

	"github.com/bakeoffhq/bakeoff"
)

// Settings returns the parameters that a candidate's search tries, each a JSON object with all that the
// trainer is given: the candidate's own first, then every combination of a grid, or what is drawn for
// the candidate's name and the seed. No two are alike; where there are fewer combinations than the
// search asks for, there are fewer settings.
func Settings(c bakeoff.Candidate, seed uint64) []json.RawMessage {
	fixed := object(c.Params)
	all := []json.RawMessage{merge(fixed, nil)}
	if c.Search.Method == bakeoff.SearchGrid {
		for _, point := range grid(c.Search.Params) {
			if !isDefault(point) {
				all = append(all, merge(fixed, point))
			}
		}
		return all
	}
	rng := newDraw(c.Name, seed)
	seen := map[string]bool{}
	for misses := 0; len(all) < c.Search.Settings && misses < maxMisses; misses++ {
		point := rng.point(c.Search.Params)
		if text := string(merge(nil, point)); !isDefault(point) && !seen[text] {
			seen[text], misses = true, 0
			all = append(all, merge(fixed, point))
		}
	}
	return all
}

// maxMisses is how often in a row something may be drawn that was drawn before: by then, nearly all that
// there is has been.
const maxMisses = 1000

// Combinations counts those of a grid, and stops counting beyond MaxSettings.
func Combinations(space []bakeoff.Dimension) int {
	n := 1
	for _, d := range space {
		if n *= max(1, len(d.Values)); n > MaxSettings {
			return n
		}
	}
	return n
}

// value is one parameter of a setting.
type value struct {
	of   *bakeoff.Dimension
	text json.RawMessage
}

// grid returns every combination, the last parameter varying fastest.
func grid(space []bakeoff.Dimension) [][]value {
	points := [][]value{nil}
	for i := range space {
		var longer [][]value
		for _, p := range points {
			for _, v := range space[i].Values {
				longer = append(longer, append(slices.Clip(p), value{&space[i], v}))
			}
		}
		points = longer
	}
	return points
}

// isDefault reports whether a setting is what the candidate has without the search.
func isDefault(point []value) bool {
	return !slices.ContainsFunc(point, func(v value) bool { return !same(v.text, v.of.Default) })
}

// same reports whether two texts of JSON are the same value: 1 and 1.0 are.
func same(a, b json.RawMessage) bool {
	var x, y any
	if json.Unmarshal(a, &x) != nil || json.Unmarshal(b, &y) != nil {
		return false
	}
	switch x.(type) {
	case float64, bool, string, nil:
		return x == y
	}
	return string(a) == string(b)
}

func object(params json.RawMessage) map[string]json.RawMessage {
	m := map[string]json.RawMessage{}
	_ = json.Unmarshal(params, &m) // an object, or nothing
	return m
}

// merge returns the fixed parameters and those of a setting as one object, its keys sorted.
func merge(fixed map[string]json.RawMessage, point []value) json.RawMessage {
	m := map[string]json.RawMessage{}
	for name, v := range fixed {
		m[name] = v
	}
	for _, v := range point {
		m[v.of.Name] = v.text
	}
	text, err := json.Marshal(m)
	if err != nil {
		panic(err) // every value was read from JSON, or written by number
	}
	return text
}

// draw draws settings. It takes no more from the library than 64 random bits at a time, so that what is
// drawn stays the same from one version of it to the next.
type draw struct{ source *rand.PCG }

func newDraw(candidate string, seed uint64) draw {
	return draw{rand.NewPCG(seed, xxhash.Sum64String("search "+candidate))}
}

// unit returns a number from 0 up to but not including 1.
func (d draw) unit() float64 { return float64(d.source.Uint64()>>11) / (1 << 53) }

func (d draw) point(space []bakeoff.Dimension) []value {
	point := make([]value, len(space))
	for i := range space {
		point[i] = value{&space[i], d.value(space[i])}
	}
	return point
}

func (d draw) value(of bakeoff.Dimension) json.RawMessage {
	u := d.unit()
	if n := len(of.Values); n > 0 {
		return of.Values[min(int(u*float64(n)), n-1)]
	}
	from, to := of.From, of.To
	switch {
	case of.Log:
		from, to = math.Log(from), math.Log(to)
	case of.Whole:
		to++ // each number alike
	}
	v := from + float64(u*(to-from)) // in two steps on every processor
	if of.Log {
		v = math.Exp(v)
	}
	if of.Whole && of.Log {
		v = math.Round(v)
	} else if of.Whole {
		v = math.Floor(v)
	}
	return number(min(max(rounded(v, of.Whole), of.From), of.To))
}

// rounded keeps four digits: what a person can read, and the same on processors whose logarithms differ
// in the last of sixteen.
func rounded(v float64, whole bool) float64 {
	if whole {
		return v
	}
	r, err := strconv.ParseFloat(strconv.FormatFloat(v, 'g', 4, 64), 64)
	if err != nil {
		return v
	}
	return r
}

func number(v float64) json.RawMessage {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err) // between two bounds that are finite
	}
	return text
}
