package dataset

import (
	"bufio"
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
	buffered := bufio.NewWriterSize(w, 1<<16)
	out := csv.NewWriter(buffered)
	record := make([]string, 0, len(r.Table.Columns)+2)
	for _, c := range r.Table.Columns {
		record = append(record, c.Name)
	}
	if r.Labels.Weights != nil {
		record = append(record, schema.Weight)
	}
	if err := out.Write(append(record, schema.Target)); err != nil {
		return err
	}
	for row := range r.Table.Rows {
		record = record[:0]
		for i := range r.Table.Columns {
			record = append(record, r.Table.Columns[i].text(row))
		}
		if r.Labels.Weights != nil {
			record = append(record, formatValue(bakeoff.KindNumber, r.Labels.Weights[row]))
		}
		if err := out.Write(append(record, labelText(r.Labels, row))); err != nil {
			return err
		}
	}
	out.Flush()
	if err := out.Error(); err != nil {
		return err
	}
	return buffered.Flush()
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
