package score

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"

	"github.com/bakeoffhq/bakeoff"
)

// Single precision leaves a probability a little below 0 or above 1, which is then taken for
// that, and the sum of a row's a little off 1, which is left as it is.
const (
	rounding     = 1e-6
	sumTolerance = 1e-4
)

// answer is one line of a predict process. Pointers and raw values tell null and absent from zero.
type answer struct {
	ID            *uint64           `json:"id"`
	Predictions   []json.RawMessage `json:"predictions"`
	Probabilities [][]*float64      `json:"probabilities"`
}

// answers gathers the answers of a predict process, block by block.
type answers struct {
	schema bakeoff.Schema
	class  map[string]int // index by name
	out    bakeoff.Predictions
}

func newAnswers(schema bakeoff.Schema, rows int) *answers {
	a := &answers{schema: schema, class: make(map[string]int, len(schema.Classes))}
	if schema.Task == bakeoff.Regression {
		a.out.Values = make([]float64, 0, rows)
		return a
	}
	for i, name := range schema.Classes {
		a.class[name] = i
	}
	a.out.Classes = schema.Classes
	a.out.Probabilities = make([]float64, 0, rows*len(schema.Classes))
	return a
}

func (a *answers) predictions() *bakeoff.Predictions { return &a.out }

// add takes the answer to request id, which asked for so many rows, the first of them number lo from 0.
func (a *answers) add(line []byte, id uint64, lo, rows int) error {
	block, err := readAnswer(line)
	if err == nil {
		err = block.check(id, rows)
	}
	if err != nil {
		return bakeoff.Errorf(bakeoff.CodeInvalid, "predict command, rows %d to %d: %w", lo+1, lo+rows, err).
			WithHint(`stdout is for answers like {"id": 7, "predictions": [...], "probabilities": [[...]]}; print everything else to stderr`)
	}
	for i := range rows {
		if err := a.row(block, i); err != nil {
			return bakeoff.Errorf(bakeoff.CodeInvalid, "predict command, row %d: %w", lo+i+1, err)
		}
	}
	return nil
}

// readAnswer decodes a line. NaN and the infinities, which JSON does not have but Python prints,
// become null, so that the error is the one of the row that they are in.
func readAnswer(line []byte) (*answer, error) {
	block, err := decodeAnswer(line)
	if err == nil {
		return block, nil
	}
	if block, again := decodeAnswer(notNumbers.ReplaceAll(line, []byte("null"))); again == nil {
		return block, nil
	}
	return nil, err
}

var notNumbers = regexp.MustCompile(`\bNaN\b|-?\bInfinity\b`)

func decodeAnswer(line []byte) (*answer, error) {
	var block answer
	d := json.NewDecoder(bytes.NewReader(line))
	d.DisallowUnknownFields()
	if err := d.Decode(&block); err != nil {
		return nil, fmt.Errorf("the answer cannot be read: %w: %q", err, excerpt(line))
	}
	if rest := bytes.TrimSpace(line[d.InputOffset():]); len(rest) > 0 {
		return nil, fmt.Errorf("the answer goes on after its end: %q", excerpt(rest))
	}
	return &block, nil
}

// excerpt returns the beginning of a line for an error.
func excerpt(line []byte) string {
	const most = 80
	if len(line) > most {
		return shown(string(line[:most])) + "..."
	}
	return shown(string(line))
}

// check checks what an answer must have whatever the learning task.
func (b *answer) check(id uint64, rows int) error {
	switch {
	case b.ID == nil:
		return fmt.Errorf(`the answer has no "id", want %d`, id)
	case *b.ID != id:
		return fmt.Errorf("the answer has id %d, want %d", *b.ID, id)
	case b.Predictions == nil && b.Probabilities == nil:
		return fmt.Errorf(`the answer has neither "predictions" nor "probabilities"`)
	case b.Predictions != nil && len(b.Predictions) != rows:
		return fmt.Errorf("%d predictions for %d rows", len(b.Predictions), rows)
	case b.Probabilities != nil && len(b.Probabilities) != rows:
		return fmt.Errorf("%d rows of probabilities for %d rows", len(b.Probabilities), rows)
	}
	return nil
}

// row takes the i-th row of a block.
func (a *answers) row(b *answer, i int) error {
	if a.schema.Task == bakeoff.Regression {
		return a.number(b, i)
	}
	class := -1
	if b.Predictions != nil {
		name, err := className(b.Predictions[i])
		if err != nil {
			return err
		}
		known := false
		if class, known = a.class[name]; !known {
			return fmt.Errorf("the prediction %q is not a class, want one of %q", shown(name), a.schema.Classes)
		}
	}
	if b.Probabilities != nil {
		return a.probabilities(b.Probabilities[i])
	}
	row := make([]float64, len(a.schema.Classes))
	row[class] = 1
	a.out.Probabilities = append(a.out.Probabilities, row...)
	return nil
}

// className reads a class: its name as text, or a number or truth value that is written like it.
func className(raw json.RawMessage) (string, error) {
	if len(raw) > 0 && raw[0] == '"' {
		var name string
		err := json.Unmarshal(raw, &name)
		return name, err
	}
	if len(raw) == 0 || bytes.ContainsAny(raw[:1], "[{n") {
		return "", fmt.Errorf("the prediction is %s, want a class", given(raw))
	}
	return string(raw), nil
}

// given shows a wrong value.
func given(raw json.RawMessage) string {
	if string(raw) == "null" {
		return number(nil)
	}
	return excerpt(raw)
}

// probabilities takes one row, in the order of the schema's classes.
func (a *answers) probabilities(row []*float64) error {
	if len(row) != len(a.schema.Classes) {
		return fmt.Errorf("%d probabilities, want %d, in the order of %q", len(row), len(a.schema.Classes), a.schema.Classes)
	}
	sum := 0.0
	for c, v := range row {
		if v == nil || *v < -rounding || *v > 1+rounding {
			return fmt.Errorf("the probability of %q is %s, want 0 to 1", a.schema.Classes[c], number(v))
		}
		sum += *v
		a.out.Probabilities = append(a.out.Probabilities, min(max(*v, 0), 1))
	}
	if math.Abs(sum-1) > sumTolerance {
		return fmt.Errorf("the probabilities add up to %v, want 1", sum)
	}
	return nil
}

// number takes one row of a regression.
func (a *answers) number(b *answer, i int) error {
	if b.Probabilities != nil || b.Predictions == nil {
		return fmt.Errorf(`a regression answers with "predictions" alone`)
	}
	v, err := strconv.ParseFloat(string(b.Predictions[i]), 64)
	if err != nil || math.IsNaN(v) || math.IsInf(v, 0) || !slices.Contains([]byte("-0123456789"), b.Predictions[i][0]) {
		return fmt.Errorf("the prediction is %s, want a finite number", given(b.Predictions[i]))
	}
	a.out.Values = append(a.out.Values, v)
	return nil
}

func number(v *float64) string {
	if v == nil {
		return "null or not finite"
	}
	return strconv.FormatFloat(*v, 'g', -1, 64)
}
