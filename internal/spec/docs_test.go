package spec_test

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"

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
	if len(blocks) != 5 {
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
