package learn

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/dataset"
)

// FileName is the name of the model's file in an artifact's directory.
const FileName = "model.bakeoff"

// The file is, all numbers little-endian:
//
//	magic    8 bytes
//	version  uint32
//	length   uint32, of the header
//	header   JSON, its keys in a fixed order
//	body     the rest: what the learner's appendBinary writes
const (
	magic         = "BAKEOFF\n"
	formatVersion = 1
	prefixLength  = len(magic) + 4 + 4
)

// header is what the file says in JSON.
type header struct {
	Learner string          `json:"learner"`
	Params  json.RawMessage `json:"params"`
	Schema  bakeoff.Schema  `json:"schema"`
	Encoder json.RawMessage `json:"encoder"`
}

// Encode writes the model as Decode reads it. Equal models give equal bytes.
func (m *Model) Encode(w io.Writer) error {
	encoder, err := json.Marshal(m.fitted.encoder())
	if err != nil {
		return fmt.Errorf("encode model: %w", err)
	}
	head, err := json.Marshal(header{Learner: m.learner, Params: m.params, Schema: m.schema, Encoder: encoder})
	if err != nil {
		return fmt.Errorf("encode model: %w", err)
	}
	if uint64(len(head)) > math.MaxUint32 {
		return fmt.Errorf("encode model: the header has %d bytes", len(head))
	}
	b := append(make([]byte, 0, prefixLength+len(head)), magic...)
	b = binary.LittleEndian.AppendUint32(b, formatVersion)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(head)))
	if b, err = m.fitted.appendBinary(append(b, head...)); err != nil {
		return fmt.Errorf("encode model: %w", err)
	}
	if _, err := w.Write(b); err != nil {
		return fmt.Errorf("write model: %w", err)
	}
	return nil
}

// Decode reads a model. What is not one is a *bakeoff.Error; memory is bounded by a small multiple
// of len(b), and the model that it returns can answer for any table.
func Decode(b []byte) (*Model, error) {
	head, body, err := split(b)
	if err != nil {
		return nil, err
	}
	m, err := decode(head, body)
	if err != nil {
		return nil, bakeoff.Errorf(bakeoff.CodeInvalid, "the model file is damaged: %w", err)
	}
	return m, nil
}

// split takes the file apart.
func split(b []byte) (head, body []byte, err error) {
	if !bytes.HasPrefix(b, []byte(magic)) || len(b) < prefixLength {
		return nil, nil, bakeoff.Errorf(bakeoff.CodeInvalid, "not a model file of bakeoff")
	}
	b = b[len(magic):]
	if version := binary.LittleEndian.Uint32(b); version != formatVersion {
		return nil, nil, bakeoff.Errorf(bakeoff.CodeInvalid, "the model file has format version %d, this bakeoff reads version %d", version, formatVersion).
			WithHint("use the version of bakeoff that made the model, or train it again")
	}
	length := binary.LittleEndian.Uint32(b[4:])
	b = b[8:]
	if uint64(length) > uint64(len(b)) {
		return nil, nil, bakeoff.Errorf(bakeoff.CodeInvalid, "the model file is cut short: a header of %d bytes, %d are left", length, len(b))
	}
	return b[:length], b[length:], nil
}

func decode(head, body []byte) (*Model, error) {
	var h header
	if err := json.Unmarshal(head, &h); err != nil {
		return nil, fmt.Errorf("header: %w", err)
	}
	if !Fits(h.Learner, h.Schema.Task) {
		return nil, fmt.Errorf("header: learner %q and task %q", h.Learner, h.Schema.Task)
	}
	if err := checkSchema(h.Schema); err != nil {
		return nil, fmt.Errorf("schema: %w", err)
	}
	m := &Model{learner: h.Learner, params: h.Params, schema: h.Schema}
	var err error
	m.fitted, err = lookup(h.Learner).decode(h, body)
	return m, err
}

// emptyRow returns a table of one row in which every value is missing.
func emptyRow(schema bakeoff.Schema) *dataset.Table {
	t := &dataset.Table{Rows: 1, Columns: make([]dataset.Column, len(schema.Columns))}
	for i, c := range schema.Columns {
		t.Columns[i] = dataset.Column{Name: c.Name, Kind: c.Kind}
		if c.Kind == bakeoff.KindCategory {
			t.Columns[i].Codes = []int32{-1}
		} else {
			t.Columns[i].Numbers = []float64{math.NaN()}
		}
	}
	return t
}
