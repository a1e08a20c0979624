package dataset

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/parquet-go/parquet-go"
	"golang.org/x/sync/errgroup"

	"github.com/bakeoffhq/bakeoff"
)

const (
	// identityColumn is the column of a frozen part that holds the rows' identities.
	identityColumn = "__bakeoff_identity"
	rowGroupRows   = 1 << 16
	batchRows      = 1024
	batchText      = 64 << 10 // how much text a batch gathers before it is written
	maxDictionary  = 1 << 20  // above this much distinct text a column is written without dictionary
)

// Rows are the rows of a frozen part, with their labels and identities.
type Rows struct {
	Table    *Table
	Labels   bakeoff.Labels
	Identity []uint64 // one per row; equal for the same row of another night's snapshot
}

// frozenColumn is one column as it is written: a value for each row.
type frozenColumn struct {
	name  string
	node  parquet.Node
	value func(row int) parquet.Value // null for a missing value
	// text returns the length of the value's text; nil where values have a fixed size.
	text func(row int) int
}

// names are those of the columns that hold the labels.
type names struct{ target, weight string }

// frozenColumns returns the columns of a part in the order in which Parquet files have them: by name.
// Of a row group they read what its rows hold at the time. Texts says which columns of texts, by name,
// are written as a dictionary.
func frozenColumns(r *Rows, labels names, texts func(name string) bool) []frozenColumn {
	columns := make([]frozenColumn, 0, len(r.Table.Columns)+2)
	for i := range r.Table.Columns {
		columns = append(columns, frozenFeature(&r.Table.Columns[i], texts))
	}
	if weights := r.Labels.Weights; weights != nil {
		columns = append(columns, frozenColumn{
			name: labels.weight, node: parquet.Leaf(parquet.DoubleType),
			value: func(row int) parquet.Value { return parquet.DoubleValue(weights[row]) },
		})
	}
	columns = append(columns, frozenTarget(r.Labels, labels.target, texts), frozenColumn{
		name: identityColumn,
		// Hashes do not compress, and ReadParquet can tell from the file's size how many there can be.
		node:  parquet.Compressed(parquet.Encoded(parquet.Uint(64), &parquet.Plain), &parquet.Uncompressed),
		value: func(row int) parquet.Value { return parquet.Int64Value(int64(r.Identity[row])) },
	})
	slices.SortFunc(columns, func(a, b frozenColumn) int { return strings.Compare(a.name, b.name) })
	return columns
}

func frozenTarget(labels bakeoff.Labels, name string, texts func(name string) bool) frozenColumn {
	if labels.Codes == nil {
		return frozenColumn{
			name:  name,
			node:  parquet.Leaf(parquet.DoubleType),
			value: func(row int) parquet.Value { return parquet.DoubleValue(labels.Values[row]) },
		}
	}
	return frozenTexts(name, labels.Codes, labels.Classes, texts(name))
}

func frozenFeature(c *Column, texts func(name string) bool) frozenColumn {
	if c.Kind == bakeoff.KindCategory {
		f := frozenTexts(c.Name, c.Codes, c.Levels, texts(c.Name))
		f.node = parquet.Optional(f.node)
		return f
	}
	node, value := frozenNumber(c.Kind)
	return frozenColumn{name: c.Name, node: parquet.Optional(node), value: func(row int) parquet.Value {
		if c.Missing(row) {
			return parquet.NullValue()
		}
		return value(c.Numbers[row])
	}}
}

// frozenNumber returns how the numbers of a kind are written.
func frozenNumber(kind bakeoff.Kind) (parquet.Node, func(float64) parquet.Value) {
	switch kind {
	case bakeoff.KindBoolean:
		return parquet.Leaf(parquet.BooleanType), func(v float64) parquet.Value { return parquet.BooleanValue(v != 0) }
	case bakeoff.KindInteger:
		return parquet.Int(64), func(v float64) parquet.Value { return parquet.Int64Value(int64(v)) }
	case bakeoff.KindDate:
		return parquet.Timestamp(parquet.Microsecond), func(v float64) parquet.Value { return parquet.Int64Value(microsOf(v)) }
	}
	return parquet.Leaf(parquet.DoubleType), parquet.DoubleValue
}

func frozenTexts(name string, codes []int32, levels []string, dictionary bool) frozenColumn {
	values := make([]parquet.Value, len(levels))
	for i, level := range levels {
		values[i] = parquet.ByteArrayValue([]byte(level))
	}
	f := frozenColumn{name: name, node: parquet.String()}
	if dictionary {
		f.node = parquet.Encoded(f.node, &parquet.RLEDictionary)
	}
	f.value = func(row int) parquet.Value {
		if codes[row] < 0 {
			return parquet.NullValue()
		}
		return values[codes[row]]
	}
	f.text = func(row int) int {
		if codes[row] < 0 {
			return 0
		}
		return len(levels[codes[row]])
	}
	return f
}

// partWriter writes a part to a file, one row group after the other. Its bytes follow from the rows
// and the schema alone.
type partWriter struct {
	file    *os.File
	columns []frozenColumn
	writer  *parquet.GenericWriter[any]
}

// newPartWriter creates a file for a part. Group holds the rows of a row group at the time; its slices
// stay the same, and so do the levels and classes of all row groups.
func newPartWriter(path string, group *Rows, labels names, texts func(name string) bool) (*partWriter, error) {
	file, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	w := &partWriter{file: file, columns: frozenColumns(group, labels, texts)}
	node := make(parquet.Group, len(w.columns))
	for _, c := range w.columns {
		node[c.name] = c.node
	}
	w.writer = parquet.NewGenericWriter[any](file,
		parquet.NewSchema("rows", node),
		parquet.Compression(&parquet.Snappy),
		parquet.CreatedBy("bakeoff", "1", ""), // of the format, so that an upgrade does not change the bytes
	)
	return w, nil
}

// write writes the first rows of the group as a row group.
func (w *partWriter) write(ctx context.Context, rows int) error {
	writers := w.writer.ColumnWriters()
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(allWorkers())
	for i, c := range w.columns {
		group.Go(func() error {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			if err := c.write(writers[i], i, 0, rows); err != nil {
				return fmt.Errorf("column %q: %w", c.name, err)
			}
			if err := writers[i].Flush(); err != nil { // compresses what is left, here and not one after the other
				return fmt.Errorf("column %q: %w", c.name, err)
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	return w.writer.Flush()
}

// end ends the file and returns its digest.
func (w *partWriter) end() (bakeoff.Digest, error) {
	if err := w.writer.Close(); err != nil {
		return "", err
	}
	if err := Seal(w.file); err != nil {
		return "", err
	}
	if _, err := w.file.Seek(0, io.SeekStart); err != nil {
		return "", err
	}
	sum := sha256.New()
	if _, err := io.Copy(sum, w.file); err != nil {
		return "", err
	}
	return bakeoff.DigestOfSum(sum.Sum(nil)), w.close()
}

// close closes the file; again, it does nothing.
func (w *partWriter) close() error {
	if w.file == nil {
		return nil
	}
	file := w.file
	w.file = nil
	return file.Close()
}

// write writes the rows from lo up to hi, in batches that are bounded by the size of their text.
func (c *frozenColumn) write(w *parquet.ColumnWriter, index, lo, hi int) error {
	present := 0
	if c.node.Optional() {
		present = 1
	}
	batch := make([]parquet.Value, 0, batchRows)
	text := 0
	for row := lo; row < hi; row++ {
		v := c.value(row)
		level := present
		if v.IsNull() {
			level = 0
		}
		batch = append(batch, v.Level(0, level, index))
		if c.text != nil {
			text += c.text(row)
		}
		if len(batch) < batchRows && text < batchText && row < hi-1 {
			continue
		}
		if _, err := w.WriteRowValues(batch); err != nil {
			return err
		}
		batch, text = batch[:0], 0
	}
	return nil
}
