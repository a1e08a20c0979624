package dataset

import (
	"context"
	"errors"

	"github.com/bakeoffhq/bakeoff"
)

// Source says which file a snapshot is made of and how its columns are to be read.
type Source struct {
	Path    string               // absolute
	Target  string               // the column to predict
	Task    bakeoff.LearningTask // "" to infer it from the target
	Key     string               // the column that identifies a row; "" for the feature columns
	Columns map[string]bakeoff.Kind
	Ignore  []string
	Missing []string // texts that mean a missing value, beside the built-in ones
	Split   bakeoff.Split
	// Previous is the identity of the pipeline's earlier snapshots, nil for the first.
	Previous *bakeoff.Identity
}

// Freeze reads the source, infers its columns, splits its rows and writes the two parts as Parquet
// files. It returns their description.
func Freeze(ctx context.Context, s Source, trainPath, holdoutPath string) (bakeoff.Snapshot, error) {
	return bakeoff.Snapshot{}, errors.ErrUnsupported
}

// Inspect finds what Freeze would, and writes nothing: the digests of the result are empty.
func Inspect(ctx context.Context, s Source) (bakeoff.Snapshot, error) {
	return bakeoff.Snapshot{}, errors.ErrUnsupported
}
