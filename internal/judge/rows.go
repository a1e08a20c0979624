package judge

import (
	"fmt"
	"slices"
	"strings"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/dataset"
)

// baseline returns the answers of a model that knows nothing but the labels of the training rows:
// for each row the classes' shares, or the mean.
func baseline(train bakeoff.Labels, rows int) (*bakeoff.Predictions, error) {
	if train.Len() == 0 {
		return nil, bakeoff.Errorf(bakeoff.CodeInternal, "judge: no training labels for the baseline")
	}
	n := float64(train.Len())
	if len(train.Classes) == 0 {
		mean := 0.0
		for _, v := range train.Values {
			mean += v / n
		}
		return &bakeoff.Predictions{Values: slices.Repeat([]float64{mean}, rows)}, nil
	}
	counts := make([]float64, len(train.Classes))
	for _, code := range train.Codes {
		if code < 0 || int(code) >= len(counts) {
			return nil, bakeoff.Errorf(bakeoff.CodeInternal, "judge: a training label has the code %d of %d classes", code, len(counts))
		}
		counts[code]++
	}
	for i := range counts {
		counts[i] /= n
	}
	return &bakeoff.Predictions{Classes: train.Classes, Probabilities: slices.Repeat(counts, rows)}, nil
}

// incomparable says in a clause about the champion why its answers for rows like those of a snapshot
// are not to be compared with a challenger's, whichever they are, or "".
func incomparable(v bakeoff.Version, s bakeoff.Snapshot) string {
	old, now := v.Lineage.Snapshot.Schema, s.Schema
	switch {
	case old.Target != now.Target:
		return fmt.Sprintf("it predicts %s, the target is now %s", old.Target, now.Target)
	case old.Task != now.Task:
		return fmt.Sprintf("its target was %s and is now %s", old.Task, now.Task)
	case !slices.Equal(old.Classes, now.Classes):
		return "it knows other classes: " + classChange(old.Classes, now.Classes)
	}
	if change := columnChange(old.Columns, now.Columns); change != "" {
		return change
	}
	return ""
}

// unidentified says in a clause about the champion why nobody can tell which rows of a snapshot it has
// seen, or "".
func unidentified(v bakeoff.Version, s bakeoff.Snapshot) string {
	if before, after := v.Lineage.Snapshot.Identity, s.Identity; !sameIdentity(before, after) {
		return fmt.Sprintf("its training rows are identified by %s, those of this run by %s, so nobody can tell which rows it has seen",
			identity(before), identity(after))
	}
	return ""
}

// classChange names the classes that came and went.
func classChange(old, now []string) string {
	var changes []string
	if came := difference(now, old); len(came) > 0 {
		changes = append(changes, named(came)+" came")
	}
	if gone := difference(old, now); len(gone) > 0 {
		changes = append(changes, named(gone)+" went")
	}
	if len(changes) == 0 {
		return "their order differs"
	}
	return strings.Join(changes, ", ")
}

// difference returns the names in a that are not in b.
func difference(a, b []string) []string {
	return slices.DeleteFunc(slices.Clone(a), func(name string) bool { return slices.Contains(b, name) })
}

const maxNamed = 5

// named lists names, the first few of many.
func named(names []string) string {
	if len(names) > maxNamed {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:maxNamed], ", "), len(names)-maxNamed)
	}
	return strings.Join(names, ", ")
}

// columnChange says which column that a model was trained on is gone or holds something else now.
// New columns do not concern it.
func columnChange(old, now []bakeoff.ColumnSchema) string {
	kinds := map[string]bakeoff.Kind{}
	for _, c := range now {
		kinds[c.Name] = c.Kind
	}
	for _, c := range old {
		kind, ok := kinds[c.Name]
		if !ok {
			return fmt.Sprintf("it needs the column %s, which is gone", c.Name)
		}
		if kind != c.Kind && !(countable(kind) && countable(c.Kind)) {
			return fmt.Sprintf("its column %s held values of the kind %s, and now %s", c.Name, c.Kind, kind)
		}
	}
	return ""
}

// countable reports whether a kind is a plain number to a model: inference may find whole numbers
// one night and fractions the next.
func countable(k bakeoff.Kind) bool {
	return k == bakeoff.KindNumber || k == bakeoff.KindInteger || k == bakeoff.KindBoolean
}

func sameIdentity(a, b bakeoff.Identity) bool {
	return a.Key == b.Key && a.Generation == b.Generation && slices.Equal(a.Columns, b.Columns)
}

// identity describes what identifies a row.
func identity(i bakeoff.Identity) string {
	if i.Key != "" {
		return fmt.Sprintf("the key %s (generation %d)", i.Key, i.Generation)
	}
	return fmt.Sprintf("%d columns (generation %d)", len(i.Columns), i.Generation)
}

// marked reports for each identity whether it is among the seen ones.
func marked(identities, seen []uint64) []bool {
	places := make(map[uint64]bool, len(identities))
	for _, id := range identities {
		places[id] = false
	}
	for _, id := range seen {
		if _, ok := places[id]; ok {
			places[id] = true
		}
	}
	marks := make([]bool, len(identities))
	for i, id := range identities {
		marks[i] = places[id]
	}
	return marks
}

// unmarked returns the rows without the marked ones, and r itself where none is.
func unmarked(r *dataset.Rows, marks []bool) *dataset.Rows {
	if !slices.Contains(marks, true) {
		return r
	}
	t := &dataset.Table{Columns: slices.Clone(r.Table.Columns)}
	for i := range t.Columns {
		c := &t.Columns[i]
		c.Numbers, c.Codes = without(c.Numbers, marks), without(c.Codes, marks)
	}
	labels := bakeoff.Labels{
		Classes: r.Labels.Classes,
		Codes:   without(r.Labels.Codes, marks),
		Values:  without(r.Labels.Values, marks),
	}
	t.Rows = labels.Len()
	return &dataset.Rows{Table: t, Labels: labels, Identity: without(r.Identity, marks)}
}

// without returns the values that are not marked; nil for nil.
func without[T any](values []T, marks []bool) []T {
	if values == nil {
		return nil
	}
	left := make([]T, 0, len(values))
	for i, v := range values {
		if !marks[i] {
			left = append(left, v)
		}
	}
	return left
}
