package dataset

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/bakeoffhq/bakeoff"
)

// Source says which file a snapshot is made of and how its columns are to be read.
type Source struct {
	Path    string               // absolute
	Target  string               // the column to predict
	Task    bakeoff.LearningTask // "" to infer it from the target
	Key     string               // the column that identifies a row; "" for the feature columns
	Weight  string               // the column that says how much a row counts in training; "" for one each
	Columns map[string]bakeoff.Kind
	Ignore  []string
	Missing []string // texts that mean a missing value, beside "", ?, NA, NaN and null
	Split   bakeoff.Split
	// Progress is told how much of the work is done, as a share from 0 to 1 that never falls, from one
	// goroutine at a time; nil for nobody.
	Progress func(share float64)
	// Previous is the identity of the pipeline's earlier snapshots, nil for the first.
	Previous *bakeoff.Identity
}

// Freeze reads the source, infers its columns, splits its rows and writes the two parts as Parquet
// files: features, target, and each row's identity. It returns their description; the same rows give
// the same files and the same digests. Everything that is wrong with the source is a *bakeoff.Error
// with CodeInvalid that names the place.
//
// A large file is read twice, or three times where its categories are not clear before it ends. What is
// held in memory of it are the distinct texts of the categories, and some 30 bytes a row.
func Freeze(ctx context.Context, s Source, trainPath, holdoutPath string) (bakeoff.Snapshot, error) {
	snapshot, err := frame(ctx, s, [3]string{inTrain: trainPath, inHoldout: holdoutPath}, keptBytes)
	if err != nil {
		return bakeoff.Snapshot{}, err
	}
	description, err := json.Marshal(snapshot)
	if err != nil {
		return bakeoff.Snapshot{}, fmt.Errorf("describe snapshot: %w", err)
	}
	snapshot.Digest = bakeoff.DigestOf(description)
	return snapshot, nil
}

// Inspect finds what Freeze would, and writes nothing: the digests of the result are empty.
func Inspect(ctx context.Context, s Source) (bakeoff.Snapshot, error) {
	return frame(ctx, s, [3]string{}, keptBytes)
}

// frame reads, splits and describes a source, and writes the parts that have a path. The text of a file
// of at most keep bytes is read once.
func frame(ctx context.Context, s Source, paths [3]string, keep int64) (bakeoff.Snapshot, error) {
	file, err := openCSVFile(s.Path)
	if err != nil {
		return bakeoff.Snapshot{}, err
	}
	defer func() { _ = file.close() }() // read only
	if err := checkColumns(s, file.header, file.path); err != nil {
		return bakeoff.Snapshot{}, err
	}
	features := featureNames(s, file.header)
	if len(features) == 0 {
		return bakeoff.Snapshot{}, bakeoff.Errorf(bakeoff.CodeInvalid, "%s: no feature columns are left", s.Path).
			WithHint("at least one column that is neither target nor key is needed")
	}
	b := &builder{
		source: s, rows: newTextRows(file, keep), missing: newMissingTexts(s.Missing),
		raw: newRawTable(file.path, file.header, s.Target, s.Split.Column, s.Weight),
	}
	identity, note := identify(s, file.header, features)
	b.note(note)
	if err := b.find(ctx, features, identity); err != nil {
		return bakeoff.Snapshot{}, err
	}
	return b.freeze(ctx, identity, paths)
}

// checkColumns looks for every column that the source names in the header.
func checkColumns(s Source, header []string, path string) error {
	if slices.Contains(header, identityColumn) {
		return bakeoff.Errorf(bakeoff.CodeInvalid, "%s: the column name %q is reserved", path, identityColumn).WithHint("rename the column")
	}
	type named struct{ field, column string }
	wanted := []named{{"target", s.Target}}
	if s.Key != "" {
		wanted = append(wanted, named{"key", s.Key})
	}
	if s.Weight != "" {
		wanted = append(wanted, named{"weight", s.Weight})
	}
	if s.Split.By != bakeoff.SplitByHash && s.Split.By != "" {
		wanted = append(wanted, named{"split.column", s.Split.Column})
	}
	for _, column := range sortedKeys(s.Columns) {
		wanted = append(wanted, named{"columns", column})
	}
	for _, column := range s.Ignore {
		wanted = append(wanted, named{"ignore", column})
	}
	for _, w := range wanted {
		if !slices.Contains(header, w.column) {
			return unknownColumn(path, w.field, w.column, header)
		}
	}
	for _, column := range sortedKeys(s.Columns) {
		if kind := s.Columns[column]; !slices.Contains(bakeoff.Kinds(), kind) {
			return bakeoff.Errorf(bakeoff.CodeInvalid, "data.columns.%s: unknown kind %q", column, kind).
				WithHint("the kinds are %s", quotedKinds())
		}
	}
	return checkRoles(s, path)
}

func unknownColumn(path, field, column string, header []string) error {
	err := bakeoff.Errorf(bakeoff.CodeInvalid, "%s: data.%s: there is no column %q", path, field, column)
	if looksLikeData(header) {
		return err.WithHint("the first line looks like data (%s): a header line with names is needed", quoted(header[:min(3, len(header))]))
	}
	if meant := bakeoff.Nearest(column, header); meant != "" {
		return err.WithHint("did you mean %q?", meant)
	}
	return err.WithHint("the columns are %s", quoted(header))
}

// checkRoles refuses a column that is asked to be two things at once.
func checkRoles(s Source, path string) error {
	what, field := "", ""
	switch {
	case slices.Contains(s.Ignore, s.Target):
		what, field = "ignored", "ignore"
	case s.Target == s.Key:
		what, field = "the key", "key"
	case s.Target == s.Split.Column:
		what, field = "the column of the split", "split.column"
	default:
		return checkWeightRole(s, path)
	}
	return bakeoff.Errorf(bakeoff.CodeInvalid, "%s: column %q cannot be both the target and %s", path, s.Target, what).
		WithHint("change data.target or data.%s", field)
}

// featureNames returns the columns to learn from, in file order. A column that says on which side a
// row is says nothing about the row; one that splits by time or group does.
func featureNames(s Source, header []string) []string {
	var names []string
	for _, name := range header {
		side := s.Split.By == bakeoff.SplitByColumn && name == s.Split.Column
		if name != s.Target && name != s.Key && name != s.Weight && !side && !slices.Contains(s.Ignore, name) {
			names = append(names, name)
		}
	}
	return names
}

// shownNames is how many names a message lists at most.
const shownNames = 10

// quoted lists names for a message.
func quoted(names []string) string {
	var b strings.Builder
	for i, name := range names[:min(shownNames, len(names))] {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(shown(name))
	}
	if n := len(names) - shownNames; n > 0 {
		fmt.Fprintf(&b, " and %d more", n)
	}
	return b.String()
}

func quotedKinds() string {
	var names []string
	for _, kind := range bakeoff.Kinds() {
		names = append(names, string(kind))
	}
	return quoted(names)
}

func sortedKeys[V any](m map[string]V) []string {
	return slices.Sorted(maps.Keys(m))
}
