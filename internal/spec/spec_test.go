package spec_test

import (
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/spec"
	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the expected output in testdata")

// environment is what every file in testdata sees. The values are secrets: none may be in a message.
var environment = map[string]string{
	"SLACK":  "https://hooks.slack.com/services/T0/B0/SECRET",
	"EMPTY":  "",
	"METRIC": "SECRETrsme",
	"NUMBER": "300",
	"BROKEN": "ftp://SECRET",
	"DIGITS": "0123",
	"MAIL":   "a@example.com,b@example.com",
	"CRON":   "*/5 9-17 * * mon-fri",

	"CRON_JOB_TIME_HOUR":   "05",
	"CRON_JOB_TIME_MINUTE": "08",
}

var options = spec.Options{LookupEnv: func(name string) (string, bool) {
	v, ok := environment[name]
	return v, ok
}}

func TestGoodFiles(t *testing.T) {
	for _, path := range glob(t, "testdata/good-*.yaml") {
		t.Run(name(path), func(t *testing.T) {
			p, err := spec.Parse(filepath.Base(path), "/pipelines", text(t, path), options)
			if err != nil {
				t.Fatal(err)
			}
			got, err := json.MarshalIndent(p, "", "  ")
			if err != nil {
				t.Fatal(err)
			}
			golden(t, strings.TrimSuffix(path, ".yaml")+".json", string(got)+"\n")
		})
	}
}

func TestBadFiles(t *testing.T) {
	files := glob(t, "testdata/bad-*.yaml")
	if len(files) < 40 {
		t.Errorf("%d bad files", len(files))
	}
	for _, path := range files {
		t.Run(name(path), func(t *testing.T) {
			_, err := spec.Parse(filepath.Base(path), "/pipelines", text(t, path), options)
			if bakeoff.CodeOf(err) != bakeoff.CodeInvalid {
				t.Fatalf("the error is %v, want one of code invalid", err)
			}
			if strings.Contains(err.Error(), "SECRET") {
				t.Errorf("a variable's value is in the message: %v", err)
			}
			golden(t, strings.TrimSuffix(path, ".yaml")+".err", err.Error()+"\n")
		})
	}
}

// TestPositionsOfWindowsFiles reads every bad file with other line ends and a byte order mark: the
// mistakes must be the same ones.
func TestPositionsOfWindowsFiles(t *testing.T) {
	for _, path := range glob(t, "testdata/bad-*.yaml") {
		unix := text(t, path)
		if strings.Contains(string(unix), "\r") {
			continue
		}
		dos := "\uFEFF" + strings.ReplaceAll(string(unix), "\n", "\r\n")
		_, want := spec.Parse("f", "/", unix, options)
		_, got := spec.Parse("f", "/", []byte(dos), options)
		if diff := cmp.Diff(want.Error(), got.Error()); diff != "" {
			t.Errorf("%s: (-unix +windows)\n%s", path, diff)
		}
	}
}

func TestMistakesAreTheCause(t *testing.T) {
	_, err := spec.Parse("f.yaml", "/", []byte("name: x\ncandidate: 1\n"), spec.Options{})
	ms, ok := errors.AsType[spec.Mistakes](err)
	if !ok {
		t.Fatalf("no Mistakes in %v", err)
	}
	want := spec.Mistakes{
		{File: "f.yaml", Line: 1, Column: 1, Message: `the key "data" is missing in the file`, Excerpt: "    1 | name: x\n      | ^"},
		{File: "f.yaml", Line: 2, Column: 1, Message: `unknown key "candidate"`, Hint: `did you mean "candidates"?`, Excerpt: "    2 | candidate: 1\n      | ^"},
	}
	if diff := cmp.Diff(want, ms); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestLoad(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "a.yaml"), minimal)
	p, err := spec.Load(filepath.Join(dir, "a.yaml"), spec.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if want := bakeoff.DigestOf([]byte(minimal)); p.Revision != want {
		t.Errorf("revision %s, want %s", p.Revision, want)
	}
	if p.Dir != dir || p.Data.Source != filepath.Join(dir, "rows.csv") {
		t.Errorf("dir %q, source %q", p.Dir, p.Data.Source)
	}

	t.Chdir(dir)
	p, err = spec.Load("a.yaml", spec.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if !filepath.IsAbs(p.Dir) || !filepath.IsAbs(p.Data.Source) {
		t.Errorf("relative: dir %q, source %q", p.Dir, p.Data.Source)
	}
}

func TestLoadOfWhatIsNoPipelineFile(t *testing.T) {
	dir := t.TempDir()
	big := filepath.Join(dir, "big.yaml")
	write(t, big, strings.Repeat("# 45678901234567\n", 1<<16))
	for _, c := range []struct{ path, message, hint string }{
		{filepath.Join(dir, "none.yaml"), "no such file", "bakeoff init"},
		{dir, "is a directory", "give the path of a pipeline file"},
		{big, "larger than 1048576 bytes", ""},
	} {
		_, err := spec.Load(c.path, spec.Options{})
		if bakeoff.CodeOf(err) != bakeoff.CodeInvalid {
			t.Errorf("%s: the error is %v, want one of code invalid", c.path, err)
			continue
		}
		if !strings.Contains(err.Error(), c.message) || !strings.Contains(bakeoff.HintOf(err), c.hint) {
			t.Errorf("%s: %v (%s), want %q (%s)", c.path, err, bakeoff.HintOf(err), c.message, c.hint)
		}
	}
}

func TestTemplate(t *testing.T) {
	for _, c := range []struct{ name, source, target string }{
		{"churn", "telco_churn.csv", "churn"},
		{"a-1", "../rows of 2026.csv", "이탈"},
		{"123", "$HOME/${X}.csv", "null"},
		{"true", "a: b #c.csv", "1e3"},
		{"x", "-", "\"quoted\" and\ttabbed\u2028"},
		{"y", ".", "2020-01-01"},
		{"z", "100%d.csv", "yes"},
	} {
		for _, task := range []bakeoff.LearningTask{bakeoff.Binary, bakeoff.Multiclass, bakeoff.Regression} {
			text := spec.Template(c.name, c.source, c.target, task)
			for _, text := range []string{text, uncommented.ReplaceAllString(text, "$1")} {
				p, err := spec.Parse("f.yaml", "/d", []byte(text), anyVariable)
				if err != nil {
					t.Errorf("%+v for %s: %v", c, task, err)
					continue
				}
				if on := text != spec.Template(c.name, c.source, c.target, task); on != (p.Schedule != nil) || on != (len(p.Notify) == 3) {
					t.Errorf("%+v: schedule %v and %d receivers", c, p.Schedule, len(p.Notify))
				}
				if p.Name != c.name || p.Data.Target != c.target || p.Data.Source != filepath.Join("/d", c.source) {
					t.Errorf("%+v: name %q, target %q, source %q", c, p.Name, p.Data.Target, p.Data.Source)
				}
			}
		}
	}
}

// uncommented finds the suggestions of a template that a person may put to use by deleting the mark.
var uncommented = regexp.MustCompile(`(?m)^# ((?:schedule|gate|notify):|  - \{(?:slack|webhook|email))`)

var anyVariable = spec.Options{LookupEnv: func(string) (string, bool) { return "https://example.com/x", true }}

func TestTheExampleLoads(t *testing.T) {
	p, err := spec.Load("../../examples/churn/churn.yaml", spec.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(p.Data.Source); err != nil {
		t.Error(err)
	}
	if len(p.Candidates) != 4 || p.AtLeast != 2 {
		t.Errorf("%d candidates, at least %d", len(p.Candidates), p.AtLeast)
	}
}

const minimal = `name: a
data: {source: rows.csv, target: y}
candidates: [{name: c, trainer: random_forest}]
`

func glob(t *testing.T, pattern string) []string {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		t.Fatalf("no files %s: %v", pattern, err)
	}
	return files
}

func name(path string) string { return strings.TrimSuffix(filepath.Base(path), ".yaml") }

func text(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// golden compares with a file of testdata, or rewrites it under -update.
func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		write(t, path, got)
		return
	}
	if diff := cmp.Diff(string(text(t, path)), got); diff != "" {
		t.Errorf("%s: (-want +got)\n%s", path, diff)
	}
}
