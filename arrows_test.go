package bakeoff_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/bakeoffhq/bakeoff"

// layers says which of our packages the packages of a layer may import: those of the layers named,
// and, where within is set, each other. docs/ARCHITECTURE.md draws the same picture.
var layers = map[string]struct {
	packages []string
	imports  []string
	within   bool
	nats     bool
}{
	"words":  {packages: []string{"."}},
	"leaves": {packages: []string{"spec", "card", "chart", "cron", "advice", "answers", "dataset", "doctor", "learn", "learn/bayes", "learn/linear", "learn/mlp", "learn/neighbors", "learn/portable", "learn/tree", "metric", "outbound", "plain", "report", "score", "proc", "wire", "search"}, imports: []string{"words"}, within: true},
	"steps":  {packages: []string{"schedule", "dispatch", "worker", "build", "judge", "registry", "deploy", "notify", "predict", "roster"}, imports: []string{"words", "leaves"}},
	"ground": {packages: []string{"store", "natsd", "join"}, imports: []string{"words"}, within: true, nats: true},
	"client": {packages: []string{"client"}, imports: []string{"words"}},
	"access": {packages: []string{"access"}, imports: []string{"words", "leaves", "client"}},
	"faces":  {packages: []string{"api", "inference", "monitor"}, imports: []string{"words", "leaves", "client", "access"}},
	"app":    {packages: []string{"app"}, imports: []string{"words", "leaves", "steps", "ground", "client", "access", "faces"}},
	"files":  {packages: []string{"examples"}},
	"cli":    {packages: []string{"cli"}, imports: []string{"words", "leaves", "steps", "client", "app", "files"}},
	"main":   {packages: []string{"cmd/bakeoff"}, imports: []string{"cli"}},
	"proofs": {packages: []string{"judge/simulate", "learn/peers"}, imports: []string{"words", "leaves", "steps"}},
}

// TestImportsFollowTheArrows reads every import clause of the product. It parses the files itself:
// asking the go command would let the test cache keep an old answer.
func TestImportsFollowTheArrows(t *testing.T) {
	layerOf := map[string]string{}
	for name, layer := range layers {
		for _, p := range layer.packages {
			layerOf[p] = name
		}
	}
	seen := map[string]bool{}
	err := filepath.WalkDir(".", func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == "testdata" || d.Name() == "tools" || strings.HasPrefix(d.Name(), ".") && file != ".") {
			return fs.SkipDir
		}
		if path.Ext(file) != ".go" || strings.HasSuffix(file, "_test.go") || path.Base(path.Dir(filepath.ToSlash(file))) == "storetest" {
			return nil
		}
		from := ours(module + "/" + filepath.ToSlash(filepath.Dir(file)))
		layer, ok := layerOf[from]
		if !ok {
			t.Errorf("%s: package %s is in no layer: say in this test where it belongs", file, from)
			return nil
		}
		seen[from] = true
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		for _, spec := range parsed.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			checkImport(t, file, layer, imported, layerOf)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(seen) < 15 {
		t.Errorf("only %d packages were read", len(seen))
	}
}

func checkImport(t *testing.T, file, layer, imported string, layerOf map[string]string) {
	t.Helper()
	rules := layers[layer]
	switch {
	case imported == module || strings.HasPrefix(imported, module+"/"):
		to := layerOf[ours(imported)]
		if to != layer && !slices.Contains(rules.imports, to) || to == layer && !rules.within {
			t.Errorf("%s: the %s may not import %s of the %s", file, layer, imported, to)
		}
	case strings.Contains(imported, "nats-io") || strings.Contains(imported, "synadia-io"):
		if !rules.nats {
			t.Errorf("%s: only the ground knows NATS, not the %s", file, layer)
		}
	case layer == "words" && strings.Contains(imported, "."):
		t.Errorf("%s: the words import the standard library alone, not %s", file, imported)
	}
}

// ours names a package of the module as layers does.
func ours(imported string) string {
	p := strings.TrimPrefix(strings.TrimPrefix(strings.TrimPrefix(imported, module), "/"), "internal/")
	if p == "" {
		return "."
	}
	return p
}
