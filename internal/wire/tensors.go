package wire

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/bakeoffhq/bakeoff"
)

// The outputs of the Open Inference Protocol, named as MLServer's scikit-learn runtime names them.
const (
	outputClass       = "predict"
	outputProbability = "predict_proba"
)

// tensor is an input of a request.
type tensor struct {
	name     string
	datatype string
	shape    []int
	base64   bool
	data     int // where it begins; -1 while it has not been seen
}

// readTensors reads a request of the Open Inference Protocol: a tensor for each column, or one for
// all of them.
func (r *Request) readTensors() error {
	s := &r.scan
	inputs, all := 0, false
	err := s.object(func(name string) error {
		switch name {
		case "id":
			return r.readID()
		case "parameters":
			return s.parameters(nil)
		case "outputs":
			return s.list(func(int) error { return r.readOutput() })
		case "inputs":
			return s.list(func(int) error {
				matrix, err := r.readInput()
				all = all || matrix
				if inputs++; err == nil && all && inputs > 1 {
					err = bakeoff.Errorf(bakeoff.CodeInvalid, "an input with all columns must be the only one")
				}
				return err
			})
		}
		return unknownField(name, "id", "parameters", "inputs", "outputs")
	})
	switch {
	case err != nil:
		return err
	case inputs == 0:
		return bakeoff.Errorf(bakeoff.CodeInvalid, `the request has no "inputs"`).
			WithHint(`send {"inputs": [{"name": COLUMN, "datatype": "FP64", "shape": [1], "data": [VALUE]}, ...]}`)
	case !all:
		err = r.columns.closeColumns()
	}
	if err != nil {
		return err
	}
	return s.end()
}

// readID keeps the request's id as it was sent.
func (r *Request) readID() error {
	s := &r.scan
	c := s.peek()
	span, err := s.skip()
	if err == nil && c != '"' {
		return bakeoff.Errorf(bakeoff.CodeInvalid, `"id" is %s, but a text is wanted`, describe(c))
	}
	r.id = span
	return err
}

// parameters reads an object of texts, numbers and truth values, and calls each for the texts.
func (s *scanner) parameters(each func(name, text string) error) error {
	if null, err := s.null(); null || err != nil {
		return err
	}
	return s.object(func(name string) error {
		if s.peek() != '"' || each == nil {
			_, err := s.skip()
			return err
		}
		text, err := s.string()
		if err != nil {
			return err
		}
		return each(name, string(text))
	})
}

func (r *Request) readOutput() error {
	s := &r.scan
	return s.object(func(field string) error {
		switch field {
		case "parameters":
			return s.parameters(nil)
		case "name":
			name, err := s.string()
			if err != nil {
				return err
			}
			return r.ask(string(name))
		}
		return unknownField(field, "name", "parameters")
	})
}

// ask notes that an output is wanted.
func (r *Request) ask(name string) error {
	known := r.codec.outputs()
	if !slices.Contains(known, name) {
		err := bakeoff.Errorf(bakeoff.CodeInvalid, "unknown output %q", cut(name))
		return err.WithHint("model %s has %s", r.codec.label, list(known))
	}
	if !slices.Contains(r.outputs, name) {
		r.outputs = append(r.outputs, name)
	}
	return nil
}

// outputs lists what the model can be asked for.
func (c *Codec) outputs() []string {
	if c.schema.Task == bakeoff.Regression {
		return []string{outputClass}
	}
	return []string{outputClass, outputProbability}
}

// readInput reads a tensor, and says whether it was one with all columns.
func (r *Request) readInput() (matrix bool, err error) {
	t := tensor{data: -1}
	if err := r.scan.object(func(field string) error { return r.readInputField(&t, field) }); err != nil {
		return false, err
	}
	switch {
	case t.name == "" || t.datatype == "" || t.shape == nil || t.data < 0:
		return false, bakeoff.Errorf(bakeoff.CodeInvalid, `input %q needs a name, a datatype, a shape and data`, cut(t.name))
	case !slices.Contains(datatypes, t.datatype):
		return false, bakeoff.Errorf(bakeoff.CodeInvalid, "input %q: unknown datatype %q", cut(t.name), cut(t.datatype)).WithHint("the datatypes are %s", list(datatypes))
	}
	after := r.scan.at
	r.scan.at = t.data
	column, known := r.codec.position[t.name]
	switch {
	case known && (len(t.shape) == 1 || len(t.shape) == 2 && t.shape[1] == 1):
		err = r.readColumnTensor(&t, column)
	case len(t.shape) == 2:
		matrix, err = true, r.readMatrix(&t)
	case known:
		err = bakeoff.Errorf(bakeoff.CodeInvalid, "input %q has %d dimensions, [N] or [N,1] is wanted", t.name, len(t.shape))
	default:
		err = r.codec.unknownColumn("input", t.name)
	}
	r.scan.at = after
	return matrix, err
}

func (r *Request) readInputField(t *tensor, field string) error {
	s := &r.scan
	switch field {
	case "name", "datatype":
		text, err := s.string()
		if field == "name" {
			t.name = string(text)
		} else {
			t.datatype = string(text)
		}
		return err
	case "shape":
		return s.shape(t)
	case "parameters":
		return s.parameters(t.parameter)
	case "data":
		s.peek()
		t.data = s.at
		_, err := s.skip()
		return err
	}
	return unknownField(field, "name", "shape", "datatype", "parameters", "data")
}

// shape reads the tensor's dimensions.
func (s *scanner) shape(t *tensor) error {
	t.shape = []int{}
	return s.list(func(i int) error {
		s.peek()
		v, err := s.number()
		if err != nil {
			return err
		}
		if v < 0 || v != math.Trunc(v) || v > math.MaxInt32 || i >= 8 {
			return bakeoff.Errorf(bakeoff.CodeInvalid, "input %q: its shape is not a short list of lengths", cut(t.name))
		}
		t.shape = append(t.shape, int(v))
		return nil
	})
}

// parameter takes a parameter of an input: how its texts are written.
func (t *tensor) parameter(name, text string) error {
	if name != "content_type" {
		return nil
	}
	switch text {
	case "base64":
		t.base64 = true
	case "str", "np", "pd", "datetime":
	default:
		return bakeoff.Errorf(bakeoff.CodeInvalid, "input %q: unknown content_type %q", cut(t.name), cut(text)).
			WithHint(`the content types are "str", "np", "pd", "datetime" and "base64"`)
	}
	return nil
}

var datatypes = []string{
	"BOOL", "BYTES", "FP16", "FP32", "FP64", "INT16", "INT32", "INT64", "INT8", "UINT16", "UINT32", "UINT64", "UINT8",
}

// isNumeric reports whether a datatype is one of numbers, and whole whether of whole ones alone.
func (t *tensor) isNumeric() bool { return t.datatype != "BOOL" && t.datatype != "BYTES" }
func (t *tensor) whole() bool     { return strings.Contains(t.datatype, "INT") }

// datatypeOf returns the datatype that a column is described with.
func datatypeOf(kind bakeoff.Kind) string {
	switch kind {
	case bakeoff.KindNumber:
		return "FP64"
	case bakeoff.KindInteger:
		return "INT64"
	case bakeoff.KindBoolean:
		return "BOOL"
	}
	return "BYTES"
}

// fits reports whether a column can be sent with a datatype: any of numbers does for numbers.
func (t *tensor) fits(kind bakeoff.Kind) bool {
	if kind == bakeoff.KindNumber || kind == bakeoff.KindInteger {
		return t.isNumeric()
	}
	return t.datatype == datatypeOf(kind)
}

// readColumnTensor reads one column, flat or as a list of lists of one.
func (r *Request) readColumnTensor(t *tensor, column int) error {
	s, g := &r.scan, r.columns
	kind := r.codec.schema.Columns[column].Kind
	if !t.fits(kind) {
		return bakeoff.Errorf(bakeoff.CodeInvalid, "input %q has datatype %s, model %s wants %s", t.name, t.datatype, r.codec.label, datatypeOf(kind))
	}
	if err := g.give(column); err != nil {
		return err
	}
	if t.shape[0] > g.limit {
		return g.tooMany()
	}
	err := s.list(func(int) error {
		if s.peek() != '[' {
			return r.element(t, column)
		}
		return s.list(func(i int) error {
			if i > 0 {
				return t.ragged()
			}
			return r.element(t, column)
		})
	})
	if err == nil && g.length(column) != t.shape[0] {
		err = bakeoff.Errorf(bakeoff.CodeInvalid, "input %q has %d values, its shape says %d", t.name, g.length(column), t.shape[0])
	}
	return err
}

func (t *tensor) ragged() error {
	return bakeoff.Errorf(bakeoff.CodeInvalid, "input %q: its data does not have the shape that it says", cut(t.name))
}

// element reads the next value of a column.
func (r *Request) element(t *tensor, column int) error {
	s, g := &r.scan, r.columns
	if err := g.add(column); err != nil {
		return err
	}
	if t.base64 && s.peek() == '"' {
		text, err := s.string()
		if err != nil {
			return err
		}
		return g.base64(column, text)
	}
	if err := g.cell(s, column); err != nil {
		return err
	}
	if numbers := g.table.Columns[column].Numbers; t.whole() && numbers != nil {
		if v := numbers[len(numbers)-1]; v != math.Trunc(v) && !math.IsNaN(v) {
			return g.wrong(column, fmt.Sprintf("a number with a fraction, but the datatype is %s", t.datatype))
		}
	}
	return nil
}

// readMatrix reads all columns from one tensor, row by row, in the order of the model's columns.
func (r *Request) readMatrix(t *tensor) error {
	s, g := &r.scan, r.columns
	if err := r.checkMatrix(t); err != nil {
		return err
	}
	width := t.shape[1]
	cells := 0
	number := func() error {
		if cells%width == 0 {
			if err := g.openRow(); err != nil {
				return err
			}
		}
		cells++
		return r.matrixNumber((cells - 1) % width)
	}
	err := s.list(func(int) error {
		if s.peek() != '[' {
			return number()
		}
		if cells%width != 0 {
			return t.ragged()
		}
		before := cells
		err := s.list(func(i int) error {
			if i >= width {
				return t.ragged()
			}
			return number()
		})
		if err == nil && cells != before+width {
			err = t.ragged()
		}
		return err
	})
	if err == nil && cells != t.shape[0]*width {
		err = bakeoff.Errorf(bakeoff.CodeInvalid, "input %q has %d values, its shape says %d", cut(t.name), cells, t.shape[0]*width)
	}
	return err
}

// checkMatrix makes sure that the model's columns can come from one tensor of numbers.
func (r *Request) checkMatrix(t *tensor) error {
	c := r.codec
	switch {
	case r.columns.table.Rows > 0 || slices.Max(append(r.columns.seen, 0)) > 0:
		return bakeoff.Errorf(bakeoff.CodeInvalid, "an input with all columns must be the only one")
	case t.shape[1] != len(c.names) || t.shape[1] == 0:
		return bakeoff.Errorf(bakeoff.CodeInvalid, "input %q has %d columns, model %s wants %d: %s",
			cut(t.name), t.shape[1], c.label, len(c.names), list(c.names))
	case !t.isNumeric():
		return bakeoff.Errorf(bakeoff.CodeInvalid, "input %q has datatype %s, a matrix must be of numbers", cut(t.name), t.datatype)
	case t.shape[0] > r.columns.limit:
		return r.columns.tooMany()
	}
	for _, s := range c.schema.Columns {
		if s.Kind == bakeoff.KindCategory || s.Kind == bakeoff.KindDate {
			return bakeoff.Errorf(bakeoff.CodeInvalid, "input %q: column %q of model %s is no number", cut(t.name), s.Name, c.label).
				WithHint("send an input for each column")
		}
	}
	return nil
}

// matrixNumber reads a number, null for a missing one, into the last row; truth is 0 and 1.
func (r *Request) matrixNumber(column int) error {
	s, g := &r.scan, r.columns
	c := &g.table.Columns[column]
	if c.Kind != bakeoff.KindBoolean || s.peek() == 'n' {
		return g.cell(s, column)
	}
	if first := s.peek(); first != '0' && first != '1' {
		return g.wrong(column, describe(first)+", but 0 or 1 is wanted")
	}
	v, err := s.number()
	if err != nil {
		return err
	}
	if v != 0 && v != 1 {
		return g.wrong(column, "a number, but 0 or 1 is wanted")
	}
	c.Numbers[len(c.Numbers)-1] = v
	return nil
}
