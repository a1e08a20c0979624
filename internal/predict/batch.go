// Package predict turns rows to score and an open model into predictions.
package predict

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/google/renameio/v2"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/dataset"
)

// The columns that are added to the input's.
const (
	predictionColumn  = "prediction"
	probabilityPrefix = "probability_"
)

// Scorer is an open model. Its methods may be called from many goroutines.
type Scorer interface {
	Score(ctx context.Context, t *dataset.Table) (*bakeoff.Predictions, error)
	Unseen(t *dataset.Table) int
	// Serial reports whether it answers one call at a time.
	Serial() bool
}

// Summary counts what a batch was.
type Summary struct {
	Rows int `json:"rows"`
	// Unseen counts the cells with a category that the training rows did not have.
	Unseen int `json:"unseen_categories"`
}

// Files says what to score and where to write it. Files are CSV or Parquet by the ending of their
// names, see dataset.FormatOf.
type Files struct {
	In, Out string         // paths; dataset.Stream for stdin, which has CSV, and stdout
	Stdout  dataset.Format // what stdout gets; "" for CSV
}

// Batch scores rows and writes them: all of the input's columns as they are, then "prediction", the
// class or the number, and for classes "probability_CLASS" for each. Missing has the user's own texts
// for a missing value. Memory does not grow with the file. An error leaves a file that is there as it
// was; what is wrong with the rows, or a column that has one of the added names, is a *bakeoff.Error
// of CodeInvalid that names the place.
func Batch(ctx context.Context, m Scorer, schema bakeoff.Schema, missing []string, f Files) (Summary, error) {
	from, err := dataset.FormatOf(f.In, dataset.FormatCSV)
	if err != nil {
		return Summary{}, err
	}
	to, err := dataset.FormatOf(f.Out, f.Stdout)
	if err != nil {
		return Summary{}, err
	}
	r, err := dataset.OpenRows(f.In, from, schema, missing)
	if err != nil {
		return Summary{}, err
	}
	defer r.Close()
	b := newBatch(m, schema, r)
	if err := b.checkNames(); err != nil {
		return Summary{}, fmt.Errorf("%s: %w", f.In, err)
	}
	err = write(f.Out, func(w io.Writer) error {
		if to == dataset.FormatParquet {
			return b.runParquet(ctx, w)
		}
		return b.runCSV(ctx, w)
	})
	if err != nil {
		return Summary{}, err
	}
	return b.summary, nil
}

// write lets fill write the file: at once for stdout, a device or a pipe, else beside it, to be
// renamed when all is written.
func write(path string, fill func(io.Writer) error) error {
	if path == dataset.Stream {
		return fill(os.Stdout)
	}
	info, err := os.Stat(path)
	switch {
	case err == nil && info.IsDir():
		return bakeoff.Errorf(bakeoff.CodeInvalid, "%s is a folder", path).WithHint("name the file to write")
	case err == nil && !info.Mode().IsRegular():
		return writeThrough(path, fill)
	}
	f, err := renameio.NewPendingFile(path, renameio.WithTempDir(filepath.Dir(path)), renameio.WithPermissions(0o644), renameio.WithExistingPermissions())
	if err != nil {
		return outputError(path, err)
	}
	defer f.Cleanup()
	if err := fill(f); err != nil {
		return err
	}
	if err := f.CloseAtomicallyReplace(); err != nil {
		return outputError(path, err)
	}
	return nil
}

func writeThrough(path string, fill func(io.Writer) error) (err error) {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return outputError(path, err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return fill(f)
}

func outputError(path string, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return bakeoff.Errorf(bakeoff.CodeInvalid, "write %s: %w", path, err).WithHint("create the folder first")
	}
	return bakeoff.Errorf(bakeoff.CodeUnavailable, "write %s: %w", path, err)
}
