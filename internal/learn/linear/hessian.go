package linear

import "context"

// A Hessian of several outputs is made of pairs of columns and pairs of outputs: for columns u and v
// and outputs c and d it is the sum over the rows of w p_c (1-p_c) x_u x_v, or of -w p_c p_d x_u x_v
// where c and d differ. Pairs of columns are added up for all pairs of outputs at once.

// hessian returns a factor of the Hessian at theta over these rows, times scale, with the penalties.
func (l *logistic) hessian(ctx context.Context, theta []float64, scale float64) (*cholesky, error) {
	n, width := l.rows.columns(), l.pairWidth()
	total := make([]float64, n*n*width)
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
	return factorise(l.assemble(total, scale), n*l.outputs)
}

// pairWidth is how many numbers a pair of columns has: one a pair of outputs, up to a multiple of
// four where there are several.
func (l *logistic) pairWidth() int {
	if l.outputs == 1 {
		return 1
	}
	return upToFour(l.outputs * (l.outputs + 1) / 2)
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

// addHessian adds the rows lo up to hi for more than two classes.
func (l *logistic) addHessian(sum, theta []float64, lo, hi int) {
	r, n, width := l.rows, l.rows.columns(), l.pairWidth()
	m := newMulti(l, theta)
	loss := losses{product: 1}
	x, weight := make([]float64, tileRows*r.stride), make([]quad, tileRows*width/4)
	flat := make([]float64, width)
	var products [2][]float64
	products[0], products[1] = make([]float64, tileRows), make([]float64, tileRows)
	dense := make([]quad, (r.dense*(r.dense+1)/2+1)*width/4)
	eachTile(lo, hi, func(lo, hi int) {
		rows := upToFour(hi - lo)
		m.load(l, theta, lo, hi, &loss)
		m.pairs(l, weight, rows, lo, hi)
		transpose(x, r.tile(lo, hi), r.stride)
		l.addPairs(dense, x, weight, products, rows)
		if r.marks == 0 {
			return
		}
		for i := lo; i < hi; i++ {
			for q := range width / 4 {
				copy(flat[4*q:], weight[q*rows+i-lo][:])
			}
			marks := r.of(i)
			for a, s := range marks {
				for j, v := range r.x[i*r.stride:][:r.dense] {
					addTo(sum[(j*n+r.dense+int(s))*width:][:width], v, flat)
				}
				for _, t := range marks[a:] {
					addTo(sum[((r.dense+int(min(s, t)))*n+r.dense+int(max(s, t)))*width:][:width], 1, flat)
				}
			}
		}
	})
	at := 0
	for u := range r.dense {
		for v := u; v < r.dense; v++ {
			for q := range width / 4 {
				addTo(sum[(u*n+v)*width+4*q:][:4], 1, dense[at+q][:])
			}
			at += width / 4
		}
	}
}

// pairs fills weight with what each pair of outputs weighs in each row: for each quad of pairs all
// rows of the tile.
func (m *multi) pairs(l *logistic, weight []quad, rows, lo, hi int) {
	k := l.outputs
	for i := lo; i < hi; i++ {
		p, w := m.p[(i-lo)*k:][:k], l.rows.weigh(i)
		at := 0
		for c, v := range p {
			v *= w
			weight[at/4*rows+i-lo][at%4] = float64(v * (1 - p[c]))
			at++
			for _, u := range p[c+1:] {
				weight[at/4*rows+i-lo][at%4] = -float64(v * u)
				at++
			}
		}
	}
	for q := range len(weight) / tileRows {
		clear(weight[q*rows+hi-lo : (q+1)*rows])
	}
}

// addPairs adds, for each pair of numbers, the sum over the tile's rows of their product times the
// weight of each pair of outputs. Two pairs are taken at a time.
func (l *logistic) addPairs(sum []quad, x []float64, weight []quad, products [2][]float64, rows int) {
	r, width := l.rows, l.pairWidth()/4
	held, at := 0, 0
	flush := func() {
		addProducts(sum[at:][:width], sum[at+width:][:width], products[0][:rows], products[1][:rows], weight)
		held, at = 0, at+2*width
	}
	for u := range r.dense {
		for v := u; v < r.dense; v++ {
			out, a, b := products[held][:rows], x[u*rows:][:rows], x[v*rows:][:rows]
			for i := range out {
				out[i] = float64(a[i] * b[i])
			}
			if held++; held == 2 {
				flush()
			}
		}
	}
	if held == 1 {
		clear(products[1])
		flush()
	}
}

// assemble returns the lower triangle of the Hessian, row-major, one row a column and output as in
// theta, from the sums over pairs.
func (l *logistic) assemble(pairs []float64, scale float64) []float64 {
	n, k, width := l.rows.columns(), l.outputs, l.pairWidth()
	size := n * k
	h := make([]float64, size*size)
	for u := range n {
		for v := u; v < n; v++ {
			at := (u*n + v) * width
			for c := range k {
				for d := c; d < k; d++ {
					value := pairs[at] * scale
					h[(v*k+c)*size+u*k+d], h[(v*k+d)*size+u*k+c] = value, value
					at++
				}
			}
		}
	}
	for i := range size {
		h[i*size+i] += l.penalty[i/k]
	}
	if k > 1 {
		l.pin(h, size)
	}
	return h
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
