package learn

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"unicode/utf8"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/dataset"
)

// Request asks for a model.
type Request struct {
	Learner string
	Params  json.RawMessage // a JSON object as Check wants it; nil for the defaults
	Table   *dataset.Table  // the features of the training rows; columns that Schema lacks are ignored
	// Part has the features where Table is nil, on disk: learners that can read a column at a time do, and
	// take no memory for all of them at once. It was frozen by Schema.
	Part    *dataset.Part
	Schema  bakeoff.Schema // learnt from the same rows
	Labels  bakeoff.Labels // one a row; its classes are those of Schema
	Seed    uint64         // decides all that a learner draws
	Threads int            // how many to use; at least one is used
	// Progress is told how far the training is, as a share from 0 to 1 and in words, from one goroutine
	// at a time; it may be nil.
	Progress func(fraction float64, message string)
}

// Train learns a model. The same request gives the same model, to the byte, whatever Threads is.
// What the user can mend is a *bakeoff.Error: parameters, columns, a learner that does not fit the
// task, a target with one value only.
func Train(ctx context.Context, r Request) (*Model, error) {
	params, err := resolve(r.Learner, r.Params)
	if err != nil {
		return nil, bakeoff.Errorf(bakeoff.CodeInvalid, "parameters of %s: %w", r.Learner, err).WithHint("%s", bakeoff.HintOf(err))
	}
	if err := r.check(); err != nil {
		return nil, err
	}
	b, err := r.bind(ctx)
	if err != nil {
		return nil, err
	}
	m := &Model{learner: r.Learner, params: params, schema: r.Schema}
	j := &job{Request: r, binding: b, params: params}
	if err := j.weighClasses(); err != nil {
		return nil, err
	}
	m.fitted, err = lookup(r.Learner).train(ctx, j)
	if failed := b.part.failed(); failed != nil {
		err = failed // what was learnt is from columns without values
	}
	if err != nil && ctx.Err() != nil {
		err = context.Cause(ctx) // says more than that there was one
	}
	if err != nil {
		return nil, fmt.Errorf("train %s: %w", r.Learner, err)
	}
	return m, nil
}

// bind joins the schema with the rows. A learner that needs all columns at once has them read.
func (r Request) bind(ctx context.Context) (*binding, error) {
	if r.Table != nil {
		return bind(r.Schema, r.Table)
	}
	if lookup(r.Learner).byColumn {
		return bindPart(r.Schema, r.Part), nil
	}
	t, err := r.Part.Table(ctx)
	if err != nil {
		return nil, fmt.Errorf("read training rows: %w", err)
	}
	return bind(r.Schema, t)
}

// size is the number of training rows.
func (r Request) size() int {
	if r.Table != nil {
		return r.Table.Rows
	}
	return r.Part.Rows()
}

// check looks at what does not need a learner to be wrong.
func (r Request) check() error {
	if !Fits(r.Learner, r.Schema.Task) {
		return bakeoff.Errorf(bakeoff.CodeInvalid, "%s cannot learn a %s target", r.Learner, r.Schema.Task).
			WithHint("it learns %v", lookup(r.Learner).tasks)
	}
	if err := checkSchema(r.Schema); err != nil {
		return bakeoff.Errorf(bakeoff.CodeInvalid, "schema: %w", err)
	}
	if r.size() == 0 {
		return bakeoff.Errorf(bakeoff.CodeInvalid, "there are no training rows")
	}
	if r.Labels.Len() != r.size() {
		return bakeoff.Errorf(bakeoff.CodeInternal, "%d labels for %d rows", r.Labels.Len(), r.size())
	}
	if err := checkWeights(r.Labels); err != nil {
		return err
	}
	if r.Schema.Task == bakeoff.Regression {
		return checkValues(r.Schema.Target, r.Labels.Values)
	}
	return checkCodes(r.Schema, r.Labels)
}

func checkValues(target string, values []float64) error {
	for i, v := range values {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return bakeoff.Errorf(bakeoff.CodeInvalid, "target %q: the value of training row %d is not a finite number", target, i+1)
		}
	}
	return nil
}

func checkCodes(schema bakeoff.Schema, l bakeoff.Labels) error {
	if !slices.Equal(l.Classes, schema.Classes) {
		return bakeoff.Errorf(bakeoff.CodeInternal, "the labels' classes %q are not the schema's %q", l.Classes, schema.Classes)
	}
	seen := make([]bool, len(l.Classes))
	distinct := 0
	for i, c := range l.Codes {
		if c < 0 || int(c) >= len(seen) {
			return bakeoff.Errorf(bakeoff.CodeInternal, "the label of training row %d is class %d of %d", i+1, c, len(seen))
		}
		if !seen[c] {
			seen[c] = true
			distinct++
		}
	}
	if distinct < 2 {
		return bakeoff.Errorf(bakeoff.CodeInvalid, "target %q has one value only in the training rows", schema.Target).
			WithHint("there is nothing to tell apart: choose another target or more rows")
	}
	return nil
}

// checkSchema reports what makes a schema unfit for a model: it is what Decode relies on.
func checkSchema(s bakeoff.Schema) error {
	if err := checkClasses(s); err != nil {
		return err
	}
	names := make(map[string]bool, len(s.Columns))
	for _, c := range s.Columns {
		switch {
		case names[c.Name]:
			return fmt.Errorf("two columns are called %q", c.Name)
		case !slices.Contains(bakeoff.Kinds(), c.Kind):
			return fmt.Errorf("column %q is of unknown kind %q", c.Name, c.Kind)
		case c.Kind != bakeoff.KindCategory && len(c.Categories) > 0:
			return fmt.Errorf("column %q of kind %s has categories", c.Name, c.Kind)
		case !utf8.ValidString(c.Name) || slices.ContainsFunc(c.Categories, invalidText):
			return fmt.Errorf("column %q has text that is not UTF-8", c.Name)
		}
		for i := 1; i < len(c.Categories); i++ {
			if c.Categories[i-1] >= c.Categories[i] {
				return fmt.Errorf("the categories of column %q are not sorted or repeat %q", c.Name, c.Categories[i])
			}
		}
		names[c.Name] = true
	}
	return nil
}

func checkClasses(s bakeoff.Schema) error {
	legal := false
	switch n := len(s.Classes); s.Task {
	case bakeoff.Binary:
		legal = n == 2
	case bakeoff.Multiclass:
		legal = n >= 2 // two where the user says multiclass and the rows do not
	case bakeoff.Regression:
		legal = n == 0
	}
	if !legal {
		return fmt.Errorf("a %q target with %d classes", s.Task, len(s.Classes))
	}
	if !utf8.ValidString(s.Target) || slices.ContainsFunc(s.Classes, invalidText) {
		return fmt.Errorf("target %q has text that is not UTF-8", s.Target)
	}
	return nil
}

// invalidText is about what JSON, and so the artifact file, cannot hold.
func invalidText(s string) bool { return !utf8.ValidString(s) }

// report passes progress on.
func (r Request) report(fraction float64, format string, args ...any) {
	if r.Progress != nil {
		r.Progress(fraction, fmt.Sprintf(format, args...))
	}
}
