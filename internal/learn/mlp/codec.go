package mlp

import (
	"encoding/binary"
	"fmt"
	"math"
)

// AppendBinary appends what Decode needs, little-endian: scale and mean of the target as float64,
// then the weights of each layer, row-major, and its biases as float32.
func (n *Network) AppendBinary(b []byte) []byte {
	b = binary.LittleEndian.AppendUint64(b, math.Float64bits(n.scale))
	b = binary.LittleEndian.AppendUint64(b, math.Float64bits(n.mean))
	for _, l := range n.layers {
		for _, list := range [][]float32{l.weights, l.bias} {
			for _, v := range list {
				b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
			}
		}
	}
	return b
}

// Decode reads the network that Train made with those parameters for so many inputs and classes,
// none for a regression. Memory is bounded by len(b).
func Decode(b []byte, width int, p Params, classes int) (*Network, error) {
	list, err := shape(width, p, classes)
	if err != nil {
		return nil, err
	}
	const front = 2 * 8
	if want := front + 4*weights(list); len(b) != want {
		return nil, fmt.Errorf("%d bytes of weights, want %d", len(b), want)
	}
	n := newNetwork(list, p.Activation)
	n.scale = math.Float64frombits(binary.LittleEndian.Uint64(b))
	n.mean = math.Float64frombits(binary.LittleEndian.Uint64(b[8:]))
	if !(n.scale >= 0) || math.IsInf(n.scale, 0) || math.IsNaN(n.mean) || math.IsInf(n.mean, 0) {
		return nil, fmt.Errorf("a target of mean %v and deviation %v", n.mean, n.scale)
	}
	if classes > 0 && (n.scale != 1 || math.Float64bits(n.mean) != 0) {
		return nil, fmt.Errorf("classes with a mean of %v and a deviation of %v", n.mean, n.scale)
	}
	b = b[front:]
	for i := range n.layers {
		for _, list := range [][]float32{n.layers[i].weights, n.layers[i].bias} {
			for j := range list {
				list[j] = math.Float32frombits(binary.LittleEndian.Uint32(b[4*j:]))
				if v := float64(list[j]); math.IsNaN(v) || math.IsInf(v, 0) {
					return nil, fmt.Errorf("weight %d of layer %d is not finite", j, i+1)
				}
			}
			b = b[4*len(list):]
		}
	}
	return n, nil
}

// shape returns the sizes of the layers, if Train could have made them.
func shape(width int, p Params, classes int) ([]int, error) {
	if p.Activation != ReLU && p.Activation != Tanh {
		return nil, fmt.Errorf("unknown activation %q", p.Activation)
	}
	if len(p.Hidden) < 1 || len(p.Hidden) > 2 {
		return nil, fmt.Errorf("%d hidden layers, want one or two", len(p.Hidden))
	}
	for _, n := range p.Hidden {
		if n < 1 || n > maxWeights {
			return nil, fmt.Errorf("a hidden layer of %d units", n)
		}
	}
	outputs := 1
	if classes > 2 {
		outputs = classes
	}
	list := sizes(width, p.Hidden, outputs)
	for _, n := range list {
		if n > maxWeights {
			return nil, fmt.Errorf("a layer of %d units", n)
		}
	}
	if n := weights(list); n > maxWeights {
		return nil, fmt.Errorf("%d weights, more than %d", n, maxWeights)
	}
	return list, nil
}
