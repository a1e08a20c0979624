package neighbors

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// AppendBinary appends what Decode needs beside the shape, little-endian: the rows as uint64, one if
// they have weights or else zero as a byte, and then the numbers as float64, the slots as int32, the
// codes as int32 or the values as float64, and the weights as float64.
func (m *Model) AppendBinary(b []byte) []byte {
	b = binary.LittleEndian.AppendUint64(b, uint64(m.tree.points.Rows))
	weighted := byte(0)
	if m.rows.Weights != nil {
		weighted = 1
	}
	b = append(b, weighted)
	p := m.tree.inOrder()
	b = appendFloats(b, p.Numbers)
	b = appendInts(b, p.Slots)
	b = appendInts(b, m.rows.Codes)
	b = appendFloats(b, m.rows.Values)
	return appendFloats(b, m.rows.Weights)
}

// inOrder returns the points as grow was given them.
func (t *tree) inOrder() Points {
	at := make([]int32, len(t.rows))
	for i, row := range t.rows {
		at[row] = int32(i)
	}
	return t.points.pick(at)
}

func appendFloats(b []byte, list []float64) []byte {
	for _, v := range list {
		b = binary.LittleEndian.AppendUint64(b, math.Float64bits(v))
	}
	return b
}

func appendInts(b []byte, list []int32) []byte {
	for _, v := range list {
		b = binary.LittleEndian.AppendUint32(b, uint32(v))
	}
	return b
}

// Shape is what the rows of a model look like.
type Shape struct {
	Dense int // numbers a row, none of which is farther from zero than Most
	Most  float64
	// Ends has, for each category column, its first slot and the one after its last.
	Ends    [][2]int
	Classes int // 0 for a regression
}

// front is how many bytes come before the rows.
const front = 8 + 1

// Decode reads what AppendBinary wrote of a model that answers by k neighbours, and nothing that
// could not have been one. Memory is bounded by a small multiple of len(b).
func Decode(b []byte, s Shape, k int, byDistance bool) (*Model, error) {
	r, err := decodeRows(b, s)
	if err != nil {
		return nil, err
	}
	if k < 1 || k > r.Rows {
		return nil, fmt.Errorf("%d neighbours of %d rows", k, r.Rows)
	}
	return New(*r, k, byDistance), nil
}

func decodeRows(b []byte, s Shape) (*Rows, error) {
	if len(b) < front || b[8] > 1 {
		return nil, errors.New("no rows")
	}
	rows, weighted := binary.LittleEndian.Uint64(b), b[8] == 1
	b = b[front:]
	size := uint64(8*s.Dense + 4*len(s.Ends))
	if s.Classes > 0 {
		size += 4
	} else {
		size += 8
	}
	if weighted {
		size += 8
	}
	if rows == 0 || rows > uint64(len(b)) || rows > math.MaxInt32 || rows*size != uint64(len(b)) {
		return nil, fmt.Errorf("%d bytes for %d rows of %d", len(b), rows, size)
	}
	n := int(rows)
	r := &Rows{Classes: s.Classes, Points: Points{Rows: n, Dense: s.Dense, Hot: len(s.Ends)}}
	r.Numbers, b = floats(b, n*s.Dense)
	r.Slots, b = ints(b, n*len(s.Ends))
	if s.Classes > 0 {
		r.Codes, b = ints(b, n)
	} else {
		r.Values, b = floats(b, n)
	}
	if weighted {
		r.Weights, _ = floats(b, n)
	}
	return r, r.check(s)
}

func floats(b []byte, n int) (list []float64, rest []byte) {
	list = make([]float64, n)
	for i := range list {
		list[i] = math.Float64frombits(binary.LittleEndian.Uint64(b[8*i:]))
	}
	return list, b[8*n:]
}

func ints(b []byte, n int) (list []int32, rest []byte) {
	list = make([]int32, n)
	for i := range list {
		list[i] = int32(binary.LittleEndian.Uint32(b[4*i:]))
	}
	return list, b[4*n:]
}

// check reports what no training row can be.
func (r *Rows) check(s Shape) error {
	for i, v := range r.Numbers {
		if !(math.Abs(v) <= s.Most) {
			return fmt.Errorf("row %d has the number %v", i/s.Dense, v)
		}
	}
	for i, slot := range r.Slots {
		if ends := s.Ends[i%len(s.Ends)]; slot != -1 && (int(slot) < ends[0] || int(slot) >= ends[1]) {
			return fmt.Errorf("row %d has slot %d", i/len(s.Ends), slot)
		}
	}
	for i, code := range r.Codes {
		if code < 0 || int(code) >= s.Classes {
			return fmt.Errorf("row %d is of class %d of %d", i, code, s.Classes)
		}
	}
	for i, v := range r.Values {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return fmt.Errorf("the value of row %d is not finite", i)
		}
	}
	for i, w := range r.Weights {
		if !(w > 0) || math.IsInf(w, 0) {
			return fmt.Errorf("the weight of row %d is %v", i, w)
		}
	}
	return nil
}
