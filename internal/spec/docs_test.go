package spec_test

import (
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bakeoffhq/bakeoff/internal/learn"
	"github.com/bakeoffhq/bakeoff/internal/spec"
)

// TestReference keeps docs/pipeline.md true: it names every key, and its examples are legal.
func TestReference(t *testing.T) {
	page := string(text(t, "../../docs/pipeline.md"))
	var schema map[string]any
	if err := json.Unmarshal(spec.Schema(), &schema); err != nil {
		t.Fatal(err)
	}
	for key := range keys(schema) {
		if !regexp.MustCompile("`([a-z]+\\.)?" + key + "`").MatchString(page) {
			t.Errorf("docs/pipeline.md does not name the key %s", key)
		}
	}
	blocks := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(page, -1)
	if len(blocks) != 6 {
		t.Errorf("%d examples", len(blocks))
	}
	for _, b := range blocks {
		file := b[1]
		if strings.HasPrefix(file, "schedule:") {
			file = minimal + file
		}
		if _, err := spec.Parse("docs/pipeline.md", "/", []byte(file), spec.Options{}); err != nil {
			t.Error(err)
		}
	}
}

// TestLearnersPage keeps docs/learners.md true: it has a table of every learner's parameters.
func TestLearnersPage(t *testing.T) {
	const path = "../../docs/learners.md"
	page := string(text(t, path))
	want := page
	for _, learner := range learn.Learners() {
		begin, end := "<!-- "+learner+" -->\n", "<!-- end -->"
		_, rest, found := strings.Cut(want, begin)
		old, _, ended := strings.Cut(rest, end)
		if !found || !ended {
			t.Fatalf("%s has no place for the parameters of %s", path, learner)
		}
		want = strings.Replace(want, begin+old+end, begin+parameterTable(learner)+end, 1)
	}
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(want, page); diff != "" {
		t.Errorf("%s (-want +got), go test -update writes it:\n%s", path, diff)
	}
}

func parameterTable(learner string) string {
	var b strings.Builder
	b.WriteString("\n| parameter | default | legal | what |\n|---|---|---|---|\n")
	for _, p := range learn.Parameters(learner) {
		name := "`" + p.Name + "`"
		if p.Alias != "" {
			name += ", also `" + p.Alias + "`"
		}
		initial, err := json.Marshal(p.Default)
		if err != nil {
			panic(err) // the defaults are plain values
		}
		fmt.Fprintf(&b, "| %s | `%s` | %s | %s |\n", name, strings.Trim(string(initial), `"`), legal(p), p.Doc)
	}
	b.WriteString("\n")
	return b.String()
}

// legal says which values a parameter takes.
func legal(p learn.Parameter) string {
	number := fmt.Sprintf("%s to %s", plainNumber(p.Min), plainNumber(p.Max))
	switch p.Type {
	case learn.TypeBoolean:
		return "true, false"
	case learn.TypeString:
		return "`" + strings.Join(p.Choices, "`, `") + "`"
	case learn.TypeArray:
		return fmt.Sprintf("up to %d integers from %s", p.MaxItems, number)
	case learn.TypeObject:
		return strings.Join(append(quotedAll(p.Choices), "a number for each name, "+number), ", or ")
	case learn.TypeInteger:
		return "an integer, " + number
	}
	return number
}

func quotedAll(words []string) []string {
	var list []string
	for _, w := range words {
		list = append(list, "`"+w+"`")
	}
	return list
}

func plainNumber(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }

// keys returns the keys of the file that a schema describes, at any depth. Names of metrics are
// none, nor are the parameters of trainers.
func keys(schema map[string]any) map[string]bool {
	all := map[string]bool{}
	properties, _ := schema["properties"].(map[string]any)
	for key, value := range properties {
		all[key] = true
		value := value.(map[string]any)
		if items, ok := value["items"].(map[string]any); ok {
			value = items
		}
		if key == "floors" {
			continue
		}
		for inner := range keys(value) {
			all[inner] = true
		}
	}
	return all
}
