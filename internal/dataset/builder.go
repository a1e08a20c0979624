package dataset

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/bakeoffhq/bakeoff"
)

// builder turns the cells of a file into the two parts of a snapshot.
type builder struct {
	source  Source
	raw     *rawTable
	missing missingTexts
	target  *target
	// trainRows and holdoutRows are the rows of the two parts, in file order.
	trainRows, holdoutRows []int
	span                   *bakeoff.Span // as in a Snapshot
	notes                  []string
}

func (b *builder) note(text string) {
	if text != "" {
		b.notes = append(b.notes, text)
	}
}

func (b *builder) errorf(format string, args ...any) *bakeoff.Error {
	return bakeoff.Errorf(bakeoff.CodeInvalid, "%s: "+format, append([]any{b.source.Path}, args...)...)
}

func (b *builder) build(ctx context.Context, features []string, identity bakeoff.Identity) (*framed, error) {
	var err error
	if b.target, err = readTarget(b.raw, b.source, b.missing); err != nil {
		return nil, err
	}
	hashes, err := identities(b.raw, identity)
	if err != nil {
		return nil, err
	}
	if err := b.split(hashes); err != nil {
		return nil, err
	}
	b.noteTarget(hashes)
	columns, err := b.features(ctx, features)
	if err != nil {
		return nil, err
	}
	f := &framed{
		train:   b.part(b.trainRows, columns, hashes),
		holdout: b.part(b.holdoutRows, columns, hashes),
	}
	schema, err := b.schema(f)
	if err != nil {
		return nil, err
	}
	b.noteFeatures(columns, f.train, schema)
	f.snapshot = bakeoff.Snapshot{
		Schema:   schema,
		Rows:     b.count(),
		Identity: identity,
		Split:    b.source.Split,
		Span:     b.span,
		Missing:  b.source.Missing,
		Notes:    b.notes,
	}
	return f, nil
}

// split decides the side of every labelled row; the others are set aside.
func (b *builder) split(hashes []uint64) error {
	labelled := make([]bool, len(b.raw.lines))
	for row := range labelled {
		labelled[row] = !b.target.missing(row)
	}
	d, err := sides(b.raw, b.source, hashes, labelled)
	if err != nil {
		return err
	}
	b.note(d.note)
	b.span = d.span
	for row, isLabelled := range labelled {
		switch {
		case !isLabelled:
		case d.holdout[row]:
			b.holdoutRows = append(b.holdoutRows, row)
		default:
			b.trainRows = append(b.trainRows, row)
		}
	}
	if len(b.trainRows) == 0 {
		return b.errorf("no training rows: all %d rows are in the holdout", len(b.holdoutRows)).
			WithHint("%s", moreRows(b.source.Split, "smaller"))
	}
	if len(b.holdoutRows) == 0 {
		return b.errorf("no holdout rows: all %d rows are training rows", len(b.trainRows)).
			WithHint("%s", moreRows(b.source.Split, "larger"))
	}
	return nil
}

// moreRows says what to do about a part that is too small.
func moreRows(split bakeoff.Split, size string) string {
	switch split.By {
	case bakeoff.SplitByColumn:
		return fmt.Sprintf("mark other rows in column %q, or choose another way to split", split.Column)
	case bakeoff.SplitByTime:
		return fmt.Sprintf("more rows or a %s data.split.holdout are needed, or another way to split", size)
	}
	return fmt.Sprintf("more rows, a %s data.split.holdout or another data.split.seed are needed", size)
}

func (b *builder) count() bakeoff.Rows {
	missing := len(b.raw.lines) - len(b.trainRows) - len(b.holdoutRows)
	return bakeoff.Rows{
		Train:         len(b.trainRows),
		Holdout:       len(b.holdoutRows),
		SetAside:      missing,
		MissingTarget: missing,
	}
}

// features reads the columns to learn from; each one's text is let go once it is read.
func (b *builder) features(ctx context.Context, names []string) ([]typedColumn, error) {
	columns := make([]typedColumn, len(names))
	for i, name := range names {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		c, err := b.raw.typed(name, b.source.Columns[name], b.missing)
		if err != nil {
			return nil, err
		}
		delete(b.raw.columns, name)
		columns[i] = c
	}
	return columns, nil
}

// part gathers some rows.
func (b *builder) part(rows []int, columns []typedColumn, hashes []uint64) *Rows {
	r := &Rows{
		Table:    &Table{Rows: len(rows), Columns: make([]Column, len(columns))},
		Identity: gather(hashes, rows),
	}
	for i := range columns {
		r.Table.Columns[i] = columns[i].rows(rows)
	}
	if b.target.classes == nil {
		r.Labels.Values = gather(b.target.values, rows)
		return r
	}
	r.Labels.Classes = b.target.classes
	r.Labels.Codes = gather(b.target.codes, rows)
	return r
}

// rows returns some rows of a column, with the levels that occur in them.
func (c *Column) rows(rows []int) Column {
	part := Column{Name: c.Name, Kind: c.Kind}
	if c.Kind != bakeoff.KindCategory {
		part.Numbers = gather(c.Numbers, rows)
		return part
	}
	part.Codes, part.Levels = sortLevels(gather(c.Codes, rows), c.Levels)
	return part
}

func gather[T any](values []T, rows []int) []T {
	part := make([]T, len(rows))
	for i, row := range rows {
		part[i] = values[row]
	}
	return part
}

// schema describes the training rows.
func (b *builder) schema(f *framed) (bakeoff.Schema, error) {
	s := bakeoff.Schema{Target: b.source.Target, Task: b.target.task}
	for i := range f.train.Table.Columns {
		c := &f.train.Table.Columns[i]
		s.Columns = append(s.Columns, bakeoff.ColumnSchema{
			Name: c.Name, Kind: c.Kind, Categories: c.Levels, Missing: c.anyMissing(),
		})
	}
	if b.target.classes == nil {
		return s, nil
	}
	var err error
	s.Classes, err = b.classes(f)
	if s.Task == "" {
		s.Task = bakeoff.Multiclass
		if len(s.Classes) == 2 {
			s.Task = bakeoff.Binary
		}
	}
	return s, err
}

// classes returns the classes of the training rows. A holdout row of another class stays in the
// holdout, where every contestant gets it wrong: it is a row that production would bring, too.
func (b *builder) classes(f *framed) ([]string, error) {
	inTrain := countCodes(f.train.Labels.Codes, len(b.target.classes))
	inHoldout := countCodes(f.holdout.Labels.Codes, len(b.target.classes))
	var classes, unseen []string
	rows, judged := 0, 0
	for code, class := range b.target.classes {
		if inHoldout[code] > 0 {
			judged++
		}
		if inTrain[code] > 0 {
			classes = append(classes, class)
		} else if inHoldout[code] > 0 {
			unseen = append(unseen, class)
			rows += inHoldout[code]
		}
	}
	if len(classes) < 2 {
		return nil, b.errorf("target %q: all %d training rows are of one class, %q", b.source.Target, f.train.Table.Rows, classes[0]).
			WithHint("%s", moreRows(b.source.Split, "smaller"))
	}
	if judged < 2 {
		return nil, b.errorf("target %q: all %d holdout rows are of one class", b.source.Target, f.holdout.Table.Rows).
			WithHint("%s", moreRows(b.source.Split, "larger"))
	}
	if rows > 0 {
		b.note(fmt.Sprintf("%d holdout rows are of a class that no training row has (%s): every contestant gets them wrong", rows, quoted(unseen)))
	}
	return classes, nil
}

// countCodes counts each code.
func countCodes(codes []int32, n int) []int {
	counts := make([]int, n)
	for _, code := range codes {
		if code >= 0 {
			counts[code]++
		}
	}
	return counts
}

func (c *Column) anyMissing() bool {
	for row := range max(len(c.Numbers), len(c.Codes)) {
		if c.Missing(row) {
			return true
		}
	}
	return false
}

// distinctRows counts the distinct values among some of them.
func distinctRows[T comparable](values []T) int {
	seen := make(map[T]struct{}, len(values))
	for _, v := range values {
		seen[v] = struct{}{}
	}
	return len(seen)
}

// hasConstant reports whether every row has the same value, or none has one.
func (c *Column) hasConstant() bool {
	if c.Kind == bakeoff.KindCategory {
		return len(c.Levels) == 0 || len(c.Levels) == 1 && !slices.Contains(c.Codes, -1)
	}
	first := c.Numbers[0]
	return !slices.ContainsFunc(c.Numbers, func(v float64) bool {
		return v != first && !(math.IsNaN(v) && math.IsNaN(first))
	})
}
