package dataset

import (
	"context"
	"slices"

	"github.com/bakeoffhq/bakeoff"
)

// survey makes the first pass: it finds out what each feature column holds, hashes what identifies each
// row, and holds the columns that are not features.
func (b *builder) survey(ctx context.Context, features []string, identity bakeoff.Identity) error {
	header := b.rows.file.header
	workers := make([]*surveyor, allWorkers())
	for i := range workers {
		workers[i] = newSurveyor(b, features, identity)
	}
	b.keys = true
	keyField := slices.Index(header, identity.Key)
	var hashes [][]uint64
	err := b.rows.each(ctx, pass{
		workers: len(workers),
		first: func(p *block) error {
			p.hashes = make([]uint64, p.rows)
			hashes = append(hashes, p.hashes)
			if identity.Key != "" {
				b.checkKeys(p, keyField)
			}
			return b.raw.add(p)
		},
		then: func(worker int, p *block) error {
			workers[worker].take(p)
			return nil
		},
	})
	if err != nil {
		return err
	}
	b.hashes = slices.Concat(hashes...)
	for _, other := range workers[1:] {
		for i, s := range workers[0].features {
			s.merge(other.features[i])
		}
	}
	b.surveys = workers[0].features
	return nil
}

// checkKeys looks for a row without a key.
func (b *builder) checkKeys(p *block, field int) {
	for row := range p.rows {
		if b.keys && missingText(p.cell(row, field)) {
			b.noKey, b.keys = place{p.first + row, p.lines[row]}, false
		}
	}
}

// surveyor goes through the columns of a block, those of the identity first and in its order.
type surveyor struct {
	features []*survey // in file order
	steps    []surveyStep
}

// surveyStep is what is done with one column: either or both.
type surveyStep struct {
	field  int
	hash   *columnHash
	survey *survey
}

func newSurveyor(b *builder, features []string, identity bakeoff.Identity) *surveyor {
	header := b.rows.file.header
	var s surveyor
	byName := make(map[string]*survey, len(features))
	for _, name := range features {
		v := newSurvey(name, slices.Index(header, name), b.source.Columns[name], b.missing)
		s.features = append(s.features, v)
		byName[name] = v
	}
	hashed := identity.Columns
	if identity.Key != "" {
		hashed = []string{identity.Key}
	}
	for _, name := range hashed {
		s.steps = append(s.steps, surveyStep{slices.Index(header, name), newColumnHash(name, identity.Key != ""), byName[name]})
		delete(byName, name)
	}
	for _, v := range s.features {
		if byName[v.name] != nil {
			s.steps = append(s.steps, surveyStep{field: v.field, survey: v})
		}
	}
	return &s
}

func (s *surveyor) take(b *block) {
	for _, step := range s.steps {
		if step.survey != nil {
			step.survey.take(b, step.hash, b.hashes)
			continue
		}
		for row := range b.rows {
			cell := b.cell(row, step.field)
			b.hashes[row] = step.hash.with(b.hashes[row], cell, numberIn(cell))
		}
	}
}

// settle makes one more pass where the first has not gathered all texts of a category, or where so many
// that it depends on a part's own how they are written. Then it says what is wrong with the features.
func (b *builder) settle(ctx context.Context) error {
	var open []*survey
	for _, s := range b.surveys {
		if s.kind() == bakeoff.KindCategory && (s.partly || s.levels != nil && s.levels.bytes > maxDictionary) {
			s.levels = newLevels()
			s.used = &[3][]bool{}
			open = append(open, s)
		}
	}
	if len(open) > 0 {
		b.progress(settleFrom, fillFrom)
		if err := b.rows.each(ctx, pass{workers: 1, then: func(_ int, p *block) error {
			for _, s := range open {
				s.regather(p, b.sides[p.first:])
			}
			return nil
		}}); err != nil {
			return err
		}
	}
	for _, s := range b.surveys {
		if err := s.settle(b.raw); err != nil {
			return err
		}
	}
	return nil
}
