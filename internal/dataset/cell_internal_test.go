package dataset

import (
	"math"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/bakeoffhq/bakeoff"
)

// FuzzNumber compares parseNumber with strconv.ParseFloat, which takes a few texts more.
func FuzzNumber(f *testing.F) {
	for _, cell := range []string{
		"0", "-0", "+1", ".5", "5.", "1e5", "1E-5", "1e+22", "1e23", "123456789012345678", "9007199254740993",
		"0.1", "1.7976931348623157e308", "1.8e308", "5e-324", "1e-400", "1e99999999999", "inf", "-Infinity",
		"4.35", "0.000001", "179769313486231570000", "1.5e", "e5", "--1", "0x1p4", "1_0", "nan", "", ".", "2.2250738585072011e-308",
	} {
		f.Add(cell)
	}
	f.Fuzz(func(t *testing.T, cell string) {
		want, err := strconv.ParseFloat(cell, 64)
		if strings.ContainsAny(cell, "xX_") || strings.EqualFold(strings.TrimLeft(cell, "+-"), "nan") {
			err = strconv.ErrSyntax // not in a data file
		}
		legal := err == nil || math.IsInf(want, 0)
		got, _, ok := parseNumber(cell)
		if ok != legal || ok && got != want {
			t.Errorf("parseNumber(%q) = %v, %t; want %v, %t", cell, got, ok, want, legal)
		}
		if ok && got == 0 && math.Signbit(got) {
			t.Errorf("parseNumber(%q) is a negative zero", cell)
		}
		if ok && !math.IsInf(got, 0) {
			text := formatValue(bakeoff.KindNumber, got)
			if again, _, ok := parseNumber(text); !ok || again != got {
				t.Errorf("%q is written as %q, which reads %v", cell, text, again)
			}
		}
	})
}

// FuzzDate checks that a date is the same after it was written as text and as microseconds.
func FuzzDate(f *testing.F) {
	for _, cell := range []string{
		"2024-01-02", "1969-12-31 23:59:59.999999", "0001-01-01T00:00:00.000001Z", "9999-12-31T23:59:59.9-14:00",
		"2024-02-29 12:30", "2024-01-02T03:04:05+0900", "2024-01-02 03:04:05 +09:00", "2024-13-01", "2024-01-02t03:04:05Z",
	} {
		f.Add(cell)
	}
	f.Fuzz(func(t *testing.T, cell string) {
		v, ok := parseDate(cell)
		if !ok {
			return
		}
		if again := secondsOf(microsOf(v)); again != v {
			t.Errorf("%q is %v, %v as microseconds", cell, v, again)
		}
		if year := time.UnixMicro(microsOf(v)).UTC().Year(); year < 0 || year > 9999 {
			return // beyond RFC 3339 by its zone alone
		}
		if again, ok := parseDate(formatDate(v)); !ok || again != v {
			t.Errorf("%q is %v, %v after it was written as %q", cell, v, again, formatDate(v))
		}
	})
}
