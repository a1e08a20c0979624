package spec

import (
	"math"
	"strconv"
	"strings"
	"time"
)

// duration reads a positive duration; the hint is for one that is not positive.
func (d *decoder) duration(n *node, what, hint string) time.Duration {
	if n == nil || n.bad {
		return 0
	}
	v, ok := parseDuration(n.text)
	switch {
	case !ok:
		d.node(n, "", "%s is not %s", n.shown(), durationForm)
	case v <= 0:
		d.node(n, hint, "the %s %s is not positive", what, n.shown())
	}
	return v
}

// parseDuration reads a duration as time.ParseDuration does, with weeks of seven days and days of 24
// hours before the other units: 4w, 2d, 1w3d, 1d12h.
func parseDuration(text string) (time.Duration, bool) {
	const day = 24 * time.Hour
	for _, unit := range []struct {
		name string
		long time.Duration
	}{{"w", 7 * day}, {"d", day}} {
		number, rest, ok := strings.Cut(text, unit.name)
		if !ok {
			continue
		}
		count, _, ok := quantity(number, "")
		if !ok || count > float64(math.MaxInt64/4/unit.long) || count < 0 {
			return 0, false
		}
		v := time.Duration(count * float64(unit.long))
		if rest == "" {
			return v, true
		}
		// A sign or a second count of the unit has no place behind the first.
		more, ok := parseDuration(rest)
		if !ok || more < 0 || more > math.MaxInt64/4 || rest[0] == '+' || rest[0] == '-' || strings.Contains(rest, unit.name) {
			return 0, false
		}
		return v + more, true
	}
	v, err := time.ParseDuration(text)
	return v, err == nil
}

// The units of a size, by the exponents of two and ten that everybody else uses for them.
var sizeUnits = map[string]float64{
	"B": 1, "KB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12,
	"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40,
}

const (
	minMemory = 16 << 20
	maxMemory = 1 << 50
)

// memory reads the size of a memory limit.
func (d *decoder) memory(n *node) int64 {
	v, ok := d.bytes(n)
	switch {
	case !ok:
		return 0
	case v < minMemory:
		d.node(n, "leave it out for no limit", "the memory limit %s is less than 16MiB, in which no trainer can run", n.shown())
		return 0
	case v > maxMemory:
		d.node(n, "leave it out for no limit", "the memory limit %s is more than 1024TiB", n.shown())
		return 0
	}
	return int64(v)
}

// bytes reads a size; false where there is none, or none that can be read.
func (d *decoder) bytes(n *node) (float64, bool) {
	if n == nil || n.bad {
		return 0, false
	}
	number, unit := splitUnit(n.text)
	v, _, ok := quantity(number, "")
	scale := sizeUnits[unit]
	if !ok || scale == 0 {
		hint := ""
		if u := sizeUnit(unit); ok && u != "" && !n.variable() {
			hint = "did you mean " + strconv.Quote(number+u) + "?"
		}
		d.node(n, hint, "%s is not %s", n.shown(), memoryForm)
		return 0, false
	}
	return v * scale, true
}

// splitUnit divides a size into its number and its unit.
func splitUnit(text string) (number, unit string) {
	i := strings.LastIndexAny(text, "0123456789.") + 1
	return text[:i], text[i:]
}

// sizeUnit returns the unit that was probably meant by one in other letters: Gi, gb, g, or with a
// space before it; "" for none. A letter alone is a power of two, as docker and the JVM have it.
func sizeUnit(unit string) string {
	unit = strings.ToUpper(strings.TrimSpace(unit))
	if unit == "" {
		return ""
	}
	prefix, rest := unit[:1], unit[1:]
	switch {
	case !strings.Contains("KMGT", prefix):
		return ""
	case rest == "B":
		return prefix + "B"
	case rest == "" || rest == "I" || rest == "IB":
		return prefix + "iB"
	}
	return ""
}
