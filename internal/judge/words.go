package judge

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/bakeoffhq/bakeoff"
)

// number writes v with so many significant digits and no trailing zeros.
func number(v float64, digits int) string {
	rounded, err := strconv.ParseFloat(strconv.FormatFloat(v, 'e', digits-1, 64), 64)
	if err != nil { // it rounds beyond the largest number
		rounded = v
	}
	if size := math.Abs(rounded); size != 0 && (size < 1e-6 || size >= 1e15) {
		return strconv.FormatFloat(rounded, 'g', -1, 64)
	}
	return strconv.FormatFloat(rounded, 'f', -1, 64)
}

// pair writes two numbers with four significant digits, or with as many more, up to twelve, as it
// takes to see that they differ.
func pair(a, b float64) (string, string) {
	for digits := 4; ; digits++ {
		x, y := number(a, digits), number(b, digits)
		if x != y || a == b || digits == 12 {
			return x, y
		}
	}
}

// lead writes the distance between two values of the objective, and the margin that is asked, in
// the same unit: per cent of the champion's value for a relative margin, points for a share.
func (b *board) lead(g bakeoff.Gain, best, champion float64) (distance, margin string) {
	d, unit := math.Abs(best-champion), ""
	limit := g.Margin
	switch {
	case g.Relative && champion != 0:
		d, limit, unit = 100*d/math.Abs(champion), 100*limit, " %"
	case b.metrics.objective.Unit():
		d, limit, unit = 100*d, 100*limit, " pt"
	}
	distance, margin = pair(d, limit)
	return distance + unit, margin + unit
}

// held says who keeps the champion where it is.
func held(h bakeoff.Hold) string {
	var details []string
	if !h.Since.IsZero() {
		details = append(details, h.Since.UTC().Format("2006-01-02"))
	}
	if why := oneLine(h.Why); why != "" {
		details = append(details, why)
	}
	act := "rollback"
	if strings.HasPrefix(h.Why, "promotion") { // as the registry writes it
		act = "promotion"
	}
	if len(details) == 0 {
		return fmt.Sprintf("held since the %s by %s", act, h.By)
	}
	return fmt.Sprintf("held since the %s by %s (%s)", act, h.By, strings.Join(details, ", "))
}

// count says how many candidates were.
func count(n int) string {
	switch n {
	case 0:
		return "no candidate was"
	case 1:
		return "1 candidate was"
	}
	return strconv.Itoa(n) + " candidates were"
}

// maxQuoted bounds, in runes, what a sentence quotes.
const maxQuoted = 300

// oneLine makes a text fit into a sentence: white space becomes single spaces, and a long text is
// cut.
func oneLine(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	if utf8.RuneCountInString(text) <= maxQuoted {
		return text
	}
	return string([]rune(text)[:maxQuoted]) + "…"
}
