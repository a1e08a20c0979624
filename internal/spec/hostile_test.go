package spec_test

import (
	"strings"
	"testing"
	"time"

	"github.com/bakeoffhq/bakeoff/internal/spec"
)

// TestHostileFiles reads large files that are made to be slow to read: each would
// take minutes or gigabytes if the work grew with the square of the size, or with what it stands for.
func TestHostileFiles(t *testing.T) {
	const head = "name: a\ndata: {source: rows.csv, target: y}\n"
	const candidates = "candidates: [{name: c, trainer: random_forest}]\n"
	fill := func(s string) string { return strings.Repeat(s, 200_000/len(s)) }
	for name, text := range map[string]string{
		"mistakes in one line":  head + candidates + "notify: [" + fill(`{slack: "${X}"},`) + "]\n",
		"variables in one text": head + candidates + `notify: [{slack: "` + fill("${X}") + "\"}]\n",
		"unclosed references":   head + candidates + `notify: [{slack: "` + fill("${X:-") + "\"}]\n",
		"missing keys":          head + "candidates: [" + fill("{},") + "]\n",
		"aliases of a list":     head + "candidates:\n - &a [" + strings.Repeat("x,", 50_000) + "]\n" + strings.Repeat(" - [*a]\n", 10_000),
		"a long schedule":       head + candidates + "schedule: \"" + fill("0,") + " * * * *\"\n",
		"a long field":          head + candidates + "schedule: {minute: \"" + fill("0-59,") + "\"}\n",
		"a long duration":       head + candidates + "schedule: {cron: \"@daily\", within: " + fill("1h") + "x}\n",
		"fields of a schedule":  head + candidates + "schedule: \"" + fill("* ") + "\"\n",
		"addresses":             head + candidates + "notify: [{email: {to: \"" + fill("a@example.com, ") + "\", from: x, host: y}}]\n",
		"secrets in one line":   head + candidates + "notify: [" + fill(`{slack: "x"},`) + "]\n",
		"open secrets":          head + candidates + "notify:\n - slack: \"" + strings.Repeat("x", 100_000) + strings.Repeat("\n   - slack: [", 5000) + "\n",
		"brackets":              head + "candidates: " + fill("["),
		"one long number":       head + candidates + "parallel: " + fill("9") + "\n",
		"a large exponent":      head + candidates + "parallel: 1e-999999999\n",
	} {
		start := time.Now()
		_, err := spec.Parse("f.yaml", "/", []byte(text), spec.Options{})
		if took := time.Since(start); took > 30*time.Second {
			t.Errorf("%s: it took %v", name, took)
		}
		if err == nil {
			t.Errorf("%s: no error", name)
		} else if n := len(err.Error()); n > 100_000 {
			t.Errorf("%s: a message of %d bytes", name, n)
		}
	}
}
