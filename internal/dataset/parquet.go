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

// frozenColumns returns the columns of a part in the order in which Parquet files have them: by name.
func frozenColumns(r *Rows, schema bakeoff.Schema) []frozenColumn {
	columns := make([]frozenColumn, 0, len(r.Table.Columns)+2)
	for i := range r.Table.Columns {
		columns = append(columns, frozenFeature(&r.Table.Columns[i]))
	}
	columns = append(columns, frozenTarget(r.Labels, schema.Target), frozenColumn{
		name: identityColumn,
		// Hashes do not compress, and ReadParquet can tell from the file's size how many there can be.
		node:  parquet.Compressed(parquet.Encoded(parquet.Uint(64), &parquet.Plain), &parquet.Uncompressed),
		value: func(row int) parquet.Value { return parquet.Int64Value(int64(r.Identity[row])) },
	})
	slices.SortFunc(columns, func(a, b frozenColumn) int { return strings.Compare(a.name, b.name) })
	return columns
}

func frozenTarget(labels bakeoff.Labels, name string) frozenColumn {
	if labels.Codes == nil {
		return frozenColumn{
			name:  name,
			node:  parquet.Leaf(parquet.DoubleType),
			value: func(row int) parquet.Value { return parquet.DoubleValue(labels.Values[row]) },
		}
	}
	return frozenTexts(name, labels.Codes, labels.Classes)
}

func frozenFeature(c *Column) frozenColumn {
	if c.Kind == bakeoff.KindCategory {
		f := frozenTexts(c.Name, c.Codes, c.Levels)
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

func frozenTexts(name string, codes []int32, levels []string) frozenColumn {
	values := make([]parquet.Value, len(levels))
	total := 0
	for i, level := range levels {
		values[i] = parquet.ByteArrayValue([]byte(level))
		total += len(level)
	}
	f := frozenColumn{name: name, node: parquet.String()}
	if total <= maxDictionary {
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

// writeParquet writes a part to a file and returns the digest of its bytes, which follow from the
// rows and the schema alone.
func writeParquet(ctx context.Context, path string, r *Rows, schema bakeoff.Schema) (digest bakeoff.Digest, err error) {
	file, err := os.Create(path)
	if err != nil {
		return "", err
	}
	defer func() {
		if closeErr := file.Close(); err == nil {
			err = closeErr
		}
	}()
	if err := writeRows(ctx, file, r, schema); err != nil {
		return "", err
	}
	if err := Seal(file); err != nil {
		return "", err
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return "", err
	}
	sum := sha256.New()
	if _, err := io.Copy(sum, file); err != nil {
		return "", err
	}
	return bakeoff.DigestOfSum(sum.Sum(nil)), nil
}

func writeRows(ctx context.Context, w io.Writer, r *Rows, schema bakeoff.Schema) error {
	columns := frozenColumns(r, schema)
	group := make(parquet.Group, len(columns))
	for _, c := range columns {
		group[c.name] = c.node
	}
	writer := parquet.NewWriter(w,
		parquet.NewSchema("rows", group),
		parquet.Compression(&parquet.Snappy),
		parquet.CreatedBy("bakeoff", "1", ""), // of the format, so that an upgrade does not change the bytes
	)
	for lo := 0; lo < r.Table.Rows; lo += rowGroupRows {
		hi := min(lo+rowGroupRows, r.Table.Rows)
		for i, c := range columns {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			if err := c.write(writer.ColumnWriters()[i], i, lo, hi); err != nil {
				return fmt.Errorf("column %q: %w", c.name, err)
			}
		}
		if err := writer.Flush(); err != nil {
			return err
		}
	}
	return writer.Close()
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
