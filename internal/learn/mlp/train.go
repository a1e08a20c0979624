package mlp

import (
	"context"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/bakeoffhq/bakeoff"
)

// Train fits a network to the rows of d and their labels. The error is a *bakeoff.Error for what the
// user can mend, and the context's cause when ctx ends the fit.
func Train(ctx context.Context, d *Data, y bakeoff.Labels, p Params, o Options) (*Network, error) {
	if err := check(d, y, p); err != nil {
		return nil, err
	}
	t := newTrainer(d, y, p, o)
	defer t.team.close()
	if err := t.run(ctx); err != nil {
		return nil, err
	}
	return t.network, nil
}

// trainer is one fit.
type trainer struct {
	data    *Data
	params  Params
	options Options
	target  target
	train   []int // rows to learn from, in the order of the epoch
	held    []int // rows for early stopping, ascending
	network *Network
	adam    adam
	moments []stepper // one a layer
	tasks   []task
	team    *team
	cost    int // about how many multiplications a row takes
	weights int // of the network
	order   *rand.Rand

	// For the rows of a batch, row-major: the units of all layers, the derivatives of the loss by
	// their inputs, and the losses.
	units, residuals []float32
	losses           []float64
	scratch          []scratch // one a goroutine
}

// stepper has the moments of a layer.
type stepper struct{ weights, bias moments }

// scratch is the memory of one goroutine.
type scratch struct {
	column   []float32 // an input of each row of the batch
	gradient []float32 // of the weights of a task
	answers  []float64 // the probability of each class
}

func newTrainer(d *Data, y bakeoff.Labels, p Params, o Options) *trainer {
	t := &trainer{data: d, params: p, options: o, adam: newAdam(p.LearningRate, p.Alpha)}
	var rows []int
	t.target, rows = newTarget(y)
	t.train = rows
	if p.EarlyStopping {
		t.train, t.held = t.target.split(rows, p.ValidationFraction, o.Seed)
	}
	t.network = newNetwork(sizes(d.Width, p.Hidden, outputs(y)), p.Activation)
	t.network.scale, t.network.mean = t.target.scale, t.target.mean
	t.network.draw(o.Seed)
	t.target.baseline(t.network.layers[len(t.network.layers)-1].bias, t.train)
	for _, l := range t.network.layers {
		t.moments = append(t.moments, stepper{newMoments(len(l.weights)), newMoments(len(l.bias))})
	}
	t.cost = t.network.Cost(d.Dense + len(d.Starts))
	t.weights = weights(sizes(d.Width, p.Hidden, outputs(y)))
	t.order = rand.New(rand.NewPCG(o.Seed, streamOrder))
	t.tasks = t.share()
	t.team = newTeam(o.Threads)
	t.allot()
	return t
}

// allot makes the memory that the batches share.
func (t *trainer) allot() {
	rows := max(min(t.params.BatchSize, len(t.train)), min(blockRows, len(t.held)))
	t.units = make([]float32, rows*t.network.units())
	t.residuals = make([]float32, rows*t.network.units())
	t.losses = make([]float64, max(len(t.train), len(t.held)))
	largest := 0
	for _, k := range t.tasks {
		largest = max(largest, k.size(t.network))
	}
	t.scratch = make([]scratch, max(1, t.options.Threads))
	for i := range t.scratch {
		t.scratch[i] = scratch{
			column: make([]float32, rows), gradient: make([]float32, largest),
			answers: make([]float64, max(2, t.network.outputs())),
		}
	}
}

// draw gives each weight its first value, as Glorot and Bengio (2010) do; biases begin at zero.
func (n *Network) draw(seed uint64) {
	rng := rand.New(rand.NewPCG(seed, streamStart))
	for _, l := range n.layers {
		bound := math.Sqrt(6 / float64(l.in+l.out))
		for j := range l.weights {
			l.weights[j] = float32((float64(2*rng.Float64()) - 1) * bound)
		}
	}
}

// run goes through epochs until there are enough or they no longer help.
func (t *trainer) run(ctx context.Context) error {
	best, mark, waited := math.Inf(1), math.Inf(1), 0
	var kept []layer
	for epoch := 1; epoch <= t.params.MaxIter && waited <= t.params.Patience; epoch++ {
		loss, err := t.epoch(ctx)
		if err == nil && t.held != nil {
			loss, err = t.heldLoss(ctx)
		}
		if err != nil {
			return err
		}
		if math.IsNaN(loss) || math.IsInf(loss, 0) {
			return diverged(epoch)
		}
		waited++
		if loss < mark-t.params.Tol {
			mark, waited = loss, 0
		}
		if t.held != nil && loss < best {
			best, kept = loss, t.network.keep(kept)
		}
		t.report(epoch, waited)
	}
	if kept != nil {
		t.network.layers = kept
	}
	return nil
}

func (t *trainer) report(epoch, waited int) {
	if t.options.Progress == nil {
		return
	}
	fraction := float64(epoch) / float64(t.params.MaxIter)
	if waited > t.params.Patience {
		fraction = 1 // it stops here
	}
	t.options.Progress(epoch, fraction)
}

// keep copies the layers, into those of an earlier copy if there is one.
func (n *Network) keep(into []layer) []layer {
	if into == nil {
		into = make([]layer, len(n.layers))
	}
	for i, l := range n.layers {
		weights, bias := append(into[i].weights[:0], l.weights...), append(into[i].bias[:0], l.bias...)
		into[i] = layer{in: l.in, out: l.out, weights: weights, bias: bias}
	}
	return into
}

// epoch takes a step for each batch, and returns the mean loss of the rows, each when its turn was.
func (t *trainer) epoch(ctx context.Context) (float64, error) {
	t.order.Shuffle(len(t.train), func(i, j int) { t.train[i], t.train[j] = t.train[j], t.train[i] })
	losses := t.losses[:len(t.train)]
	size := min(t.params.BatchSize, len(t.train))
	for lo := 0; lo < len(t.train); lo += size {
		if ctx.Err() != nil {
			return 0, context.Cause(ctx)
		}
		hi := min(lo+size, len(t.train))
		t.batch(t.train[lo:hi], losses[lo:hi])
	}
	return mean(losses) + t.penalty(size), nil
}

func mean(losses []float64) float64 {
	sum := 0.0
	for _, l := range losses {
		sum += l
	}
	return sum / float64(len(losses))
}

// penalty returns what the L2 penalty adds to the mean loss of a batch.
func (t *trainer) penalty(rows int) float64 {
	squares := 0.0
	for _, l := range t.network.layers {
		for _, w := range l.weights {
			squares += float64(float64(w) * float64(w))
		}
	}
	return t.params.Alpha / 2 * squares / float64(rows)
}

// stepCost is about how many multiplications moving a weight takes as long as.
const stepCost = 10

// groupRows is how many rows of a batch a goroutine takes at a time.
const groupRows = 16

// batch takes one step: it works out each row, and then moves each weight.
func (t *trainer) batch(rows []int, losses []float64) {
	t.adam.begin(len(rows))
	t.workOut(rows, losses)
	t.team.each(len(t.tasks), t.cost*len(rows)+stepCost*t.weights, func(task, worker int) {
		t.tasks[task].do(t, rows, &t.scratch[worker])
	})
}

// workOut fills in units, residuals and losses of the rows of a batch.
func (t *trainer) workOut(rows []int, losses []float64) {
	t.team.each((len(rows)+groupRows-1)/groupRows, t.cost*len(rows), func(group, worker int) {
		for at := group * groupRows; at < min((group+1)*groupRows, len(rows)); at++ {
			losses[at] = t.forward(rows[at], at, worker)
			t.backward(at)
		}
	})
}

// of returns what a row has in units or residuals.
func (t *trainer) of(list []float32, at int) []float32 {
	n := t.network.units()
	return list[at*n : (at+1)*n]
}

// forward answers for a row, and returns its loss.
func (t *trainer) forward(row, at, worker int) float64 {
	numbers, slots := t.data.row(row)
	units, residuals := t.of(t.units, at), t.of(t.residuals, at)
	t.network.forward(units, numbers, slots)
	last := len(units) - t.network.outputs()
	return t.target.residual(residuals[last:], units[last:], t.scratch[worker].answers, row)
}

// backward takes the residuals of the margins back through the layers.
func (t *trainer) backward(at int) {
	units, residuals := t.of(t.units, at), t.of(t.residuals, at)
	end := len(units)
	for i := len(t.network.layers) - 1; i > 0; i-- {
		l := &t.network.layers[i]
		begin := end - l.out
		back(residuals[begin-l.in:begin], units[begin-l.in:begin], residuals[begin:end], l.weights, t.params.Activation)
		end = begin
	}
}

// back fills in the residuals of a layer's inputs from those of its units; inputs of ReLU that are
// off have none.
func back(out, inputs, residuals, weights []float32, activation string) {
	if activation == Tanh {
		backAll(out, residuals, weights)
		for j, v := range inputs {
			out[j] *= 1 - float32(v*v)
		}
		return
	}
	if len(residuals) == 1 {
		scaleOn(out, inputs, residuals[0], weights)
		return
	}
	clear(out)
	n := len(residuals)
	var on chunk
	for lo := 0; lo < len(inputs); lo += len(on) {
		list := on.nonzero(inputs[lo:min(lo+len(on), len(inputs))])
		for ; len(list) >= 4; list = list[4:] {
			a, b, c, d := lo+int(list[0]), lo+int(list[1]), lo+int(list[2]), lo+int(list[3])
			out[a], out[b], out[c], out[d] = dotFour(residuals, weights[a*n:], weights[b*n:], weights[c*n:], weights[d*n:])
		}
		for _, at := range list {
			j := lo + int(at)
			out[j] = dotOne(residuals, weights[j*n:])
		}
	}
}

// backAll is back for inputs of which none is off.
func backAll(out, residuals, weights []float32) {
	for j := range out {
		out[j] = dotOne(residuals, weights[j*len(residuals):])
	}
}

// heldLoss returns the mean loss of the rows that are held back. Of a regression the worst of a
// thousand rows are left out: a single row with a wild number would decide alone when to stop.
func (t *trainer) heldLoss(ctx context.Context) (float64, error) {
	losses := t.losses[:len(t.held)]
	for lo := 0; lo < len(t.held); lo += blockRows {
		if ctx.Err() != nil {
			return 0, context.Cause(ctx)
		}
		rows := t.held[lo:min(lo+blockRows, len(t.held))]
		t.team.each((len(rows)+groupRows-1)/groupRows, t.cost*len(rows), func(group, worker int) {
			for at := group * groupRows; at < min((group+1)*groupRows, len(rows)); at++ {
				losses[lo+at] = t.forward(rows[at], at, worker)
			}
		})
	}
	if t.target.classes == 0 {
		slices.Sort(losses)
		losses = losses[:len(losses)-(len(losses)+999)/1000]
		return 2 * mean(losses), nil // a gain of Tol is one in the share of the variance
	}
	return mean(losses), nil
}
