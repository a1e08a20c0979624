package dataset

import (
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/bakeoffhq/bakeoff"
)

// maxInteger is the integer below which a float64 holds every one.
const maxInteger = 1 << 53

// missingTexts are the user's texts for a missing value, beside the built-in ones.
type missingTexts map[string]bool

func newMissingTexts(texts []string) missingTexts {
	m := make(missingTexts, len(texts))
	for _, t := range texts {
		m[strings.TrimSpace(t)] = true
	}
	return m
}

func (m missingTexts) has(cell string) bool { return missingText(cell) || len(m) > 0 && m[cell] }

// missingText reports whether every source takes the cell for a missing value.
func missingText(cell string) bool {
	switch cell {
	case "", "?", "NA", "na", "Na", "NaN", "nan", "NAN", "Nan", "null", "NULL", "Null":
		return true
	}
	return false
}

// MissingCell reports whether every source takes the text of a cell, without space around it, for a
// missing value.
func MissingCell(cell string) bool { return missingText(cell) }

// ParseCell returns what a column of the kind, not category, holds for the text of a cell that is
// not missing; false for a text that is of another kind. It may be infinite, which a column does
// not hold.
func ParseCell(kind bakeoff.Kind, cell string) (float64, bool) { return reading(kind)(cell) }

// parser turns a cell into the float64 that a column of some kind holds. It may return an infinity,
// which a column does not hold.
type parser func(cell string) (float64, bool)

// inferring returns what a cell must be for inference to take its column for the kind.
func inferring(kind bakeoff.Kind) parser {
	switch kind {
	case bakeoff.KindBoolean:
		return parseTrueFalse
	case bakeoff.KindInteger:
		return inferInteger
	case bakeoff.KindNumber:
		return inferNumber
	case bakeoff.KindDate:
		return parseDate
	}
	return nil
}

// reading returns what a cell may be in a column whose kind is known; it is more lenient.
func reading(kind bakeoff.Kind) parser {
	switch kind {
	case bakeoff.KindBoolean:
		return parseBoolean
	case bakeoff.KindInteger:
		return parseInteger
	case bakeoff.KindNumber:
		return parseFinite
	case bakeoff.KindDate:
		return parseDate
	}
	return nil
}

// wanted says in words what a cell of the kind must be.
func wanted(kind bakeoff.Kind) string {
	switch kind {
	case bakeoff.KindBoolean:
		return "true or false is wanted"
	case bakeoff.KindInteger:
		return "an integer is wanted"
	case bakeoff.KindDate:
		return "a date like 2006-01-02 or 2006-01-02T15:04:05Z is wanted"
	}
	return "a number is wanted"
}

func parseTrueFalse(cell string) (float64, bool) {
	switch {
	case len(cell) == 4 && strings.EqualFold(cell, "true"):
		return 1, true
	case len(cell) == 5 && strings.EqualFold(cell, "false"):
		return 0, true
	}
	return 0, false
}

func parseBoolean(cell string) (float64, bool) {
	switch strings.ToLower(cell) {
	case "true", "yes", "1":
		return 1, true
	case "false", "no", "0":
		return 0, true
	}
	return 0, false
}

// inferInteger refuses leading zeros: 02134 is a code, which loses its meaning as a number.
func inferInteger(cell string) (float64, bool) {
	v, form, ok := parseNumber(cell)
	return v, ok && form.integer && !form.zeros && math.Abs(v) < maxInteger
}

func inferNumber(cell string) (float64, bool) {
	v, form, ok := parseNumber(cell)
	return v, ok && !form.zeros
}

func parseFinite(cell string) (float64, bool) {
	v, _, ok := parseNumber(cell)
	return v, ok
}

// parseInteger also takes a number like 3.0 or 1e5.
func parseInteger(cell string) (float64, bool) {
	v, _, ok := parseNumber(cell)
	return v, ok && (math.IsInf(v, 0) || v == math.Trunc(v) && math.Abs(v) < maxInteger)
}

// numberForm says how a number was written.
type numberForm struct {
	integer bool // neither point nor exponent
	zeros   bool // a zero before other digits of the whole part
}

// parseNumber reads a decimal number, with sign, point and exponent as strconv.ParseFloat takes
// them, or a text for infinity. A number too large for a float64 is infinite. Hexadecimal and
// underscores are no numbers in a data file.
func parseNumber(cell string) (float64, numberForm, bool) {
	d, ok := scanDecimal(cell)
	if !ok {
		v, ok := parseInfinity(cell)
		return v, numberForm{}, ok
	}
	if d.mantissa < maxInteger && !d.cut && -22 <= d.exponent && d.exponent <= 22 {
		return d.exact(), d.form, true
	}
	v, _ := strconv.ParseFloat(cell, 64) // the only error left is the range, which makes v infinite
	return v + 0, d.form, true
}

// decimal is a scanned number: mantissa times ten to the exponent.
type decimal struct {
	mantissa uint64
	exponent int
	negative bool
	cut      bool // the mantissa has more digits than fit
	form     numberForm
}

// powers are the powers of ten that a float64 holds exactly.
var powers = [...]float64{
	1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11,
	1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
}

// exact returns the value where mantissa and power are both exact: one rounding, so the nearest
// float64 (Clinger 1990, the fast path).
func (d decimal) exact() float64 {
	v := float64(d.mantissa)
	if d.exponent < 0 {
		v /= powers[-d.exponent]
	} else {
		v *= powers[d.exponent]
	}
	if d.negative {
		v = -v
	}
	return v + 0 // no negative zero
}

func scanDecimal(s string) (d decimal, ok bool) {
	i := 0
	if i < len(s) && (s[i] == '+' || s[i] == '-') {
		d.negative = s[i] == '-'
		i++
	}
	start := i
	i = d.scanDigits(s, i)
	whole := i - start
	d.form = numberForm{integer: true, zeros: whole > 1 && s[start] == '0'}
	fraction := 0
	if i < len(s) && s[i] == '.' {
		d.form.integer = false
		start = i + 1
		i = d.scanDigits(s, start)
		fraction = i - start
	}
	if whole+fraction == 0 {
		return d, false
	}
	d.exponent = -fraction
	if i < len(s) && (s[i] == 'e' || s[i] == 'E') {
		d.form.integer = false
		return d, d.scanExponent(s[i+1:])
	}
	return d, i == len(s)
}

// scanDigits adds the digits from i on to the mantissa and returns where they end.
func (d *decimal) scanDigits(s string, i int) int {
	for ; i < len(s) && '0' <= s[i] && s[i] <= '9'; i++ {
		if d.mantissa >= maxInteger {
			d.cut = true
			continue
		}
		d.mantissa = d.mantissa*10 + uint64(s[i]-'0')
	}
	return i
}

func (d *decimal) scanExponent(s string) bool {
	digits := s
	if s != "" && (s[0] == '+' || s[0] == '-') {
		digits = s[1:]
	}
	if digits == "" {
		return false
	}
	e := 0
	for i := range len(digits) {
		if digits[i] < '0' || digits[i] > '9' {
			return false
		}
		e = min(e*10+int(digits[i]-'0'), 10_000) // far beyond the range of a float64
	}
	if s[0] == '-' {
		e = -e
	}
	d.exponent += e
	return true
}

func parseInfinity(cell string) (float64, bool) {
	text, sign := cell, 1
	if cell != "" && (cell[0] == '+' || cell[0] == '-') {
		text = cell[1:]
		if cell[0] == '-' {
			sign = -1
		}
	}
	if strings.EqualFold(text, "inf") || strings.EqualFold(text, "infinity") {
		return math.Inf(sign), true
	}
	return 0, false
}

// dateForms are the layouts of a date by what follows its first ten bytes.
var dateForms = []string{
	"2006-01-02T15:04:05Z07:00", "2006-01-02T15:04:05", "2006-01-02T15:04Z07:00", "2006-01-02T15:04",
	"2006-01-02T15:04:05Z0700", "2006-01-02T15:04:05 Z07:00",
}

// parseDate reads an RFC 3339 date or date-time, with T or a space between; seconds and zone may be
// left out, and without a zone it is UTC. The value is in seconds since 1970-01-01 UTC, to the microsecond.
func parseDate(cell string) (float64, bool) {
	if len(cell) < len("2006-01-02") || cell[4] != '-' || cell[7] != '-' {
		return 0, false
	}
	if len(cell) == len("2006-01-02") {
		t, err := time.Parse(time.DateOnly, cell)
		return float64(t.Unix()), err == nil
	}
	if cell[10] == ' ' || cell[10] == 't' {
		cell = cell[:10] + "T" + cell[11:]
	}
	for _, form := range dateForms {
		if t, err := time.Parse(form, cell); err == nil {
			return secondsOf(t.UnixMicro()), true
		}
	}
	return 0, false
}

// secondsOf and microsOf convert between a date column's seconds and whole microseconds, without
// loss for what parseDate returns.
func secondsOf(micros int64) float64 {
	return float64(micros/1e6) + float64(micros%1e6)/1e6
}

func microsOf(seconds float64) int64 {
	whole := math.Floor(seconds)
	return int64(whole)*1e6 + int64(math.Round((seconds-whole)*1e6))
}

// formatValue returns the canonical text of a value of a kind other than category.
func formatValue(kind bakeoff.Kind, v float64) string {
	switch {
	case kind == bakeoff.KindBoolean:
		return strconv.FormatBool(v != 0)
	case kind == bakeoff.KindDate:
		return formatDate(v)
	case v == math.Trunc(v) && math.Abs(v) < 1e15 || kind == bakeoff.KindInteger:
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
	return strconv.FormatFloat(v, 'g', -1, 64)
}

// formatDate returns a date alone where the time is midnight UTC, else a date-time.
func formatDate(seconds float64) string {
	t := time.UnixMicro(microsOf(seconds)).UTC()
	if t.Equal(t.Truncate(24 * time.Hour)) {
		return t.Format(time.DateOnly)
	}
	return t.Format(time.RFC3339Nano)
}
