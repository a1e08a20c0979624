package wire

import (
	"bytes"
	"encoding/csv"
	"errors"
	"io"
	"math"
	"slices"
	"strings"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/dataset"
)

// readCSV reads rows below a header. Cells are read as those of the training rows: space around
// them does not count, and what was a missing value there is one here.
func (r *Request) readCSV() error {
	in := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(r.scan.data, []byte("\ufeff"))))
	in.ReuseRecord = true
	header, err := in.Read()
	if err != nil {
		return csvError(err)
	}
	positions := make([]int, len(header))
	for i, name := range header {
		column, known := r.codec.position[strings.TrimSpace(name)]
		if !known {
			return r.codec.unknownColumn("column", strings.TrimSpace(name))
		}
		if slices.Contains(positions[:i], column) {
			return bakeoff.Errorf(bakeoff.CodeInvalid, "column %q is given twice", name)
		}
		positions[i] = column
	}
	for {
		cells, err := in.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return csvError(err)
		}
		if err := r.csvRow(cells, positions); err != nil {
			return err
		}
	}
}

// csvError passes on what is wrong with the shape of the text, which shows line and column alone.
func csvError(err error) error {
	if errors.Is(err, io.EOF) {
		return bakeoff.Errorf(bakeoff.CodeInvalid, "the request is empty, but a header and rows in CSV are wanted")
	}
	return bakeoff.Errorf(bakeoff.CodeInvalid, "malformed CSV: %w", err)
}

func (r *Request) csvRow(cells []string, positions []int) error {
	g := r.columns
	if err := g.openRow(); err != nil {
		return err
	}
	for i, cell := range cells {
		column := positions[i]
		g.seen[column] = g.table.Rows
		if cell = strings.TrimSpace(cell); dataset.MissingCell(cell) || slices.Contains(r.codec.version.Lineage.Snapshot.Missing, cell) {
			continue
		}
		if err := g.csvCell(column, cell); err != nil {
			return err
		}
	}
	return g.closeRow(len(cells))
}

// csvCell sets the last cell of a column. An infinite number is a missing value, as in a file.
func (g *columns) csvCell(column int, cell string) error {
	c := &g.table.Columns[column]
	if c.Kind == bakeoff.KindCategory {
		return g.text(column, []byte(cell))
	}
	v, ok := dataset.ParseCell(c.Kind, cell)
	if !ok {
		return g.wrong(column, "the cell cannot be read: "+wanted(c.Kind))
	}
	if !math.IsInf(v, 0) {
		c.Numbers[len(c.Numbers)-1] = v
	}
	return nil
}
