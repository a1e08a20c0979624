// Package mlp turns an encoded matrix and a target into a neural network of one or two hidden
// layers: a multi-layer perceptron, trained by Adam (Kingma and Ba 2015) on small batches of rows.
//
// The objective, the start and the steps are scikit-learn's. The numbers are float32, and what a
// category column adds is gathered by its slot, never multiplied out.
//
// The same rows give the same network, to the bit, whatever the number of threads: within a batch,
// threads share out first the rows, each of which is worked out alone, and then the weights, each
// of which sums up the rows in their order. Products are rounded before they are added, so that no
// processor's fused instructions change a bit.
package mlp

import "github.com/bakeoffhq/bakeoff"

// Data is an encoded matrix: a few numbers a row and, for each category column, the position of its
// one. Every number must be finite; the numbers should have a scale near one.
type Data struct {
	Rows  int
	Dense int // numbers a row: inputs 0 to Dense-1
	Width int // inputs in all: Dense and the slots of the categories
	// Starts has the first input of each category column, ascending; the next one's ends it, and
	// Width the last.
	Starts []int
	// Numbers has Rows*Dense numbers, row-major.
	Numbers []float32
	// Slots has an input for each row and category column, row-major, or -1 where all of the
	// column's inputs are zero.
	Slots []int32
}

// row returns the numbers and the slots of one row.
func (d *Data) row(i int) ([]float32, []int32) {
	hot := len(d.Starts)
	return d.Numbers[i*d.Dense : (i+1)*d.Dense], d.Slots[i*hot : (i+1)*hot]
}

// The activations of hidden units.
const (
	ReLU = "relu"
	Tanh = "tanh"
)

// Params are the settings of a network, with scikit-learn's names and meanings.
type Params struct {
	Hidden       []int   // units of each hidden layer, one or two of them
	Activation   string  // one of the constants above
	Alpha        float64 // L2 penalty
	BatchSize    int     // rows of a step; all of them, if there are fewer
	LearningRate float64 // of Adam
	MaxIter      int     // most epochs
	Tol          float64 // a gain in the loss that is smaller is none
	Patience     int     // epochs without a gain before it stops
	// EarlyStopping holds a part of the rows back and returns the network of the epoch that was
	// best on it. The gain that Patience waits for is then that of the rows held back.
	EarlyStopping      bool
	ValidationFraction float64
}

// DefaultParams returns scikit-learn's defaults, but with early stopping.
func DefaultParams() Params {
	return Params{
		Hidden: []int{100}, Activation: ReLU, Alpha: 1e-4, BatchSize: 200, LearningRate: 1e-3,
		MaxIter: 200, Tol: 1e-4, Patience: 10, EarlyStopping: true, ValidationFraction: 0.1,
	}
}

// Options are what the rows do not say.
type Options struct {
	Seed    uint64 // decides the first weights, the rows held back and the order of the rows
	Threads int    // how many to use, which does not change the result; at least one is used
	// Progress is told each epoch and the share of Params.MaxIter; it may be nil.
	Progress func(epoch int, fraction float64)
}

// maxWeights bounds a network. Training holds five numbers a weight.
const maxWeights = 1 << 24

// check reports what a network cannot be made of.
func check(d *Data, y bakeoff.Labels, p Params) error {
	switch {
	case y.Len() != d.Rows:
		return bakeoff.Errorf(bakeoff.CodeInternal, "%d labels for %d rows", y.Len(), d.Rows)
	case len(p.Hidden) < 1 || len(p.Hidden) > 2:
		return bakeoff.Errorf(bakeoff.CodeInvalid, "%d hidden layers, want one or two", len(p.Hidden))
	case p.BatchSize < 1 || p.MaxIter < 1:
		return bakeoff.Errorf(bakeoff.CodeInvalid, "a batch of %d rows and %d epochs, want at least one of each", p.BatchSize, p.MaxIter)
	case p.Activation != ReLU && p.Activation != Tanh:
		return bakeoff.Errorf(bakeoff.CodeInvalid, "unknown activation %q", p.Activation)
	}
	if n := weights(sizes(d.Width, p.Hidden, outputs(y))); n > maxWeights {
		return bakeoff.Errorf(bakeoff.CodeInvalid, "the network would have %d weights, more than %d: its %d inputs are too many for the first layer's %d units", n, maxWeights, d.Width, p.Hidden[0]).
			WithHint("make hidden_layer_sizes smaller, or leave out category columns with many values")
	}
	return nil
}

// outputs returns how many numbers answer for a row: one for a value and for two classes.
func outputs(y bakeoff.Labels) int {
	if len(y.Classes) > 2 {
		return len(y.Classes)
	}
	return 1
}

// sizes returns the units of each layer, from the inputs to the outputs.
func sizes(width int, hidden []int, outputs int) []int {
	list := append(make([]int, 0, len(hidden)+2), width)
	return append(append(list, hidden...), outputs)
}

// weights returns how many numbers the layers have.
func weights(sizes []int) int {
	n := 0
	for i := range len(sizes) - 1 {
		n += (sizes[i] + 1) * sizes[i+1]
	}
	return n
}

// diverged is the failure of a network whose loss is no number any more.
func diverged(epoch int) error {
	return bakeoff.Errorf(bakeoff.CodeInvalid, "the loss is not a finite number any more in epoch %d", epoch).
		WithHint("a smaller learning_rate_init takes smaller steps; look also for columns with a few huge values")
}
