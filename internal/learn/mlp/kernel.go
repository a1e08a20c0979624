package mlp

import (
	"math"

	"github.com/bakeoffhq/bakeoff/internal/learn/portable"
)

// addProducts adds a[i] times the row of m that begins at i*stride to out; the rows are as long as
// out. Rows are taken four at a time, zeros left out: half of a layer's units are off, mostly.
func addProducts(out, a, m []float32, stride int) {
	if len(out) == 1 {
		out[0] += dotStrided(a, m, stride)
		return
	}
	var on chunk
	for lo := 0; lo < len(a); lo += len(on) {
		part := a[lo:min(lo+len(on), len(a))]
		rows := m[lo*stride:]
		list := on.nonzero(part)
		for ; len(list) >= 4; list = list[4:] {
			i0, i1, i2, i3 := int(list[0]), int(list[1]), int(list[2]), int(list[3])
			factor := [4]float32{part[i0], part[i1], part[i2], part[i3]}
			addFour(out, &factor, rows[i0*stride:], rows[i1*stride:], rows[i2*stride:], rows[i3*stride:])
		}
		for _, i := range list {
			addOne(out, part[i], rows[int(i)*stride:])
		}
	}
}

// chunk lists positions in a part of a row.
type chunk [128]int32

// nonzero returns the positions of what is not zero, without a branch for each: which of them are
// on is as good as random, and no processor guesses it. No more than a chunk's length is looked at.
func (c *chunk) nonzero(a []float32) []int32 {
	a = a[:min(len(a), len(c))]
	n := 0
	for i, v := range a {
		c[n&(len(c)-1)] = int32(i)
		magnitude := math.Float32bits(v) << 1
		n += int((magnitude | -magnitude) >> 31)
	}
	return c[:n]
}

// scaleOn sets out to factor times the weights where the inputs, none of which is negative, are
// not zero, and to zero elsewhere.
func scaleOn(out, inputs []float32, factor float32, weights []float32) {
	inputs, weights = inputs[:len(out)], weights[:len(out)]
	for j := range out {
		on := -int32(math.Float32bits(inputs[j])) >> 31 // all ones or all zeros
		out[j] = math.Float32frombits(math.Float32bits(factor*weights[j]) & uint32(on))
	}
}

// addFour adds four rows, each times its factor. One pass for four saves three out of four loads
// and stores of out.
func addFour(out []float32, factor *[4]float32, a, b, c, d []float32) {
	a, b, c, d = a[:len(out)], b[:len(out)], c[:len(out)], d[:len(out)]
	f0, f1, f2, f3 := factor[0], factor[1], factor[2], factor[3]
	for i, v := range out {
		v += float32(f0 * a[i])
		v += float32(f1 * b[i])
		v += float32(f2 * c[i])
		out[i] = v + float32(f3*d[i])
	}
}

func addOne(out []float32, factor float32, row []float32) {
	row = row[:len(out)]
	for i, v := range row {
		out[i] += float32(factor * v)
	}
}

// addRow adds a row as it is.
func addRow(out, row []float32) {
	row = row[:len(out)]
	for len(out) >= 4 && len(row) >= 4 {
		to, from := (*[4]float32)(out), (*[4]float32)(row)
		to[0] += from[0]
		to[1] += from[1]
		to[2] += from[2]
		to[3] += from[3]
		out, row = out[4:], row[4:]
	}
	for i, v := range row {
		out[i] += v
	}
}

// addSlots adds the rows of m at the slots, four at a time.
func addSlots(out []float32, slots []int32, m []float32) {
	n := len(out)
	var start [4]int
	taken := 0
	for _, slot := range slots {
		if slot < 0 {
			continue
		}
		start[taken] = int(slot) * n
		if taken++; taken == len(start) {
			addFourRows(out, m[start[0]:], m[start[1]:], m[start[2]:], m[start[3]:])
			taken = 0
		}
	}
	for _, at := range start[:taken] {
		addRow(out, m[at:])
	}
}

// addFourRows is addFour of factors that are one.
func addFourRows(out, a, b, c, d []float32) {
	a, b, c, d = a[:len(out)], b[:len(out)], c[:len(out)], d[:len(out)]
	for i, v := range out {
		out[i] = (v + (a[i] + b[i])) + (c[i] + d[i])
	}
}

// dotStrided returns the sum of the products of a with every stride-th number of b, in four sums that
// do not wait for each other.
func dotStrided(a, b []float32, stride int) float32 {
	var sum [4]float32
	at := 0
	for i, v := range a {
		sum[i&3] += float32(v * b[at])
		at += stride
	}
	return (sum[0] + sum[1]) + (sum[2] + sum[3])
}

// dotFour returns the sums of the products of r with each of four rows.
func dotFour(r, a, b, c, d []float32) (s0, s1, s2, s3 float32) {
	a, b, c, d = a[:len(r)], b[:len(r)], c[:len(r)], d[:len(r)]
	for i, v := range r {
		s0 += float32(v * a[i])
		s1 += float32(v * b[i])
		s2 += float32(v * c[i])
		s3 += float32(v * d[i])
	}
	return s0, s1, s2, s3
}

// dotOne is dotFour of one row.
func dotOne(r, a []float32) float32 {
	a = a[:len(r)]
	var sum float32
	for i, v := range r {
		sum += float32(v * a[i])
	}
	return sum
}

// tanh returns the hyperbolic tangent.
func tanh(x float64) float64 {
	const far = 20 // where it is one to the last digit
	x = min(max(x, -far), far)
	e := portable.Exp(2 * x)
	return (e - 1) / (e + 1)
}
