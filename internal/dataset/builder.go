package dataset

import (
	"context"
	"fmt"
	"slices"

	"github.com/bakeoffhq/bakeoff"
)

// builder turns the rows of a file into the two parts of a snapshot, in two passes over them: the first
// finds out what the columns hold and which row is which, the second fills the parts. Of each row it
// holds its identity, label and side.
type builder struct {
	source  Source
	rows    *textRows
	raw     *rawTable
	missing missingTexts
	surveys []*survey // of the features, in file order

	target  *target
	weights []float64 // of every row; nil where the source names none
	hashes  []uint64
	noKey   place  // the first row without a key
	keys    bool   // every row has one
	sides   []side // of every row
	counts  [3]int // of the rows of each side

	span  *bakeoff.Span // as in a Snapshot
	notes []string
}

// side says to which part a row belongs.
type side uint8

const (
	setAside side = iota // it has no label
	inTrain
	inHoldout
)

func (b *builder) note(text string) {
	if text != "" {
		b.notes = append(b.notes, text)
	}
}

func (b *builder) errorf(format string, args ...any) *bakeoff.Error {
	return bakeoff.Errorf(bakeoff.CodeInvalid, "%s: "+format, append([]any{b.source.Path}, args...)...)
}

// The shares of the work at which its parts begin, as they are where a file is large: the first pass,
// another where the first left something open, the second, and the ends of the files.
const (
	surveyFrom = 0.0
	settleFrom = 0.40
	fillFrom   = 0.42
	endFrom    = 0.95
)

// progress has the next pass told as the work from one share to another.
func (b *builder) progress(from, to float64) {
	if b.source.Progress != nil {
		b.rows.told = func(share float64) { b.source.Progress(from + share*(to-from)) }
	}
}

// find makes the first pass, and one more where that left open which categories there are.
func (b *builder) find(ctx context.Context, features []string, identity bakeoff.Identity) error {
	b.progress(surveyFrom, settleFrom)
	if err := b.survey(ctx, features, identity); err != nil {
		return err
	}
	if b.rows.rows == 0 {
		return bakeoff.Errorf(bakeoff.CodeInvalid, "%s: the file has a header and no rows", b.source.Path).
			WithHint("at least two rows are needed, one to train on and one to judge by")
	}
	var err error
	if b.target, err = readTarget(b.raw, b.source, b.missing); err != nil {
		return err
	}
	if b.weights, err = readWeights(b.raw, b.source, b.missing, b.target); err != nil {
		return err
	}
	if !b.keys {
		return b.raw.errorfAt(b.noKey, "column %q: the key is missing", identity.Key).
			WithHint("every row needs a value in the key column; without data.key the features tell rows apart")
	}
	if err := b.split(); err != nil {
		return err
	}
	if err := b.checkWeights(); err != nil {
		return err
	}
	b.noteTarget()
	b.raw.columns = nil
	return b.settle(ctx)
}

// split decides the side of every labelled row; the others are set aside.
func (b *builder) split() error {
	labelled := make([]bool, b.rows.rows)
	for row := range labelled {
		labelled[row] = !b.target.missing(row)
	}
	d, err := sides(b.raw, b.source, b.hashes, labelled)
	if err != nil {
		return err
	}
	b.note(d.note)
	b.span = d.span
	b.sides = make([]side, len(labelled))
	for row, isLabelled := range labelled {
		switch {
		case !isLabelled:
		case d.holdout[row]:
			b.sides[row] = inHoldout
		default:
			b.sides[row] = inTrain
		}
		b.counts[b.sides[row]]++
	}
	if b.counts[inTrain] == 0 {
		return b.errorf("no training rows: all %d rows are in the holdout", b.counts[inHoldout]).
			WithHint("%s", moreRows(b.source.Split, "smaller"))
	}
	if b.counts[inHoldout] == 0 {
		return b.errorf("no holdout rows: all %d rows are training rows", b.counts[inTrain]).
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

// freeze makes the second pass: it fills the parts, writes those that have a path, and describes both.
func (b *builder) freeze(ctx context.Context, identity bakeoff.Identity, paths [3]string) (snapshot bakeoff.Snapshot, err error) {
	schema, err := b.labels()
	if err != nil {
		return snapshot, err
	}
	f := newFilling(b)
	defer f.close()
	for of, path := range paths {
		if path != "" {
			if err := b.create(f.parts[of], path); err != nil {
				return snapshot, fmt.Errorf("write frozen rows: %w", err)
			}
		}
	}
	b.progress(fillFrom, endFrom)
	if err := f.run(ctx); err != nil {
		return snapshot, err
	}
	for i, s := range b.surveys {
		schema.Columns = append(schema.Columns, bakeoff.ColumnSchema{
			Name: s.name, Kind: s.kind(), Categories: f.traits[i].levels(), Missing: f.traits[i].missing,
		})
	}
	b.noteFeatures(f.traits)
	snapshot = bakeoff.Snapshot{
		Schema: schema, Rows: b.count(), Identity: identity, Split: b.source.Split, Span: b.span,
		Missing: b.source.Missing, Notes: b.notes,
	}
	if snapshot.Train, err = f.parts[inTrain].end(); err != nil {
		return snapshot, fmt.Errorf("write training rows: %w", err)
	}
	if snapshot.Holdout, err = f.parts[inHoldout].end(); err != nil {
		return snapshot, fmt.Errorf("write holdout: %w", err)
	}
	return snapshot, nil
}

// labels describes what the training rows are labelled with.
func (b *builder) labels() (bakeoff.Schema, error) {
	s := bakeoff.Schema{Target: b.source.Target, Task: b.target.task, Weight: b.source.Weight}
	if b.target.classes == nil {
		return s, nil
	}
	var err error
	s.Classes, err = b.classes()
	if s.Task == "" {
		s.Task = bakeoff.Multiclass
		if len(s.Classes) == 2 {
			s.Task = bakeoff.Binary
		}
	}
	return s, err
}

func (b *builder) count() bakeoff.Rows {
	return bakeoff.Rows{
		Train:         b.counts[inTrain],
		Holdout:       b.counts[inHoldout],
		SetAside:      b.counts[setAside],
		MissingTarget: b.counts[setAside],
	}
}

// classes returns the classes of the training rows. A holdout row of another class stays in the
// holdout, where every contestant gets it wrong: it is a row that production would bring, too.
func (b *builder) classes() ([]string, error) {
	counts := [3][]int{inTrain: make([]int, len(b.target.classes)), inHoldout: make([]int, len(b.target.classes))}
	for row, code := range b.target.codes {
		if code >= 0 {
			counts[b.sides[row]][code]++
		}
	}
	var classes, unseen []string
	rows, judged := 0, 0
	for code, class := range b.target.classes {
		if counts[inHoldout][code] > 0 {
			judged++
		}
		if counts[inTrain][code] > 0 {
			classes = append(classes, class)
		} else if counts[inHoldout][code] > 0 {
			unseen = append(unseen, class)
			rows += counts[inHoldout][code]
		}
	}
	if len(classes) < 2 {
		return nil, b.errorf("target %q: all %d training rows are of one class, %q", b.source.Target, b.counts[inTrain], classes[0]).
			WithHint("%s", moreRows(b.source.Split, "smaller"))
	}
	if judged < 2 {
		return nil, b.errorf("target %q: all %d holdout rows are of one class", b.source.Target, b.counts[inHoldout]).
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

// repeated counts the hashes that are not the first of their value.
func repeated(hashes []uint64) int {
	sorted := slices.Clone(hashes)
	slices.Sort(sorted)
	return len(hashes) - len(slices.Compact(sorted))
}
