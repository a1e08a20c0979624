package mlp

// task is a part of the weights that one goroutine moves: the rows of a layer's matrix from lo up
// to hi, or its biases.
type task struct {
	layer  int
	lo, hi int
	// hot is the category column whose slots the rows are, or -1: then they are numbers or units.
	hot  int
	bias bool
}

// taskWeights is about how many weights a task has.
const taskWeights = 2048

// share cuts the weights into tasks. The cuts depend on the network alone.
func (t *trainer) share() []task {
	var tasks []task
	add := func(layer, lo, hi, hot int) {
		step := max(1, taskWeights/t.network.layers[layer].out)
		for ; lo < hi; lo += step {
			tasks = append(tasks, task{layer: layer, lo: lo, hi: min(lo+step, hi), hot: hot})
		}
	}
	for c, start := range t.data.Starts {
		end := t.data.Width
		if c+1 < len(t.data.Starts) {
			end = t.data.Starts[c+1]
		}
		add(0, start, end, c)
	}
	add(0, 0, t.data.Dense, -1)
	for i, l := range t.network.layers {
		if i > 0 {
			add(i, 0, l.in, -1)
		}
		tasks = append(tasks, task{layer: i, bias: true})
	}
	return tasks
}

// size is how many weights the task has.
func (k task) size(n *Network) int {
	if k.bias {
		return n.layers[k.layer].out
	}
	return (k.hi - k.lo) * n.layers[k.layer].out
}

// do moves the task's weights by their gradients over the rows of the batch.
func (k task) do(t *trainer, rows []int, s *scratch) {
	gradient := k.gradient(t, rows, s)
	l, m := &t.network.layers[k.layer], t.moments[k.layer]
	if k.bias {
		t.adam.update(l.bias, m.bias, gradient, 0)
		return
	}
	lo, hi := k.lo*l.out, k.hi*l.out
	t.adam.update(l.weights[lo:hi], m.weights.part(lo, hi), gradient, t.adam.penalty)
}

// gradient returns the sums of the gradients of the task's weights over the rows of the batch.
func (k task) gradient(t *trainer, rows []int, s *scratch) []float32 {
	gradient := s.gradient[:k.size(t.network)]
	clear(gradient)
	r := t.layerOf(t.residuals, k.layer)
	switch {
	case k.bias:
		for at := range rows {
			addRow(gradient, r.row(at))
		}
	case k.hot >= 0:
		k.addSlots(t, rows, gradient, r)
	default:
		k.addInputs(t, rows, gradient, r, s.column[:len(rows)])
	}
	return gradient
}

// strided is a matrix whose rows lie apart.
type strided struct {
	values         []float32
	stride, length int
}

func (m strided) row(i int) []float32 { return m.values[i*m.stride:][:m.length] }

// layerOf returns what units or residuals have for a layer, one row a row of the batch.
func (t *trainer) layerOf(list []float32, layer int) strided {
	begin := 0
	for _, l := range t.network.layers[:layer] {
		begin += l.out
	}
	return strided{values: list[begin:], stride: t.network.units(), length: t.network.layers[layer].out}
}

// addSlots adds the residuals of each row to the row of its slot.
func (k task) addSlots(t *trainer, rows []int, gradient []float32, r strided) {
	hot, n := len(t.data.Starts), r.length
	for at, row := range rows {
		if slot := int(t.data.Slots[row*hot+k.hot]) - k.lo; slot >= 0 && slot < k.hi-k.lo {
			addRow(gradient[slot*n:(slot+1)*n], r.row(at))
		}
	}
}

// addInputs adds the residuals of each row times each input.
func (k task) addInputs(t *trainer, rows []int, gradient []float32, r strided, column []float32) {
	n := r.length
	for j := k.lo; j < k.hi; j++ {
		if k.layer == 0 {
			for at, row := range rows {
				column[at] = t.data.Numbers[row*t.data.Dense+j]
			}
		} else {
			inputs := t.layerOf(t.units, k.layer-1)
			for at := range rows {
				column[at] = inputs.values[at*inputs.stride+j]
			}
		}
		out := gradient[(j-k.lo)*n : (j-k.lo+1)*n]
		addProducts(out, column, r.values, r.stride)
	}
}
