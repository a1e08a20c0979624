package cli

import (
	"fmt"
	"time"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/plain"
)

// usesInWords says how often a run's holdout has decided; "" where it was the first time.
func usesInWords(r *bakeoff.Report, zone *time.Location) string {
	u := r.Holdout
	if u == nil || u.Uses < 2 {
		return ""
	}
	return fmt.Sprintf("This holdout has decided %s times since %s.", plain.Count(u.Uses), moment(u.Since, zone))
}

// holdoutSentences tell how often the holdout has decided and, where that is often, what to do.
func holdoutSentences(r *bakeoff.Report, zone *time.Location) []string {
	line := usesInWords(r, zone)
	if line == "" {
		return nil
	}
	if advice := r.Holdout.Advice(); advice != "" {
		return []string{line, advice}
	}
	return []string{line}
}
