package dataset

import (
	"context"
	"fmt"
	"math"
	"sync"

	"github.com/bakeoffhq/bakeoff"
)

// part is one of the two parts of a snapshot while it is filled, row group by row group.
type part struct {
	side   side
	rows   *Rows       // of the row group at the time, with room for all that it can have
	filled int         // how many there are
	writer *partWriter // nil where nothing is written
}

// newPart returns a part without rows.
func (b *builder) newPart(of side) *part {
	room := min(rowGroupRows, b.counts[of])
	p := &part{side: of, rows: &Rows{Table: &Table{Rows: room}, Identity: make([]uint64, room)}}
	for _, s := range b.surveys {
		c := Column{Name: s.name, Kind: s.kind()}
		if c.Kind == bakeoff.KindCategory {
			c.Codes, c.Levels = make([]int32, room), s.levels.texts
		} else {
			c.Numbers = make([]float64, room)
		}
		p.rows.Table.Columns = append(p.rows.Table.Columns, c)
	}
	if b.target.classes == nil {
		p.rows.Labels.Values = make([]float64, room)
	} else {
		p.rows.Labels = bakeoff.Labels{Classes: b.target.classes, Codes: make([]int32, room)}
	}
	if b.weights != nil && of == inTrain { // the judge counts each row of the holdout once
		p.rows.Labels.Weights = make([]float64, room)
	}
	return p
}

// create has the part written to a file.
func (b *builder) create(p *part, path string) (err error) {
	dictionary := make(map[string]bool, len(b.surveys)+1)
	for _, s := range b.surveys {
		dictionary[s.name] = s.dictionary[p.side]
	}
	dictionary[b.source.Target] = size(b.target.classes) <= maxDictionary
	p.writer, err = newPartWriter(path, p.rows, names{b.source.Target, b.source.Weight}, func(name string) bool { return dictionary[name] })
	return err
}

// size is the number of bytes of all texts.
func size(texts []string) int {
	n := 0
	for _, text := range texts {
		n += len(text)
	}
	return n
}

// end ends the file, if the part is written, and returns its digest.
func (p *part) end() (bakeoff.Digest, error) {
	if p.writer == nil {
		return "", nil
	}
	return p.writer.end()
}

// flush writes the row group, if the part is written, and begins the next.
func (p *part) flush(ctx context.Context) error {
	n := p.filled
	p.filled = 0
	if p.writer == nil || n == 0 {
		return nil
	}
	return p.writer.write(ctx, n)
}

// filling is the second pass: it fills the parts.
type filling struct {
	b      *builder
	parts  [3]*part  // by side; nil for the rows that are set aside
	traits []*traits // of the columns of the training rows
	at     []int32   // for each row of a block, where in its part's row group it goes
}

func newFilling(b *builder) *filling {
	f := &filling{b: b, parts: [3]*part{inTrain: b.newPart(inTrain), inHoldout: b.newPart(inHoldout)}}
	train := f.parts[inTrain].rows
	for i := range train.Table.Columns {
		f.traits = append(f.traits, newTraits(&train.Table.Columns[i], &train.Labels))
	}
	return f
}

// run goes through all rows and ends the parts.
func (f *filling) run(ctx context.Context) error {
	err := f.b.rows.each(ctx, pass{workers: 1, then: func(_ int, b *block) error { return f.take(ctx, b) }})
	for _, p := range f.parts {
		if err == nil && p != nil {
			err = p.flush(ctx)
		}
	}
	return err
}

// close closes the files of parts that have not ended.
func (f *filling) close() {
	for _, p := range f.parts {
		if p != nil && p.writer != nil {
			_ = p.writer.close() // what matters has been told
		}
	}
}

// take fills in a block, and has each part written when its row group is full.
func (f *filling) take(ctx context.Context, b *block) error {
	for lo := 0; lo < b.rows; {
		before := [3]int{inTrain: f.parts[inTrain].filled, inHoldout: f.parts[inHoldout].filled}
		hi := f.place(b, lo)
		f.fill(b, lo, hi, before[inTrain])
		for _, p := range f.parts {
			if p != nil && p.filled == len(p.rows.Identity) {
				if err := p.flush(ctx); err != nil {
					return fmt.Errorf("write frozen rows: %w", err)
				}
			}
		}
		lo = hi
	}
	return nil
}

// place gives the rows from lo on their places, until a part's row group is full, and returns where
// that is; identities and labels are there then.
func (f *filling) place(b *block, lo int) int {
	f.at = f.at[:0]
	row := lo
	for full := false; row < b.rows && !full; row++ {
		all := b.first + row
		p := f.parts[f.b.sides[all]]
		if p == nil {
			f.at = append(f.at, 0)
			continue
		}
		f.at = append(f.at, int32(p.filled))
		p.rows.Identity[p.filled] = f.b.hashes[all]
		if f.b.target.classes == nil {
			p.rows.Labels.Values[p.filled] = f.b.target.values[all]
		} else {
			p.rows.Labels.Codes[p.filled] = f.b.target.codes[all]
		}
		if p.rows.Labels.Weights != nil {
			p.rows.Labels.Weights[p.filled] = f.b.weights[all]
		}
		p.filled++
		full = p.filled == len(p.rows.Identity)
	}
	return row
}

// enoughCells is how many cells are worth waking another goroutine for.
const enoughCells = 1 << 14

// fill fills in the columns of the rows from lo up to hi; of the training rows, those are from the
// given one of the row group on.
func (f *filling) fill(b *block, lo, hi, from int) {
	columns := len(f.b.surveys)
	workers := min(allWorkers(), 1+(hi-lo)*columns/enoughCells, columns)
	var all sync.WaitGroup
	for worker := range workers {
		work := func() {
			for i := worker; i < columns; i += workers {
				f.column(i, b, lo, hi)
				f.traits[i].take(from, f.parts[inTrain].filled)
			}
		}
		if worker == workers-1 {
			work()
		} else {
			all.Go(work)
		}
	}
	all.Wait()
}

// column fills in one column.
func (f *filling) column(i int, b *block, lo, hi int) {
	s := f.b.surveys[i]
	sides := f.b.sides[b.first+lo : b.first+hi]
	var columns [3]*Column
	for of, p := range f.parts {
		if p != nil {
			columns[of] = &p.rows.Table.Columns[i]
		}
	}
	read := s.number()
	for n, of := range sides {
		c := columns[of]
		if c == nil {
			continue
		}
		cell := b.cell(lo+n, s.field)
		if read != nil {
			c.Numbers[f.at[n]] = read(cell)
		} else {
			c.Codes[f.at[n]] = s.code(cell)
		}
	}
}

// number returns what a cell of a column of numbers holds, NaN where it is missing or infinite; nil for
// a category. Every cell is of the column's kind, as the first pass has seen.
func (s *survey) number() func(cell string) float64 {
	parse := inferring(s.kind())
	if s.stated != "" {
		parse = reading(s.kind())
	}
	if parse == nil {
		return nil
	}
	return func(cell string) float64 {
		v, ok := parse(cell)
		if !ok || math.IsInf(v, 0) || s.missing.has(cell) {
			return math.NaN()
		}
		return v
	}
}

// code returns the level of a cell, -1 where it is missing.
func (s *survey) code(cell string) int32 {
	if s.missing.has(cell) {
		return -1
	}
	return s.levels.codes[cell]
}
