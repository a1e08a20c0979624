package app

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// pipelineText is a pipeline of a name, by a schedule that is never due in a test.
func pipelineText(name string) string {
	return fmt.Sprintf(`name: %s
schedule: {cron: "0 5 1 1 *", timezone: UTC}
data: {source: rows.csv, target: y}
candidates:
  - {name: linear, trainer: logistic_regression}
`, name)
}

// write writes a file with a time of change that no earlier one had.
func write(t *testing.T, path, text string, edit int) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	at := time.Unix(1_700_000_000+int64(edit), 0)
	if err := os.Chtimes(path, at, at); err != nil {
		t.Fatal(err)
	}
}

// looked says in short what a look has found: +NAME applied, -NAME removed, !FILE not applied.
func looked(t *testing.T, f *files) []string {
	t.Helper()
	changes, err := f.look()
	if err != nil {
		t.Fatal(err)
	}
	found := []string{}
	for _, c := range changes {
		if c.removed != "" {
			found = append(found, "-"+c.removed)
		}
		if c.err != nil {
			found = append(found, "!"+filepath.Base(c.path))
		} else if c.pipeline != nil {
			found = append(found, "+"+c.pipeline.Name)
		}
	}
	return found
}

// TestANameThatIsFreeAgain has two files want one name, and then one of them let it go, in each way.
func TestANameThatIsFreeAgain(t *testing.T) {
	for what, letGo := range map[string]func(t *testing.T, first, second string){
		"removed": func(t *testing.T, first, _ string) {
			if err := os.Remove(first); err != nil {
				t.Fatal(err)
			}
		},
		"renamed within": func(t *testing.T, first, _ string) { write(t, first, pipelineText("other"), 3) },
	} {
		t.Run(what, func(t *testing.T) {
			dir := t.TempDir()
			first, second := filepath.Join(dir, "m.yaml"), filepath.Join(dir, "a.yaml") // read after and before
			write(t, first, pipelineText("nightly"), 1)
			f := &files{named: []string{dir}, lookup: os.LookupEnv}
			var got [][]string
			got = append(got, looked(t, f))
			write(t, second, pipelineText("nightly"), 2)
			got = append(got, looked(t, f), looked(t, f))
			letGo(t, first, second)
			got = append(got, looked(t, f), looked(t, f), looked(t, f))
			want := [][]string{{"+nightly"}, {"!a.yaml"}, {}, {"-nightly"}, {"+nightly"}, {}}
			if what == "renamed within" {
				want[3] = append(want[3], "+other")
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}
