// Package predict turns rows to score and an open model into predictions.
package predict

import (
	"bufio"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"github.com/google/renameio/v2"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/dataset"
)

// blockRows is how many rows are read, scored and written at a time.
const blockRows = 1_000

// The columns that are added to the input's.
const (
	predictionColumn  = "prediction"
	probabilityPrefix = "probability_"
)

// Scorer is an open model.
type Scorer interface {
	Score(ctx context.Context, t *dataset.Table) (*bakeoff.Predictions, error)
	Unseen(t *dataset.Table) int
}

// Summary counts what a batch was.
type Summary struct {
	Rows int `json:"rows"`
	// Unseen counts the cells with a category that the training rows did not have.
	Unseen int `json:"unseen_categories"`
}

// Batch scores the rows of the CSV file in and writes them as CSV to out, "-" for stdout: all of
// the input's columns as they are, then "prediction", the class or the number, and for classes
// "probability_CLASS" for each. Missing has the user's own texts for a missing value. Memory does
// not grow with the file. An error leaves out as it was; what is wrong with the rows, or a column
// that has one of the added names, is a *bakeoff.Error of CodeInvalid that names the place.
func Batch(ctx context.Context, m Scorer, schema bakeoff.Schema, missing []string, in, out string) (Summary, error) {
	r, err := dataset.OpenCSV(in, schema, missing)
	if err != nil {
		return Summary{}, err
	}
	defer r.Close()
	b := batch{model: m, schema: schema, in: r}
	header, err := b.header()
	if err != nil {
		return Summary{}, fmt.Errorf("%s: %w", in, err)
	}
	err = write(out, func(w io.Writer) error { return b.run(ctx, header, w) })
	if err != nil {
		return Summary{}, err
	}
	return b.summary, nil
}

// write lets fill write the file: at once for stdout, a device or a pipe, else beside it, to be
// renamed when all is written.
func write(path string, fill func(io.Writer) error) error {
	if path == "-" {
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

// batch is one pass over a file.
type batch struct {
	model   Scorer
	schema  bakeoff.Schema
	in      *dataset.Reader
	summary Summary
}

// header returns the columns of the output.
func (b *batch) header() ([]string, error) {
	header := b.in.Header()
	taken := make(map[string]bool, len(header))
	for _, name := range header {
		taken[name] = true
	}
	added := []string{predictionColumn}
	for _, class := range b.schema.Classes {
		added = append(added, probabilityPrefix+class)
	}
	for _, name := range added {
		if taken[name] {
			return nil, bakeoff.Errorf(bakeoff.CodeInvalid, "the file has a column %q already", name).
				WithHint("that name is for the prediction: rename or remove the column")
		}
	}
	return append(header, added...), nil
}

func (b *batch) run(ctx context.Context, header []string, w io.Writer) error {
	out := csv.NewWriter(bufio.NewWriterSize(w, 64<<10))
	if err := out.Write(header); err != nil {
		return fmt.Errorf("write predictions: %w", err)
	}
	for {
		err := b.block(ctx, out)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
	}
	out.Flush()
	if err := out.Error(); err != nil {
		return fmt.Errorf("write predictions: %w", err)
	}
	return nil
}

// block reads, scores and writes the next rows; io.EOF where there are none.
func (b *batch) block(ctx context.Context, out *csv.Writer) error {
	table, cells, err := b.in.Next(ctx, blockRows)
	if err != nil {
		return err
	}
	answers, err := b.model.Score(ctx, table)
	if err != nil {
		return fmt.Errorf("score the rows from row %d: %w", b.summary.Rows+1, err)
	}
	if answers.Len() != table.Rows {
		return fmt.Errorf("score the rows from row %d: %d answers for %d rows", b.summary.Rows+1, answers.Len(), table.Rows)
	}
	for row, record := range cells {
		if err := out.Write(appendAnswer(record, answers, row)); err != nil {
			return fmt.Errorf("write predictions: %w", err)
		}
	}
	b.summary.Rows += table.Rows
	b.summary.Unseen += b.model.Unseen(table)
	return nil
}

// appendAnswer appends a row's answer to its record.
func appendAnswer(record []string, p *bakeoff.Predictions, row int) []string {
	k := len(p.Classes)
	if k == 0 {
		return append(record, number(p.Values[row]))
	}
	record = append(record, p.Classes[p.Class(row)])
	for _, v := range p.Probabilities[row*k : (row+1)*k] {
		record = append(record, number(v))
	}
	return record
}

// number writes v so that reading gives the same bits.
func number(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }
