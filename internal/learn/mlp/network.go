package mlp

import (
	"context"
	"math"
	"sync"
	"sync/atomic"

	"github.com/bakeoffhq/bakeoff/internal/learn/portable"
)

// layer is a matrix of weights, one row an input, and what is added to each unit.
type layer struct {
	in, out int
	weights []float32 // in*out, row-major
	bias    []float32 // out
}

// Network is a trained network. It is immutable and safe for concurrent use.
type Network struct {
	activation string
	layers     []layer
	// What the answer of a regression is multiplied by and added to; 1 and 0 for classes.
	scale, mean float64
}

// newNetwork returns a network of zeros.
func newNetwork(sizes []int, activation string) *Network {
	n := &Network{activation: activation, layers: make([]layer, len(sizes)-1), scale: 1}
	for i := range n.layers {
		in, out := sizes[i], sizes[i+1]
		n.layers[i] = layer{in: in, out: out, weights: make([]float32, in*out), bias: make([]float32, out)}
	}
	return n
}

// outputs is how many numbers answer for a row.
func (n *Network) outputs() int { return n.layers[len(n.layers)-1].out }

// units is how many units there are in all layers together.
func (n *Network) units() int {
	units := 0
	for _, l := range n.layers {
		units += l.out
	}
	return units
}

// Cost returns about how many multiplications a row takes of which so many inputs are numbers or slots.
func (n *Network) Cost(inputs int) int {
	cost := inputs * n.layers[0].out
	for _, l := range n.layers[1:] {
		cost += l.in * l.out
	}
	return cost
}

// forward fills in the units of all layers, one after the other, for a row. The last ones are the
// margins.
func (n *Network) forward(units []float32, numbers []float32, slots []int32) {
	first := &n.layers[0]
	at := units[:first.out]
	copy(at, first.bias)
	addProducts(at, numbers, first.weights, first.out)
	addSlots(at, slots, first.weights)
	for i := 1; i < len(n.layers); i++ {
		n.activate(at)
		l := &n.layers[i]
		units = units[len(at):]
		next := units[:l.out]
		copy(next, l.bias)
		addProducts(next, at, l.weights, l.out)
		at = next
	}
}

func (n *Network) activate(units []float32) {
	if n.activation == ReLU {
		for i, v := range units {
			units[i] = max(v, 0)
		}
		return
	}
	for i, v := range units {
		units[i] = float32(tanh(float64(v)))
	}
}

// blockRows is how many rows a thread answers for at a time.
const blockRows = 256

// Values returns the answer of a regression for each row.
func (n *Network) Values(ctx context.Context, d *Data, threads int) ([]float64, error) {
	out := make([]float64, d.Rows)
	err := n.each(ctx, d, threads, func(row int, margins []float32) { out[row] = n.value(margins[0]) })
	return out, err
}

// value returns the answer in the units of the target. No row is answered with what is no number.
func (n *Network) value(margin float32) float64 {
	v := float64(finite(margin)*n.scale) + n.mean
	return min(max(v, -math.MaxFloat64), math.MaxFloat64)
}

// Probabilities returns the probability of each class for each row, row-major.
func (n *Network) Probabilities(ctx context.Context, d *Data, threads int) ([]float64, error) {
	k := max(2, n.outputs())
	out := make([]float64, d.Rows*k)
	err := n.each(ctx, d, threads, func(row int, margins []float32) { probabilities(out[row*k:(row+1)*k], margins) })
	return out, err
}

// probabilities fills p from the margins: of the second class where there is one.
func probabilities(p []float64, margins []float32) {
	if len(margins) == 1 {
		m := finite(margins[0])
		e := portable.Exp(-math.Abs(m))
		p[0], p[1] = e/(1+e), 1/(1+e)
		if m < 0 {
			p[0], p[1] = p[1], p[0]
		}
		return
	}
	top := math.Inf(-1)
	for i, m := range margins {
		p[i] = finite(m)
		top = max(top, p[i])
	}
	sum := 0.0
	for i, m := range p {
		p[i] = portable.Exp(m - top)
		sum += p[i]
	}
	for i := range p {
		p[i] /= sum
	}
}

// finite returns a margin as a number that can be reckoned with, also for a row that is beyond all
// reason.
func finite(margin float32) float64 {
	m := float64(margin)
	if math.IsNaN(m) {
		return 0
	}
	return min(max(m, -math.MaxFloat32), math.MaxFloat32)
}

// each calls do with the margins of each row, from up to so many goroutines.
func (n *Network) each(ctx context.Context, d *Data, threads int, do func(row int, margins []float32)) error {
	if d.Rows <= blockRows { // a request: no goroutine is worth its while
		n.block(d, make([]float32, n.units()), 0, do)
		return context.Cause(ctx)
	}
	blocks := (d.Rows + blockRows - 1) / blockRows
	var next atomic.Int64
	work := func() {
		units := make([]float32, n.units())
		for b := int(next.Add(1)) - 1; b < blocks && ctx.Err() == nil; b = int(next.Add(1)) - 1 {
			n.block(d, units, b, do)
		}
	}
	var wait sync.WaitGroup
	for range min(threads, blocks) - 1 {
		wait.Go(work)
	}
	work()
	wait.Wait()
	return context.Cause(ctx)
}

// block is each for one block of rows.
func (n *Network) block(d *Data, units []float32, block int, do func(row int, margins []float32)) {
	margins := units[len(units)-n.outputs():]
	for row := block * blockRows; row < min((block+1)*blockRows, d.Rows); row++ {
		numbers, slots := d.row(row)
		n.forward(units, numbers, slots)
		do(row, margins)
	}
}
