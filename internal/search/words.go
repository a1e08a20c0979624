package search

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/plain"
)

// InWords says for a person what was tried and chosen, in a clause about the contestant: "best of 20
// settings (random, 3 folds), with learning_rate 0.05: ...".
func InWords(s *bakeoff.Searched) string {
	tried := fmt.Sprintf("%d settings", s.Tried)
	if s.CutShort {
		tried = fmt.Sprintf("%d of %d settings, for the deadline was near", s.Tried, s.Settings)
	}
	how := fmt.Sprintf("%s (%s, %d folds, %.1f s%s)", tried, plain.Line(string(s.Method)), s.Folds, s.Seconds, failedInWords(s))
	switch {
	case s.Params == nil && s.Tried > 0 && s.Failed == s.Tried:
		return fmt.Sprintf("all of %s failed", how)
	case s.Params == nil:
		return fmt.Sprintf("nothing was chosen of %s", how)
	case s.Best == 1:
		return fmt.Sprintf("its own parameters are the best of %s: %s", how, scoreInWords(s))
	}
	line := fmt.Sprintf("best of %s, with %s: %s", how, paramsInWords(s.Params), scoreInWords(s))
	if s.Own != nil {
		line += fmt.Sprintf("; with its own parameters %s", plain.Value(*s.Own))
	}
	return line
}

func failedInWords(s *bakeoff.Searched) string {
	if s.Failed == 0 || s.Failed == s.Tried {
		return ""
	}
	return fmt.Sprintf(", %d failed", s.Failed)
}

func scoreInWords(s *bakeoff.Searched) string {
	return fmt.Sprintf("%s %s inside the training rows, folds spread by %s", plain.Line(s.Metric), plain.Value(s.Score), plain.Value(s.Spread))
}

// paramsInWords lists parameters by name.
func paramsInWords(params json.RawMessage) string {
	d := json.NewDecoder(bytes.NewReader(params))
	d.UseNumber()
	var values map[string]any
	if d.Decode(&values) != nil || len(values) == 0 {
		return "no parameters"
	}
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(values)) {
		value, err := json.Marshal(values[name]) // as a file would say it
		if err != nil {
			panic(err) // it has just been decoded
		}
		parts = append(parts, plain.Line(name+" "+strings.Trim(string(value), `"`)))
	}
	return strings.Join(parts, ", ")
}
