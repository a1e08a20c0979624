package dataset

import (
	"bufio"
	"context"
	"encoding/csv"
	"io"
	"unicode"
	"unicode/utf8"

	"github.com/bakeoffhq/bakeoff"
)

// WriteCSV writes rows as a trainer of any language reads them: a header, the features in the order
// of the schema, the weight where the schema has one, and then the target, in canonical text; a missing
// value is an empty cell. Booleans
// are true and false, dates RFC 3339 in UTC. Every row must have a label of the schema.
func WriteCSV(w io.Writer, r *Rows, schema bakeoff.Schema) error {
	out := newCSVOut(w)
	if err := out.header(schema, r.Labels); err != nil {
		return err
	}
	if err := out.rows(r.Table, r.Labels, 0); err != nil {
		return err
	}
	return out.end()
}

// WriteCSV writes the rows of the part as the function of that name does, a group at a time.
func (p *Part) WriteCSV(ctx context.Context, w io.Writer) error {
	labels, err := p.Labels()
	if err != nil {
		return err
	}
	out := newCSVOut(w)
	if err := out.header(p.schema, labels); err != nil {
		return err
	}
	for i := range p.Groups() {
		t, before, err := p.Group(ctx, i)
		if err != nil {
			return err
		}
		if err := out.rows(t, labels, before); err != nil {
			return err
		}
	}
	return out.end()
}

// csvOut writes rows as CSV text.
type csvOut struct {
	buffered *bufio.Writer
	out      *csv.Writer
	record   []string
}

func newCSVOut(w io.Writer) *csvOut {
	buffered := bufio.NewWriterSize(w, 1<<16)
	return &csvOut{buffered: buffered, out: csv.NewWriter(buffered)}
}

func (o *csvOut) header(schema bakeoff.Schema, labels bakeoff.Labels) error {
	for _, c := range schema.Columns {
		o.record = append(o.record, c.Name)
	}
	if labels.Weights != nil {
		o.record = append(o.record, schema.Weight)
	}
	return o.out.Write(append(o.record, schema.Target))
}

// rows writes the rows of a table; their labels begin at the given one.
func (o *csvOut) rows(t *Table, labels bakeoff.Labels, first int) error {
	for row := range t.Rows {
		o.record = o.record[:0]
		for i := range t.Columns {
			o.record = append(o.record, t.Columns[i].text(row))
		}
		if labels.Weights != nil {
			o.record = append(o.record, formatValue(bakeoff.KindNumber, labels.Weights[first+row]))
		}
		if err := o.out.Write(append(o.record, labelText(labels, first+row))); err != nil {
			return err
		}
	}
	return nil
}

func (o *csvOut) end() error {
	o.out.Flush()
	if err := o.out.Error(); err != nil {
		return err
	}
	return o.buffered.Flush()
}

// text returns the canonical text of a row's value, "" for a missing one.
func (c *Column) text(row int) string {
	switch {
	case c.Missing(row):
		return ""
	case c.Kind == bakeoff.KindCategory:
		return c.Levels[c.Codes[row]]
	}
	return formatValue(c.Kind, c.Numbers[row])
}

func labelText(labels bakeoff.Labels, row int) string {
	if labels.Codes == nil {
		return formatValue(bakeoff.KindNumber, labels.Values[row])
	}
	if code := labels.Codes[row]; code >= 0 {
		return labels.Classes[code]
	}
	return ""
}

// AppendCell appends a cell as encoding/csv writes it between commas: in quotes where it needs them.
func AppendCell(text []byte, cell string) []byte {
	if !needsQuotes(cell) {
		return append(text, cell...)
	}
	text = append(text, '"')
	for i := range len(cell) {
		if cell[i] == '"' {
			text = append(text, '"')
		}
		text = append(text, cell[i])
	}
	return append(text, '"')
}

func needsQuotes(cell string) bool {
	for i := range len(cell) {
		switch cell[i] {
		case ',', '"', '\r', '\n':
			return true
		}
	}
	if cell == "" || plain(cell[0]) {
		return cell == `\.` // which ends the data for some databases
	}
	first, _ := utf8.DecodeRuneInString(cell)
	return unicode.IsSpace(first)
}
