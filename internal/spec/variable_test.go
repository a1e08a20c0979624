package spec_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/bakeoffhq/bakeoff/internal/spec"
)

func TestVariables(t *testing.T) {
	env := spec.Options{LookupEnv: func(name string) (string, bool) {
		v, ok := map[string]string{"A": "one", "E": "", "D": "$A ${A}", "한글": "no"}[name]
		return v, ok
	}}
	for _, c := range []struct{ written, want string }{
		{`${A}`, "one"},
		{`"x${A}y${A}"`, "xoneyone"},
		{`'${A}'`, "one"},
		{`${B:-two}`, "two"},
		{`${B:-}z`, "z"},
		{`${E:-two}`, "two"},
		{`x${E}`, "x"},
		{`${A:-two}`, "one"},
		{`$$`, "$"},
		{`$${A}`, "${A}"},
		{`$$$${A}`, "$${A}"},
		{`$$${A}`, "$one"},
		{`$A`, "$A"},
		{`a$`, "a$"},
		{`${D}`, "$A ${A}"}, // what a variable holds is not looked at again
		{`"\u0024{A}"`, "one"},
		{`${B:-a:-b$c}`, "a:-b$c"},
	} {
		text := strings.Replace(minimal, "target: y", "target: y, key: k", 1)
		text = strings.Replace(text, "{source: rows.csv, target: y, key: k}", "\n  source: rows.csv\n  target: y\n  key: "+c.written, 1)
		p, err := spec.Parse("f.yaml", "/", []byte(text), env)
		if err != nil {
			t.Errorf("%s: %v", c.written, err)
			continue
		}
		if p.Data.Key != c.want {
			t.Errorf("%s is %q, want %q", c.written, p.Data.Key, c.want)
		}
	}
}

func TestDotenv(t *testing.T) {
	env := spec.Options{LookupEnv: func(name string) (string, bool) { return "environment", name == "BOTH" }}
	const file = `
# a comment
BOTH=file
PLAIN=a # comment
export EXPORTED = b
SINGLE='x ${PLAIN} $PLAIN'
DOUBLE="x ${PLAIN}\n"
MULTI="1
2"
YAMLISH: v
EMPTY=
`
	for _, c := range []struct{ name, want string }{
		{"BOTH", "environment"},
		{"PLAIN", "a"},
		{"EXPORTED", "b"},
		{"SINGLE", "x ${PLAIN} $PLAIN"},
		{"DOUBLE", "x a\n"},
		{"MULTI", "1\n2"},
		{"YAMLISH", "v"},
		{"EMPTY:-none", "none"},
	} {
		dir := t.TempDir()
		write(t, filepath.Join(dir, ".env"), file)
		write(t, filepath.Join(dir, "f.yaml"), strings.Replace(minimal, "target: y", `target: "${`+c.name+`}"`, 1))
		p, err := spec.Load(filepath.Join(dir, "f.yaml"), env)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if p.Data.Target != c.want {
			t.Errorf("%s is %q, want %q", c.name, p.Data.Target, c.want)
		}
	}
}

func TestBadDotenv(t *testing.T) {
	for _, c := range []struct{ file, want string }{
		{"A=1\nB=${C:-SECRET}\n", ".env:2:1: ${NAME:-default} is not supported"},
		{"A=1\n\nB='SECRET\nC=2\n", ".env:3:1: this is not a NAME=value line"},
		{"A=\"1\n2\"\nB SECRET\n", ".env:3:1: this is not a NAME=value line"},
		{"A=1\nB-SECRET=2\nC=3", ".env:2:1: this is not a NAME=value line"},
		{"A=1\nSECRET", ".env:2:1: this is not a NAME=value line"},
		{strings.Repeat("A=SECRET\n", 1<<13), ".env:1:1: the file is too large"},
	} {
		dir := t.TempDir()
		write(t, filepath.Join(dir, ".env"), c.file)
		write(t, filepath.Join(dir, "f.yaml"), strings.Replace(minimal, "target: y", `target: "${TARGET}", key: "${KEY}"`, 1))
		_, err := spec.Load(filepath.Join(dir, "f.yaml"), spec.Options{})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%.30q: %v, want %s", c.file, err, c.want)
			continue
		}
		if strings.Contains(err.Error(), "SECRET") {
			t.Errorf("%.30q: a secret is in the message: %v", c.file, err)
		}
		if n := strings.Count(err.Error(), ".env:"); n != 1 {
			t.Errorf("%.30q: %d mistakes of the .env file, want 1: %v", c.file, n, err)
		}
	}
}

// TestDotenvOfAnotherProgram: where the environment has every variable, the .env file is not read.
func TestDotenvOfAnotherProgram(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, ".env"), "not a line of ours")
	write(t, filepath.Join(dir, "f.yaml"), strings.Replace(minimal, "target: y", `target: "${TARGET}"`, 1))
	env := spec.Options{LookupEnv: func(string) (string, bool) { return "y", true }}
	if _, err := spec.Load(filepath.Join(dir, "f.yaml"), env); err != nil {
		t.Error(err)
	}
}
