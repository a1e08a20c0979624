package answers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"

	"github.com/parquet-go/parquet-go"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/dataset"
)

const (
	rowGroupRows = 1 << 16
	batchValues  = 1024
)

// column is one column as it is written.
type column struct {
	name string
	node parquet.Node
	// row appends the values of a row.
	row func(to []parquet.Value, row int) []parquet.Value
}

// Write writes a file to a path, where there is none yet. Its bytes follow from f alone.
func Write(ctx context.Context, path string, f *File) (err error) {
	if err := f.check(); err != nil {
		return fmt.Errorf("keep answers: %w", err)
	}
	about, err := json.Marshal(documentOf(f))
	if err != nil {
		return fmt.Errorf("keep answers: describe them: %w", err)
	}
	to, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("keep answers: %w", err)
	}
	defer func() { err = errors.Join(err, to.Close()) }()
	if err := writeRows(ctx, to, columnsOf(f), f.Labels.Len(), string(about)); err != nil {
		return fmt.Errorf("keep answers: %w", err)
	}
	return dataset.Seal(to)
}

func writeRows(ctx context.Context, to *os.File, columns []column, rows int, about string) error {
	group := make(parquet.Group, len(columns))
	for _, c := range columns {
		group[c.name] = c.node
	}
	w := parquet.NewWriter(to,
		parquet.NewSchema("answers", group),
		parquet.Compression(&parquet.Zstd),
		parquet.CreatedBy("bakeoff", "1", ""), // of the format, so that an upgrade does not change the bytes
		parquet.KeyValueMetadata(Key, about),
	)
	for lo := 0; lo < rows; lo += rowGroupRows {
		for i, c := range columns {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			if err := c.write(w.ColumnWriters()[i], i, lo, min(lo+rowGroupRows, rows)); err != nil {
				return fmt.Errorf("column %q: %w", c.name, err)
			}
		}
		if err := w.Flush(); err != nil {
			return err
		}
	}
	return w.Close()
}

// write writes the rows from lo up to hi, in batches of whole rows.
func (c *column) write(w *parquet.ColumnWriter, index, lo, hi int) error {
	var batch []parquet.Value
	present := 0
	if !c.node.Required() {
		present = 1
	}
	for row := lo; row < hi; row++ {
		from := len(batch)
		batch = c.row(batch, row)
		for i := from; i < len(batch); i++ {
			batch[i] = batch[i].Level(min(i-from, 1), present, index)
		}
		if len(batch) < batchValues && row < hi-1 {
			continue
		}
		if _, err := w.WriteRowValues(batch); err != nil {
			return err
		}
		batch = batch[:0]
	}
	return nil
}

// columnsOf returns the columns of a file in the order in which Parquet files have them: by name.
func columnsOf(f *File) []column {
	columns := []column{labelsOf(f.Labels)}
	columns = append(columns, answersOf(baselineColumn, f.Baseline)...)
	for i, k := range f.Contestants {
		if k.Predictions != nil {
			columns = append(columns, answersOf(answersColumn(i, k.Candidate), k.Predictions)...)
		}
	}
	for i, c := range f.Slices {
		if name := sliceColumn(i, c.Name); isCategory(c.Kind) {
			columns = append(columns, codes(name, c.Codes))
		} else {
			columns = append(columns, numbers(name, c.Numbers))
		}
	}
	slices.SortFunc(columns, func(a, b column) int { return strings.Compare(a.name, b.name) })
	return columns
}

func labelsOf(y bakeoff.Labels) column {
	if y.Codes != nil {
		return codes(labelColumn, y.Codes)
	}
	return numbers(labelColumn, y.Values)
}

// answersOf returns the column of a contestant's answers, and the one of what does not follow from it.
func answersOf(name string, p *bakeoff.Predictions) []column {
	switch k := len(p.Classes); k {
	case 0:
		return []column{numbers(name, p.Values)}
	case 2:
		second := make([]float64, p.Len())
		for row := range second {
			second[row] = p.Probabilities[2*row+1]
		}
		columns := []column{numbers(name, second)}
		if !halved(p) {
			columns = append(columns, rest(firstColumn(name), p.Probabilities))
		}
		return columns
	default:
		return []column{lists(name, p.Probabilities, k)}
	}
}

// halved reports whether the first probability of two follows from the second in every row.
func halved(p *bakeoff.Predictions) bool {
	if len(p.Classes) != 2 {
		return true
	}
	for row := range p.Len() {
		if off(p.Probabilities[2*row], p.Probabilities[2*row+1]) != 0 {
			return false
		}
	}
	return true
}

func codes(name string, values []int32) column {
	return column{
		name: name, node: parquet.Encoded(parquet.Int(32), &parquet.RLEDictionary),
		row: func(to []parquet.Value, row int) []parquet.Value { return append(to, parquet.Int32Value(values[row])) },
	}
}

func numbers(name string, values []float64) column {
	return column{
		name: name, node: doubles(values),
		row: func(to []parquet.Value, row int) []parquet.Value { return append(to, parquet.DoubleValue(values[row])) },
	}
}

// rest is by how much the first probability of two is off one minus the second: a few units in the
// last place of it where a model computes both, which takes a byte and not eight.
func rest(name string, pairs []float64) column {
	return column{
		name: name, node: parquet.Encoded(parquet.Int(64), &parquet.RLEDictionary),
		row: func(to []parquet.Value, row int) []parquet.Value {
			return append(to, parquet.Int64Value(off(pairs[2*row], pairs[2*row+1])))
		},
	}
}

// off is how many numbers lie between one minus the second of two probabilities and the first; whatever
// the two are, plus is its inverse.
func off(first, second float64) int64 {
	return int64(math.Float64bits(first) - math.Float64bits(1-second))
}

func plus(second float64, off int64) (first float64) {
	return math.Float64frombits(math.Float64bits(1-second) + uint64(off))
}

// lists is a list of k numbers a row.
func lists(name string, values []float64, k int) column {
	return column{
		name: name, node: parquet.Repeated(doubles(values)),
		row: func(to []parquet.Value, row int) []parquet.Value {
			for _, v := range values[row*k : (row+1)*k] {
				to = append(to, parquet.DoubleValue(v))
			}
			return to
		},
	}
}

// doubles chooses how numbers are written. Trees answer with few different ones, which a dictionary
// makes small; of all others the bytes are sorted by their place in the number.
func doubles(values []float64) parquet.Node {
	sample := values[:min(len(values), rowGroupRows)]
	distinct := make(map[uint64]struct{}, len(sample)/2)
	for _, v := range sample {
		if distinct[math.Float64bits(v)] = struct{}{}; 2*len(distinct) > len(sample) {
			return parquet.Encoded(parquet.Leaf(parquet.DoubleType), &parquet.ByteStreamSplit)
		}
	}
	return parquet.Encoded(parquet.Leaf(parquet.DoubleType), &parquet.RLEDictionary)
}
