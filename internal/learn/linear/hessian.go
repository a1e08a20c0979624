package linear

import (
	"context"
	"math"
	"slices"
)

// A Hessian of several outputs has a block for each pair of outputs c and d: for columns u and v the
// sum over the rows of w p_c (1-p_c) x_u x_v, or of -w p_c p_d x_u x_v where c and d differ. A row
// may be of few classes, as a rule, so that nearly all of the p_c p_d are next to nothing. Those are
// not summed but guessed from what the others leave, see complete: a Hessian only chooses the steps,
// and the steps from this one are as good.

// hessian returns a factor of the Hessian at theta over these rows, times scale, with the penalties.
func (l *logistic) hessian(ctx context.Context, theta []float64, scale float64) (*cholesky, error) {
	n := l.rows.columns()
	total := make([]float64, l.hessianSize())
	err := newSums(l.rows.n, len(total)).over(ctx, l.rows.n, l.options.Threads, total, func(sum []float64, lo, hi int) {
		if l.outputs == 1 {
			l.addHessianOne(sum, theta, lo, hi)
			return
		}
		l.addHessian(sum, theta, lo, hi)
	})
	if err != nil {
		return nil, err
	}
	if l.outputs > 1 {
		l.complete(total)
	}
	return factorise(l.assemble(total, scale), n*l.outputs)
}

// addHessianOne adds the rows lo up to hi for two classes.
func (l *logistic) addHessianOne(sum, theta []float64, lo, hi int) {
	r := l.rows
	b := newBinary(r, theta)
	loss := losses{product: 1}
	g := newGram(r)
	eachTile(lo, hi, func(lo, hi int) {
		b.load(l, lo, hi, &loss)
		g.add(sum, b.weight[:upToFour(hi-lo)], lo, hi)
	})
	g.finish(sum)
}

// gram adds up the inner products of the rows' columns, each row as often as its weight says.
type gram struct {
	r                   *rows
	x, scratch, squares []float64
}

func newGram(r *rows) *gram {
	return &gram{
		r: r, x: make([]float64, tileRows*r.stride), scratch: make([]float64, 2*tileRows), squares: make([]float64, r.stride*r.stride),
	}
}

// add adds the tile of rows lo up to hi to sum, columns by columns, on and above its diagonal: the
// pairs with a mark now, those of numbers when it ends.
func (g *gram) add(sum, weight []float64, lo, hi int) {
	r, n := g.r, g.r.columns()
	g.addNumbers(weight, lo, hi)
	if r.marks == 0 {
		return
	}
	for i := lo; i < hi; i++ {
		w, x, marks := weight[i-lo], r.x[i*r.stride:][:r.dense], r.of(i)
		for a, s := range marks {
			row := sum[(r.dense+int(s))*n:][:n]
			for j, v := range x { // below the diagonal, where they are side by side
				row[j] += float64(w * v)
			}
			for _, t := range marks[a:] {
				sum[(r.dense+int(min(s, t)))*n+r.dense+int(max(s, t))] += w
			}
		}
	}
}

// addNumbers adds the pairs of numbers of a tile.
func (g *gram) addNumbers(weight []float64, lo, hi int) {
	transpose(g.x, g.r.tile(lo, hi), g.r.stride)
	addSquares(g.squares, g.x, weight, g.scratch, g.r.stride)
}

// finish completes sum after the last tile.
func (g *gram) finish(sum []float64) {
	r, n := g.r, g.r.columns()
	for i := range r.dense {
		for j := i; j < r.dense; j++ {
			sum[i*n+j] += g.squares[i*r.stride+j]
		}
		for j := r.dense; j < n; j++ {
			sum[i*n+j], sum[j*n+i] = sum[j*n+i], 0
		}
	}
}

// hessianSize is how many numbers the sums for a Hessian are.
func (l *logistic) hessianSize() int {
	n, k := l.rows.columns(), l.outputs
	if k == 1 {
		return n * n
	}
	return k * (k + 1) / 2 * triangle(n)
}

// triangle is how many numbers are on and below the diagonal of an n by n matrix: row after row.
func triangle(n int) int { return n * (n + 1) / 2 }

// leastShare is the probability of a class from which on a row may well be of it.
const leastShare = 0.002

// addHessian adds the rows lo up to hi for more than two classes.
func (l *logistic) addHessian(sum, theta []float64, lo, hi int) {
	m := newMulti(l, theta)
	loss := losses{product: 1}
	b := newBlocks(l, theta, sum)
	eachTile(lo, hi, func(lo, hi int) {
		m.load(l, theta, lo, hi, &loss)
		b.addDiagonal(m, lo, hi)
		b.addOthers(m, lo, hi)
	})
	b.finish()
}

// outputBlocks adds up the blocks of a Hessian, each the lower triangle of the pairs of columns.
type outputBlocks struct {
	l     *logistic
	sum   []float64 // the blocks, see block
	pairs int       // of numbers: a block begins with them
	least float64   // probability of the classes that count for two outputs

	// The numbers' part of the blocks of an output with itself: a quad of outputs a pair of numbers.
	diagonal []quad
	x        []float64
	weight   []quad
	products [2][]float64

	squares []float64 // of each row of a tile the products of its numbers
	likely  []int     // the classes that a row may well be of
	// For each two outputs the rows of a tile that may well be of both, how many those are, and what
	// they weigh.
	listed  []uint8
	count   []uint8
	weights [tileRows]float64
}

func newBlocks(l *logistic, theta, sum []float64) *outputBlocks {
	r, k := l.rows, l.outputs
	width, pairs := quads(k), triangle(r.dense)
	b := &outputBlocks{
		l: l, sum: sum, pairs: pairs, least: leastShare,
		diagonal: make([]quad, (pairs+1)*width), x: make([]float64, tileRows*r.stride), weight: make([]quad, tileRows*width),
		products: [2][]float64{make([]float64, tileRows), make([]float64, tileRows)},
		squares:  make([]float64, tileRows*pairs), likely: make([]int, k+1),
		listed: make([]uint8, k*k*tileRows), count: make([]uint8, k*k),
	}
	if l.knowsNothing(theta) {
		b.least = math.Inf(1)
	}
	return b
}

// knowsNothing reports whether theta gives every row the same probabilities: then what complete puts
// in for the blocks of two outputs is all there is to know.
func (l *logistic) knowsNothing(theta []float64) bool {
	at := (l.rows.dense - 1) * l.outputs
	is := func(t float64) bool { return t != 0 }
	return !slices.ContainsFunc(theta[:at], is) && !slices.ContainsFunc(theta[at+l.outputs:], is)
}

// block returns the block of outputs c and d in sum, in either order.
func (l *logistic) block(sum []float64, c, d int) []float64 {
	c, d = min(c, d), max(c, d)
	size := triangle(l.rows.columns())
	return sum[(c*l.outputs-triangle(c-1)+d-c)*size:][:size]
}

// addDiagonal adds a tile's numbers to the blocks of each output with itself.
func (b *outputBlocks) addDiagonal(m *multi, lo, hi int) {
	r, k, rows := b.l.rows, b.l.outputs, upToFour(hi-lo)
	for i := lo; i < hi; i++ {
		w := r.weigh(i)
		for c, v := range m.p[(i-lo)*k:][:k] {
			b.weight[c/4*rows+i-lo][c%4] = float64(float64(w*v)*(1-v)) + float64(w*b.l.damping)
		}
	}
	for q := range m.width {
		clear(b.weight[q*rows+hi-lo : (q+1)*rows])
	}
	transpose(b.x, r.tile(lo, hi), r.stride)
	b.addPairs(rows)
}

// addPairs adds, for each pair of numbers, the sum over the tile's rows of their product times the
// weight of each output. Two pairs are taken at a time.
func (b *outputBlocks) addPairs(rows int) {
	width, held, at := quads(b.l.outputs), 0, 0
	flush := func() {
		addProducts(b.diagonal[at:][:width], b.diagonal[at+width:][:width], b.products[0][:rows], b.products[1][:rows], b.weight)
		held, at = 0, at+2*width
	}
	for u := range b.l.rows.dense {
		for v := range u + 1 {
			out, x, y := b.products[held][:rows], b.x[u*rows:][:rows], b.x[v*rows:][:rows]
			for i := range out {
				out[i] = float64(x[i] * y[i])
			}
			if held++; held == 2 {
				flush()
			}
		}
	}
	if held == 1 {
		clear(b.products[1])
		flush()
	}
}

// addOthers adds what a tile's rows have to say of two outputs, and of marks.
func (b *outputBlocks) addOthers(m *multi, lo, hi int) {
	r, k := b.l.rows, b.l.outputs
	clear(b.count)
	for i := range hi - lo {
		x, p := r.x[(lo+i)*r.stride:][:r.dense], m.p[i*k:][:k]
		if b.choose(p, i) > 1 {
			square(b.squares[i*b.pairs:][:b.pairs], x)
		}
		if marks := r.of(lo + i); len(marks) > 0 {
			for c, v := range p {
				r.addMarks(b.l.block(b.sum, c, c), float64(r.weigh(lo+i)*v)*(1-v), x, marks)
			}
		}
	}
	for c := range k {
		for d := c + 1; d < k; d++ {
			if n := b.count[c*k+d]; n > 0 {
				b.addTogether(m, c, d, lo, b.listed[(c*k+d)*tileRows:][:n])
			}
		}
	}
}

// choose lists row i of the tile under each two classes that it may well be of, and returns how many
// those are.
func (b *outputBlocks) choose(p []float64, i int) int {
	n := 0
	for c, v := range p {
		b.likely[n] = c
		if v >= b.least {
			n++
		}
	}
	k := len(p)
	for at, c := range b.likely[:n] {
		for _, d := range b.likely[at+1 : n] {
			count := &b.count[c*k+d]
			b.listed[(c*k+d)*tileRows+int(*count)] = uint8(i)
			*count++
		}
	}
	return n
}

// addTogether adds to the block of outputs c and d the rows of the tile that are listed.
func (b *outputBlocks) addTogether(m *multi, c, d, lo int, listed []uint8) {
	r, k := b.l.rows, b.l.outputs
	block := b.l.block(b.sum, c, d)
	for at, i := range listed {
		w := -float64(r.weigh(lo+int(i))*m.p[int(i)*k+c]) * m.p[int(i)*k+d]
		b.weights[at] = w
		r.addMarks(block, w, r.x[(lo+int(i))*r.stride:][:r.dense], r.of(lo+int(i)))
	}
	of := func(i uint8) []float64 { return b.squares[int(i)*b.pairs:][:b.pairs] }
	sum, w := block[:b.pairs], b.weights[:]
	for ; len(listed) >= 4; listed, w = listed[4:], w[4:] {
		addFour(sum, of(listed[0]), of(listed[1]), of(listed[2]), of(listed[3]), (*quad)(w))
	}
	for at, i := range listed {
		addTo(sum, w[at], of(i))
	}
}

// addMarks adds a row's pairs of columns with its marks to a block.
func (r *rows) addMarks(block []float64, weight float64, x []float64, marks []int32) {
	for a, s := range marks {
		addTo(block[triangle(r.dense+int(s)):][:len(x)], weight, x)
		for _, t := range marks[a:] {
			block[triangle(r.dense+int(max(s, t)))+r.dense+int(min(s, t))] += weight
		}
	}
}

// finish completes the sums after the last tile.
func (b *outputBlocks) finish() {
	width := quads(b.l.outputs)
	for c := range b.l.outputs {
		block := b.l.block(b.sum, c, c)
		for at := range b.pairs {
			block[at] += b.diagonal[at*width+c/4][c%4]
		}
	}
}

// complete makes up for what was left out of the blocks of two outputs: what those of an output
// leave of its own block is given to all of them, by what the others leave. Then it makes the own
// blocks anew from the others: all of the outputs' coefficients of a column may rise together for
// nothing, and a Hessian that sees a cost there leads far astray.
func (l *logistic) complete(sum []float64) {
	left, share := l.leftOut(sum)
	whole := 0.0
	for _, s := range share {
		whole += s
	}
	part := func(c, d int) float64 { return -share[d] / (2 * max(whole-share[c], whole/2)) }
	for c := range l.outputs {
		for d := range c {
			if block := l.block(sum, c, d); whole > 0 {
				addTo(block, part(c, d), left[c])
				addTo(block, part(d, c), left[d])
			}
		}
	}
	for c := range l.outputs {
		own := l.block(sum, c, c)
		clear(own)
		for d := range l.outputs {
			if d != c {
				addTo(own, -1, l.block(sum, c, d))
			}
		}
	}
}

// leftOut returns what the blocks of each output with all do not add up to, which is zero if nothing
// was left out, and how much the rows weigh in it.
func (l *logistic) leftOut(sum []float64) (left [][]float64, share []float64) {
	for c := range l.outputs {
		own := slices.Clone(l.block(sum, c, c))
		for d := range l.outputs {
			if d != c {
				addTo(own, 1, l.block(sum, c, d))
			}
		}
		left = append(left, own)
		share = append(share, max(0, own[triangle(l.rows.dense)-1])) // of the intercept with itself
	}
	return left, share
}

// assemble returns the lower triangle of the Hessian, row-major, one row a column and output as in
// theta, from the sums over pairs.
func (l *logistic) assemble(sum []float64, scale float64) []float64 {
	n, k := l.rows.columns(), l.outputs
	size := n * k
	h := make([]float64, size*size)
	if k == 1 {
		for u := range n {
			for v := u; v < n; v++ {
				h[v*n+u] = sum[u*n+v] * scale
			}
		}
	} else {
		l.spread(h, sum, scale)
	}
	for i := range size {
		h[i*size+i] += l.penalty[i/k]
	}
	if k > 1 {
		l.pin(h, size)
	}
	return h
}

// spread brings the blocks of several outputs, times scale, to their places in the Hessian.
func (l *logistic) spread(h, sum []float64, scale float64) {
	n, k := l.rows.columns(), l.outputs
	size := n * k
	for c := range k {
		for d := c; d < k; d++ {
			block := l.block(sum, c, d)
			for u := range n {
				row, other := h[(u*k+c)*size+d:], h[(u*k+d)*size+c:]
				for v, value := range block[triangle(u):][:u+1] {
					row[v*k], other[v*k] = value*scale, value*scale
				}
			}
		}
	}
}

// pin makes the Hessian positive definite where it is flat: all intercepts may rise together, and
// one whose class has next to no rows may fall. A gradient has no part in the first, and should not
// follow the second.
func (l *logistic) pin(h []float64, size int) {
	k, at := l.outputs, (l.rows.dense-1)*l.outputs
	mean := 0.0
	for c := range k {
		mean += h[(at+c)*size+at+c] / float64(k)
	}
	for c := range k {
		h[(at+c)*size+at+c] += float64(1e-9 * mean)
		for d := range c + 1 {
			h[(at+c)*size+at+d] += mean
		}
	}
}
