package predict

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"sync"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/dataset"
)

// csvSink writes CSV.
type csvSink struct {
	w     io.Writer
	spare sync.Pool // of *[]byte, the memory of texts
}

func (b *batch) runCSV(ctx context.Context, w io.Writer) error {
	var header []byte
	for i, name := range append(b.in.Header(), b.added()...) {
		if i > 0 {
			header = append(header, ',')
		}
		header = dataset.AppendCell(header, name)
	}
	if _, err := w.Write(append(header, '\n')); err != nil {
		return fmt.Errorf("write predictions: %w", err)
	}
	b.out = &csvSink{w: w, spare: sync.Pool{New: func() any { return new([]byte) }}}
	return b.run(ctx)
}

func (s *csvSink) encode(rows *dataset.Batch, t *dataset.Table, p *bakeoff.Predictions) encoded {
	memory := s.spare.Get().(*[]byte)
	text := (*memory)[:0]
	for row := range t.Rows {
		text = rows.AppendCSV(text, row)
		text = append(appendAnswer(text, p, row), '\n')
	}
	*memory = text
	return encoded{text: memory}
}

func (s *csvSink) write(e encoded) error {
	_, err := s.w.Write(*e.text)
	s.spare.Put(e.text)
	return err
}

// appendAnswer appends the cells of a row's answer, each behind a comma.
func appendAnswer(text []byte, p *bakeoff.Predictions, row int) []byte {
	k := len(p.Classes)
	if k == 0 {
		return appendNumber(append(text, ','), p.Values[row])
	}
	text = dataset.AppendCell(append(text, ','), p.Classes[p.Class(row)])
	for _, v := range p.Probabilities[row*k : (row+1)*k] {
		text = appendNumber(append(text, ','), v)
	}
	return text
}

// appendNumber appends v so that reading gives the same bits.
func appendNumber(text []byte, v float64) []byte { return strconv.AppendFloat(text, v, 'g', -1, 64) }

// parquetSink writes Parquet.
type parquetSink struct {
	writer  *dataset.ParquetWriter
	columns []bakeoff.ColumnSchema // of the answers
}

func (b *batch) runParquet(ctx context.Context, w io.Writer) error {
	s := &parquetSink{}
	for _, name := range b.added() {
		s.columns = append(s.columns, bakeoff.ColumnSchema{Name: name, Kind: bakeoff.KindNumber})
	}
	if b.schema.Task != bakeoff.Regression {
		s.columns[0].Kind = bakeoff.KindCategory
	}
	var err error
	if s.writer, err = dataset.NewParquetWriter(w, b.in, s.columns); err != nil {
		return fmt.Errorf("write predictions: %w", err)
	}
	b.out = s
	if err := b.run(ctx); err != nil {
		return err
	}
	if err := s.writer.Close(); err != nil {
		return fmt.Errorf("write predictions: %w", err)
	}
	return nil
}

func (s *parquetSink) encode(rows *dataset.Batch, t *dataset.Table, p *bakeoff.Predictions) encoded {
	answers := make([]dataset.Column, len(s.columns))
	for i, c := range s.columns {
		answers[i] = dataset.Column{Name: c.Name, Kind: c.Kind}
	}
	if len(p.Classes) == 0 {
		answers[0].Numbers = p.Values
		return encoded{values: s.writer.Encode(rows, t, answers)}
	}
	answers[0].Levels = p.Classes
	for row := range t.Rows {
		answers[0].Codes = append(answers[0].Codes, int32(p.Class(row)))
		for k := range p.Classes {
			answers[k+1].Numbers = append(answers[k+1].Numbers, p.Probabilities[row*len(p.Classes)+k])
		}
	}
	return encoded{values: s.writer.Encode(rows, t, answers)}
}

func (s *parquetSink) write(e encoded) error { return s.writer.Write(e.values) }
