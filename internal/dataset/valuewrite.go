package dataset

import (
	"fmt"
	"io"

	"github.com/parquet-go/parquet-go"

	"github.com/bakeoffhq/bakeoff"
)

// ParquetWriter writes rows that were read to score, and columns of answers behind theirs, as a
// Parquet file. It is written in one go, so that it may be stdout, and in constant memory.
type ParquetWriter struct {
	writer *parquet.GenericWriter[any]
	inputs []parquet.Node
	// typed has for each column of the input where in the schema it is, or -1: it is text then.
	typed []int
	rows  int // of the row group
}

// NewParquetWriter returns a writer for the rows of r: a column of a Parquet file is as it was, one of
// a CSV file is of the model's kind where the model has it, and else text. Answers has the names and
// kinds of the columns that are added.
func NewParquetWriter(w io.Writer, r *Reader, answers []bakeoff.ColumnSchema) (_ *ParquetWriter, err error) {
	defer Recovered(&err)
	p := &ParquetWriter{typed: make([]int, len(r.header))}
	p.describe(r)
	group := orderedGroup{Group: parquet.Group{}}
	for i, name := range r.header {
		group.add(name, p.inputs[i])
	}
	for _, c := range answers {
		group.add(c.Name, parquet.Optional(valueNode(c.Kind)))
	}
	p.writer = parquet.NewGenericWriter[any](w, parquet.NewSchema("rows", group), parquet.Compression(&parquet.Snappy))
	return p, nil
}

// describe finds how the columns of the input are written.
func (p *ParquetWriter) describe(r *Reader) {
	kinds := make([]bakeoff.Kind, len(r.header))
	for i := range p.typed {
		p.typed[i], kinds[i] = -1, bakeoff.KindCategory
	}
	for column, field := range r.fields {
		p.typed[field], kinds[field] = column, r.schema.Columns[column].Kind
	}
	for i := range r.header {
		if r.values != nil {
			p.inputs = append(p.inputs, r.values.columns[i].node)
			continue
		}
		p.inputs = append(p.inputs, parquet.Optional(valueNode(kinds[i])))
	}
}

// valueNode describes a column of a kind.
func valueNode(kind bakeoff.Kind) parquet.Node {
	if kind == bakeoff.KindCategory {
		return parquet.String()
	}
	node, _ := frozenNumber(kind)
	return node
}

// orderedGroup is a group whose columns are in the order in which they were added, not in that of
// their names.
type orderedGroup struct {
	parquet.Group
	names []string
}

func (g *orderedGroup) add(name string, node parquet.Node) {
	g.Group[name] = node
	g.names = append(g.names, name)
}

// Fields implements parquet.Node.
func (g orderedGroup) Fields() []parquet.Field {
	byName := make(map[string]parquet.Field, len(g.Group))
	for _, f := range g.Group.Fields() {
		byName[f.Name()] = f
	}
	fields := make([]parquet.Field, len(g.names))
	for i, name := range g.names {
		fields[i] = byName[name]
	}
	return fields
}

// Encoded are rows that are ready to be written: the values of each column.
type Encoded [][]parquet.Value

// Encode makes the rows of a batch, its table and the answers to them ready for Write. It may be called
// from many goroutines.
func (p *ParquetWriter) Encode(b *Batch, t *Table, answers []Column) Encoded {
	all := make(Encoded, 0, len(p.typed)+len(answers))
	for field, column := range p.typed {
		switch {
		case b.values != nil:
			all = append(all, b.values.columns[field][b.lo:b.hi])
		case column >= 0:
			all = append(all, valuesOf(&t.Columns[column], len(all)))
		default:
			all = append(all, b.texted(field, len(all)))
		}
	}
	for i := range answers {
		all = append(all, valuesOf(&answers[i], len(all)))
	}
	return all
}

// texted returns the cells of a field as the texts of an optional column.
func (b *Batch) texted(field, index int) []parquet.Value {
	values := make([]parquet.Value, b.Rows())
	for row := range values {
		values[row] = parquet.NullValue().Level(0, 0, index)
		if cell := b.cell(row, field); cell != "" {
			values[row] = parquet.ByteArrayValue([]byte(cell)).Level(0, 1, index)
		}
	}
	return values
}

// valuesOf returns a column as the values of an optional one.
func valuesOf(c *Column, index int) []parquet.Value {
	var value func(row int) parquet.Value // of one that is not missing
	if c.Kind == bakeoff.KindCategory {
		texts := make([]parquet.Value, len(c.Levels))
		for i, level := range c.Levels {
			texts[i] = parquet.ByteArrayValue([]byte(level))
		}
		value = func(row int) parquet.Value { return texts[c.Codes[row]] }
	} else {
		_, number := frozenNumber(c.Kind)
		value = func(row int) parquet.Value { return number(c.Numbers[row]) }
	}
	values := make([]parquet.Value, max(len(c.Codes), len(c.Numbers)))
	for row := range values {
		if c.Missing(row) {
			values[row] = parquet.NullValue().Level(0, 0, index)
		} else {
			values[row] = value(row).Level(0, 1, index)
		}
	}
	return values
}

// Write writes rows behind those that were written. It is called from one goroutine.
func (p *ParquetWriter) Write(rows Encoded) (err error) {
	defer Recovered(&err)
	writers := p.writer.ColumnWriters()
	for i, values := range rows {
		if _, err := writers[i].WriteRowValues(values); err != nil {
			return fmt.Errorf("column %d: %w", i+1, err)
		}
	}
	if p.rows += len(rows[0]); p.rows < rowGroupRows {
		return nil
	}
	p.rows = 0
	return p.writer.Flush()
}

// Close writes the end of the file.
func (p *ParquetWriter) Close() (err error) {
	defer Recovered(&err)
	return p.writer.Close()
}
