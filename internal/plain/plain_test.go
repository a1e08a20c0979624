package plain_test

import (
	"testing"

	"github.com/bakeoffhq/bakeoff/internal/plain"
)

func TestLine(t *testing.T) {
	for in, want := range map[string]string{
		"churn":                        "churn",
		"  two\n lines\t":              "two lines",
		"\x1b[2Jgone\x1b]0;title\a":    "gone",
		"ab\u202Ecd":                   "abcd",
		"bad \xff byte and a bell\x07": "bad \uFFFD byte and a bell",
		"고객 이탈":                        "고객 이탈",
	} {
		if got := plain.Line(in); got != want {
			t.Errorf("Line(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestNumbers(t *testing.T) {
	for _, c := range []struct{ got, want string }{
		{plain.Value(0.84012), "0.8401"},
		{plain.Value(0), "0.0000"},
		{plain.Value(0.00012345), "0.0001234"},
		{plain.Value(47586.04), "47586.0"},
		{plain.Value(12.3456), "12.35"},
		{plain.Value(-1234567), "-1.235e+06"},
		{plain.Signed(0.01), "+0.0100"},
		{plain.Signed(-0.01), "-0.0100"},
		{plain.Count(7043), "7,043"},
		{plain.Count(-1234567), "-1,234,567"},
		{plain.Count(999), "999"},
	} {
		if c.got != c.want {
			t.Errorf("got %q, want %q", c.got, c.want)
		}
	}
}
