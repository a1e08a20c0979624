package spec_test

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/bakeoffhq/bakeoff/internal/learn"
	"github.com/bakeoffhq/bakeoff/internal/metric"
	"github.com/bakeoffhq/bakeoff/internal/spec"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v4"
)

func TestSchema(t *testing.T) {
	golden(t, "testdata/schema.json", string(spec.Schema()))
	for _, name := range append(learn.Learners(), metric.Names()...) {
		if !bytes.Contains(spec.Schema(), []byte(`"`+name+`"`)) {
			t.Errorf("%s is not in the schema", name)
		}
	}
	for _, learner := range learn.Learners() {
		for _, p := range learn.Parameters(learner) {
			if !bytes.Contains(spec.Schema(), []byte(p.Doc)) {
				t.Errorf("%s of %s is not in the schema", p.Name, learner)
			}
		}
	}
}

// TestSchemaAgreesWithParse: what an editor accepts by the schema and what the program accepts are
// the same, as far as a schema can tell.
func TestSchemaAgreesWithParse(t *testing.T) {
	schema := compiled(t)
	for _, path := range []string{
		"testdata/good-full.yaml", "testdata/good-minimal.yaml", "testdata/good-regression.yaml", "testdata/good-by-column.yaml",
		"testdata/good-design.yaml", "testdata/good-nightly.yaml", "testdata/good-schedule-text.yaml", "testdata/good-schedule-quoted-fields.yaml",
	} {
		if err := schema.Validate(instance(t, path)); err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
	for _, path := range []string{
		"testdata/bad-types.yaml", "testdata/bad-types-inside.yaml", "testdata/bad-unknown-keys.yaml", "testdata/bad-trainer.yaml",
		"testdata/bad-metric.yaml", "testdata/bad-params.yaml", "testdata/bad-command.yaml", "testdata/bad-names.yaml", "testdata/bad-time.yaml",
		"testdata/bad-confidence.yaml", "testdata/bad-gain-word.yaml", "testdata/bad-gain-negative.yaml", "testdata/bad-not-yet.yaml",
		"testdata/bad-schedule-both.yaml", "testdata/bad-schedule-no-minute.yaml", "testdata/bad-schedule-nothing.yaml", "testdata/bad-schedule-values.yaml",
		"testdata/bad-receivers.yaml", "testdata/bad-email.yaml", "testdata/bad-hooks.yaml", "testdata/bad-memory.yaml", "testdata/bad-candidate-words.yaml",
	} {
		if schema.Validate(instance(t, path)) == nil {
			t.Errorf("%s is legal by the schema", path)
		}
	}
}

func compiled(t *testing.T) *jsonschema.Schema {
	t.Helper()
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(spec.Schema()))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("urn:test", document); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile("urn:test")
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

// instance reads a YAML file the way an editor's schema checker does.
func instance(t *testing.T, path string) any {
	t.Helper()
	var v any
	if err := yaml.Unmarshal(text(t, path), &v); err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(v)
	if err != nil {
		// JSON has no NaN and no infinity; the file has, and no schema allows them.
		return nil
	}
	got, err := jsonschema.UnmarshalJSON(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	return got
}
