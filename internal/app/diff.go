package app

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/diff"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/client"
	"github.com/bakeoffhq/bakeoff/internal/spec"
)

// side is what is known of one of two runs that are compared.
type side struct {
	report bakeoff.Report
	run    *bakeoff.Run    // nil where retention has left the verdict alone
	text   string          // of its pipeline file
	labels *bakeoff.Labels // of the judged rows; nil where they are not kept
}

// compare says what changed from one run to another.
func compare(before, after side) client.Diff {
	d := client.Diff{
		Pipeline: after.report.Pipeline, Before: before.described(), After: after.described(),
		Data: client.DataDiff{
			Columns: []client.ColumnDiff{}, Classes: classDiffs(before.labels, after.labels), Other: []string{},
		},
		Text: textDiff(before, after), Recipes: []client.RecipeDiff{}, Scores: scoreDiffs(before.report, after.report), Unknown: []string{},
	}
	for _, s := range []side{before, after} {
		d.Unknown = append(d.Unknown, s.gone()...)
	}
	if b, a := before.run, after.run; b != nil && a != nil {
		d.Recipes = recipeDiffs(declared(*b), declared(*a))
		if b.Snapshot != nil && a.Snapshot != nil {
			d.Data.Same = b.Snapshot.Train == a.Snapshot.Train && b.Snapshot.Holdout == a.Snapshot.Holdout
			d.Data.Columns = columnDiffs(b.Snapshot.Schema.Columns, a.Snapshot.Schema.Columns)
			d.Data.Other = dataChanges(*b.Snapshot, *a.Snapshot)
		}
	}
	if before.report.Metric != after.report.Metric && before.report.Metric != "" && after.report.Metric != "" {
		d.Unknown = append(d.Unknown, fmt.Sprintf("the scores: one run was judged by %s, the other by %s", before.report.Metric, after.report.Metric))
	}
	return d
}

func (s side) described() client.DiffRun {
	r := s.report
	return client.DiffRun{
		Run: r.Run, Created: r.Created, Verdict: r.Verdict, Reason: r.Reason, Champion: r.Champion, Metric: r.Metric,
		Revision: r.Revision, Snapshot: r.Snapshot, Rows: r.Rows, Program: r.Program,
	}
}

// gone says what of a run cannot be compared any more.
func (s side) gone() []string {
	switch {
	case s.run == nil:
		return []string{fmt.Sprintf("columns, parameters and classes: of run %s only the verdict is left", s.report.Run)}
	case s.run.Snapshot == nil:
		return []string{fmt.Sprintf("columns and classes: run %s has frozen no rows", s.report.Run)}
	case s.labels == nil:
		return []string{fmt.Sprintf("the shares of classes: run %s has no kept answers", s.report.Run)}
	}
	return nil
}

// textDiff compares two revisions of a pipeline file, without secrets.
func textDiff(before, after side) string {
	if before.report.Revision == after.report.Revision {
		return ""
	}
	old, now := spec.WithoutSecrets(before.text), spec.WithoutSecrets(after.text)
	if old == now {
		return "(it differs only where secrets stand, or in the space at the ends of lines)\n"
	}
	text := string(diff.Diff("revision "+before.report.Revision.Short(), []byte(old), "revision "+after.report.Revision.Short(), []byte(now)))
	_, text, _ = strings.Cut(text, "\n") // the command line that it begins with
	return text
}

// columnDiffs compares columns by name, those of the later run in its order.
func columnDiffs(before, after []bakeoff.ColumnSchema) []client.ColumnDiff {
	diffs := []client.ColumnDiff{}
	old := map[string]bakeoff.ColumnSchema{}
	for _, c := range before {
		old[c.Name] = c
	}
	for _, now := range after {
		was, ok := old[now.Name]
		delete(old, now.Name)
		if !ok {
			diffs = append(diffs, client.ColumnDiff{Name: now.Name, After: now.Kind})
			continue
		}
		d := client.ColumnDiff{Name: now.Name, Before: was.Kind, After: now.Kind}
		if was.Kind == now.Kind {
			d.Came, d.Went = without(now.Categories, was.Categories), without(was.Categories, now.Categories)
		}
		switch {
		case now.Missing && !was.Missing:
			d.Missing = "came"
		case was.Missing && !now.Missing:
			d.Missing = "went"
		}
		if was.Kind != now.Kind || len(d.Came)+len(d.Went) > 0 || d.Missing != "" {
			diffs = append(diffs, d)
		}
	}
	for _, c := range before {
		if _, left := old[c.Name]; left {
			diffs = append(diffs, client.ColumnDiff{Name: c.Name, Before: c.Kind})
		}
	}
	return diffs
}

// without returns the values of a that are not in b; both are sorted.
func without(a, b []string) []string {
	var left []string
	for _, v := range a {
		if _, ok := slices.BinarySearch(b, v); !ok {
			left = append(left, v)
		}
	}
	return left
}

// dataChanges says what else changed between two snapshots.
func dataChanges(before, after bakeoff.Snapshot) []string {
	changes := []string{}
	old, now := before.Schema, after.Schema
	if old.Target != now.Target {
		changes = append(changes, fmt.Sprintf("the target was %s and is %s", old.Target, now.Target))
	}
	if old.Task != now.Task {
		changes = append(changes, fmt.Sprintf("the task was %s and is %s", old.Task, now.Task))
	}
	if before.Split != after.Split {
		changes = append(changes, "the split changed, and with it which rows are held out: "+splitChange(before, after))
	}
	if !reflect.DeepEqual(before.Identity, after.Identity) {
		changes = append(changes, fmt.Sprintf("the identity of rows is another (generation %d, %d before)", after.Identity.Generation, before.Identity.Generation))
	}
	return changes
}

// classDiffs compares the shares of classes, nil where a side is not known or has no classes.
func classDiffs(before, after *bakeoff.Labels) []client.ClassDiff {
	diffs := []client.ClassDiff{}
	if before == nil || after == nil {
		return diffs
	}
	old, now := shares(before), shares(after)
	for _, class := range slices.Sorted(maps.Keys(old)) {
		d := client.ClassDiff{Class: class, Before: ptr(old[class])}
		if v, ok := now[class]; ok {
			d.After = &v
		}
		diffs = append(diffs, d)
	}
	for _, class := range slices.Sorted(maps.Keys(now)) {
		if _, ok := old[class]; !ok {
			diffs = append(diffs, client.ClassDiff{Class: class, After: ptr(now[class])})
		}
	}
	return diffs
}

func ptr[T any](v T) *T { return &v }

func shares(y *bakeoff.Labels) map[string]float64 {
	counts := make([]int, len(y.Classes))
	for _, code := range y.Codes {
		if code >= 0 && int(code) < len(counts) {
			counts[code]++
		}
	}
	all := map[string]float64{}
	for i, class := range y.Classes {
		if y.Len() > 0 {
			all[class] = float64(counts[i]) / float64(y.Len())
		}
	}
	return all
}

// splitChange says how the rows of two snapshots were split: a rotation in words, its fields are counts.
func splitChange(before, after bakeoff.Snapshot) string {
	if before.Split.Rotate == after.Split.Rotate && before.Split.Period == after.Split.Period {
		return strings.Join(fieldDiffs("", before.Split, after.Split), ", ")
	}
	return before.Generation() + " -> " + after.Generation()
}

// declared are the recipes that a run's revision declares, with the parameters that a search has chosen:
// without that of a champion that was built again.
func declared(r bakeoff.Run) []bakeoff.Candidate {
	recipes := slices.Clone(r.Recipes)
	for i, c := range recipes {
		if built, _ := r.Recipe(c.Name); c.Search != nil {
			recipes[i].Params = built.Params
		}
	}
	return slices.DeleteFunc(recipes, func(c bakeoff.Candidate) bool {
		return r.Rebuild != nil && c.Name == bakeoff.ChampionName
	})
}

// recipeDiffs compares candidates by name.
func recipeDiffs(before, after []bakeoff.Candidate) []client.RecipeDiff {
	diffs := []client.RecipeDiff{}
	find := func(all []bakeoff.Candidate, name string) *bakeoff.Candidate {
		if i := slices.IndexFunc(all, func(c bakeoff.Candidate) bool { return c.Name == name }); i >= 0 {
			return &all[i]
		}
		return nil
	}
	for _, now := range after {
		d := client.RecipeDiff{Candidate: now.Name, Before: find(before, now.Name), After: &now}
		if d.Before != nil {
			d.Changed = fieldDiffs("", *d.Before, now)
		}
		if d.Before == nil || len(d.Changed) > 0 {
			diffs = append(diffs, d)
		}
	}
	for _, was := range before {
		if find(after, was.Name) == nil {
			diffs = append(diffs, client.RecipeDiff{Candidate: was.Name, Before: &was})
		}
	}
	return diffs
}

// fieldDiffs says which fields of two documents differ, by their path.
func fieldDiffs(path string, before, after any) []string {
	old, isObject := object(before)
	now, areObjects := object(after)
	if !isObject || !areObjects {
		if b, a := shown(path, before), shown(path, after); b != a {
			return []string{fmt.Sprintf("%s: %s -> %s", path, b, a)}
		}
		return nil
	}
	keys := slices.AppendSeq(slices.Collect(maps.Keys(old)), maps.Keys(now))
	slices.Sort(keys)
	var diffs []string
	for _, key := range slices.Compact(keys) {
		below := key
		if path != "" {
			below = path + "." + key
		}
		diffs = append(diffs, fieldDiffs(below, value(old, key), value(now, key))...)
	}
	return diffs
}

// value is what an object has under a key; an object that is not there is one without keys.
func value(of map[string]json.RawMessage, key string) any {
	if v, ok := of[key]; ok {
		return v
	}
	return json.RawMessage(`null`)
}

func object(v any) (map[string]json.RawMessage, bool) {
	text, err := json.Marshal(v)
	if err != nil {
		return nil, false
	}
	if string(text) == "null" {
		return nil, true
	}
	var o map[string]json.RawMessage
	return o, json.Unmarshal(text, &o) == nil
}

// shown is the value of a field as a person reads it: "none" for one that is not there.
func shown(path string, v any) string {
	text, err := json.Marshal(v)
	if err != nil || string(text) == "null" {
		return "none"
	}
	var d time.Duration
	if (path == "limits.time" || path == "retry.backoff") && json.Unmarshal(text, &d) == nil {
		return d.String()
	}
	return string(text)
}

// scoreDiffs compares contestants by role and name; the champion with the champion, whichever it was.
func scoreDiffs(before, after bakeoff.Report) []client.ScoreDiff {
	diffs := []client.ScoreDiff{}
	if before.Metric != after.Metric {
		return diffs
	}
	same := func(a, b bakeoff.LeaderboardRow) bool {
		return a.Role == b.Role && (a.Candidate == b.Candidate || a.Role == bakeoff.RoleChampion)
	}
	find := func(in []bakeoff.LeaderboardRow, row bakeoff.LeaderboardRow) *bakeoff.LeaderboardRow {
		if i := slices.IndexFunc(in, func(r bakeoff.LeaderboardRow) bool { return same(r, row) }); i >= 0 {
			return &in[i]
		}
		return nil
	}
	for _, row := range after.Leaderboard {
		diffs = append(diffs, scoreDiff(after.Metric, row, find(before.Leaderboard, row), &row))
	}
	for _, row := range before.Leaderboard {
		if find(after.Leaderboard, row) == nil {
			diffs = append(diffs, scoreDiff(after.Metric, row, &row, nil))
		}
	}
	return diffs
}

func scoreDiff(metric string, of bakeoff.LeaderboardRow, before, after *bakeoff.LeaderboardRow) client.ScoreDiff {
	d := client.ScoreDiff{Candidate: of.Candidate, Role: of.Role, Before: scoreOf(metric, before), After: scoreOf(metric, after)}
	if d.Before != nil && d.After != nil {
		d.Change = ptr(d.After.Value - d.Before.Value)
		d.Within = holds(d.Before, d.After.Value) && holds(d.After, d.Before.Value)
	}
	return d
}

// holds reports whether a value is within a score's interval.
func holds(s *client.Score, v float64) bool {
	return s.Interval != nil && s.Interval[0] <= v && v <= s.Interval[1]
}

func scoreOf(metric string, row *bakeoff.LeaderboardRow) *client.Score {
	if row == nil || row.Rank == nil {
		return nil
	}
	v, ok := row.Metrics[metric]
	if !ok {
		return nil
	}
	s := &client.Score{Value: v, Rank: *row.Rank, Version: row.Version}
	if bounds, ok := row.Interval[metric]; ok {
		s.Interval = &bounds
	}
	return s
}
