// Package wire turns the bytes of a prediction request into a table, and predictions into the bytes
// of its answer, in the forms of four protocols.
//
// Requests are checked against the schema of the training rows while they are read, in one pass and
// with memory that is used again. An error names row and column, and never shows a value: features
// are personal data. Nothing is guessed from a text; a number in quotes is a text.
package wire

import (
	"encoding/json"
	"strconv"
	"sync"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/dataset"
)

// Form is the form of a request and its answer.
type Form int

// The forms.
const (
	Rows        Form = iota // {"rows": [{...}]}
	Tensors                 // the Open Inference Protocol's, version 2
	Invocations             // MLflow's scoring server's, in JSON
	CSV                     // the same in CSV
)

// Codec reads requests to one version of a model and writes its answers. It is immutable and safe
// for concurrent use.
type Codec struct {
	version  bakeoff.Version
	schema   bakeoff.Schema
	position map[string]int     // of a column
	codes    []map[string]int32 // by column: the codes of a category column's texts
	names    []string           // of the columns
	classes  [][]byte           // quoted
	all      []byte             // the classes as a list
	model    []byte             // quoted
	number   []byte             // the version's
	label    string
	header   []string
	pool     sync.Pool // of *Request
}

// New returns the codec of a version that was trained on rows of the schema.
func New(v bakeoff.Version, schema bakeoff.Schema) *Codec {
	c := &Codec{
		version: v, schema: schema,
		position: make(map[string]int, len(schema.Columns)), codes: make([]map[string]int32, len(schema.Columns)),
		model: quoted(v.Model), number: strconv.AppendInt(nil, int64(v.Version), 10),
	}
	c.label = v.Model + "/" + string(c.number)
	c.header = []string{c.label}
	for i, s := range schema.Columns {
		c.position[s.Name] = i
		c.names = append(c.names, s.Name)
		c.codes[i] = make(map[string]int32, len(s.Categories))
		for code, text := range s.Categories {
			c.codes[i][text] = int32(code)
		}
	}
	for _, class := range schema.Classes {
		c.classes = append(c.classes, quoted(class))
	}
	c.all, _ = json.Marshal(schema.Classes) // texts always can be
	c.pool.New = func() any { return &Request{codec: c, columns: newColumns(c)} }
	return c
}

// quoted returns s as a JSON text.
func quoted(s string) []byte {
	b, _ := json.Marshal(s) // a text always can be
	return b
}

// Version describes the version whose requests these are.
func (c *Codec) Version() *bakeoff.Version { return &c.version }

// Header names the version, like "churn/17", as the values of an HTTP header. Nobody changes them.
func (c *Codec) Header() []string { return c.header }

// Request is what was asked. It and its table are good until Free.
type Request struct {
	codec   *Codec
	form    Form
	scan    scanner
	columns *columns
	answers bakeoff.Predictions
	id      []byte   // Tensors: as it was sent, quoted; nil for none
	outputs []string // Tensors: those that were asked for; nil for all
}

// Read reads a request of at most limit rows. An error is a *bakeoff.Error of CodeInvalid; behind
// that for too many rows is ErrTooManyRows. The request keeps parts of body.
func (c *Codec) Read(form Form, body []byte, limit int) (*Request, error) {
	r := c.pool.Get().(*Request)
	r.form, r.scan.data, r.scan.at, r.columns.limit = form, body, 0, limit
	if err := r.read(); err != nil {
		r.Free()
		return nil, err
	}
	r.columns.finish()
	return r, nil
}

func (r *Request) read() error {
	switch r.form {
	case Tensors:
		return r.readTensors()
	case Invocations:
		return r.readInvocation()
	case CSV:
		return r.readCSV()
	}
	return r.readRows()
}

// Table returns the rows. Its columns are the schema's, in the schema's order; the levels of a
// category column are the schema's, or those that occur if there are unseen ones.
func (r *Request) Table() *dataset.Table { return &r.columns.table }

// Answers is where a model may write its answers to the request, in memory that is used again. It is
// good until Free.
func (r *Request) Answers() *bakeoff.Predictions { return &r.answers }

// Unseen counts the cells with a category that training had not seen.
func (r *Request) Unseen() int { return r.columns.unseen }

// Free hands the request's memory back.
func (r *Request) Free() {
	r.id, r.outputs, r.scan.data = nil, nil, nil
	if r.columns.reset() {
		r.codec.pool.Put(r)
	}
}
