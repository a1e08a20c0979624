package cli

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/plain"
)

// writeModels writes one line a version, the newest of each model first, with times in the
// machine's zone.
func writeModels(w io.Writer, vs []bakeoff.Version, aliases []bakeoff.Alias, width int, color bool) {
	writeModelsIn(w, vs, aliases, width, color, time.Local)
}

func writeModelsIn(w io.Writer, vs []bakeoff.Version, aliases []bakeoff.Alias, width int, color bool, zone *time.Location) {
	t := table{columns: []column{
		{title: "MODEL", drop: 2},
		{title: "VERSION"},
		{title: "ALIASES"},
		{title: "CANDIDATE"},
		{title: "CREATED", drop: 3},
		{title: "SIZE", right: true, drop: 4},
		{title: "ARTIFACT", drop: 5},
		{title: "RUN", whole: true},
		{title: "METRICS", drop: 1, least: 16},
	}}
	vs = slices.SortedFunc(slices.Values(vs), func(a, b bakeoff.Version) int {
		return cmp.Or(strings.Compare(a.Model, b.Model), b.Version-a.Version)
	})
	for _, v := range vs {
		artifact := string(v.Artifact)
		if width > 0 {
			artifact = v.Artifact.Short()
		}
		names := aliasesOf(v, aliases)
		line := row{cells: []string{
			plain.Line(v.Model), fmt.Sprintf("v%d", v.Version), cmp.Or(strings.Join(names, ", "), "-"),
			plain.Line(v.Candidate), moment(v.Created, zone), keptCell(v), plain.Line(artifact), plain.Line(v.Lineage.Run),
			metricsInWords(v.Lineage.Metrics),
		}}
		if slices.Contains(names, bakeoff.AliasChampion) {
			line.style = goodStyle
		}
		t.rows = append(t.rows, line)
	}
	if dropped := t.write(w, width, color); len(dropped) > 0 {
		writeNarrow(w, dropped)
	}
}

// keptCell is the size of a version's artifact, if that is still there.
func keptCell(v bakeoff.Version) string {
	if !v.Released.IsZero() {
		return "released"
	}
	return sizeCell(v.Bytes)
}

// movedInWords says since when an alias names its version, by whom and why.
func movedInWords(a bakeoff.Alias, zone *time.Location) string {
	text := fmt.Sprintf("%s: v%d since %s, by %s", plain.Line(a.Name), a.Version, moment(a.Moved, zone), plain.Line(a.By))
	if a.Rollback {
		text += ", a rollback"
	}
	if a.Why != "" {
		text += ": " + plain.Line(a.Why)
	}
	return text
}

// aliasesOf returns the names that point to a version, sorted.
func aliasesOf(v bakeoff.Version, aliases []bakeoff.Alias) []string {
	var names []string
	for _, a := range aliases {
		if a.Model == v.Model && a.Version == v.Version {
			names = append(names, plain.Line(a.Name))
		}
	}
	slices.Sort(names)
	return names
}

// metricsInWords lists metrics by name.
func metricsInWords(metrics map[string]float64) string {
	var parts []string
	for name, v := range metrics {
		parts = append(parts, plain.Line(name)+" "+plain.Value(v))
	}
	slices.Sort(parts)
	return cmp.Or(strings.Join(parts, ", "), "-")
}
