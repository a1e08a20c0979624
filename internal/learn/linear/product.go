package linear

// The products that a fit spends its time in. A processor adds fast where several sums are in
// flight and what it reads is read for all of them, so each takes two rows or columns against four.
// Every product is rounded before it is added, so that no machine joins the two.

// quad is four numbers that belong to four outputs, or four pairs of outputs, side by side.
type quad = [4]float64

// quads is how many quads hold n numbers.
func quads(n int) int { return (n + 3) / 4 }

// multiply fills out, so many quads a row, with the rows of x, which begin stride numbers apart,
// times coef, which has a row of numbers in each of its width parts. The rows are even in number.
func multiply(out []quad, x []float64, stride int, coef []quad, width int) {
	n := len(coef) / width
	for r := 0; r*stride < len(x); r += 2 {
		x0, x1 := x[r*stride:][:n], x[(r+1)*stride:][:n]
		for q := range width {
			t := coef[q*n:][:n]
			var a0, a1, a2, a3, b0, b1, b2, b3 float64
			for j, v := range x0 {
				u, c := x1[j], &t[j]
				a0 += float64(v * c[0])
				a1 += float64(v * c[1])
				a2 += float64(v * c[2])
				a3 += float64(v * c[3])
				b0 += float64(u * c[0])
				b1 += float64(u * c[1])
				b2 += float64(u * c[2])
				b3 += float64(u * c[3])
			}
			out[r*width+q] = quad{a0, a1, a2, a3}
			out[(r+1)*width+q] = quad{b0, b1, b2, b3}
		}
	}
}

// addProducts adds to sum0 and sum1, for each of their quads, the inner products of the columns x0
// and x1 with the four columns of that quad in y, which has len(x0) quads for each.
func addProducts(sum0, sum1 []quad, x0, x1 []float64, y []quad) {
	n := len(x0)
	x1 = x1[:n]
	for q := range sum0 {
		column := y[q*n:][:n]
		var a0, a1, a2, a3, b0, b1, b2, b3 float64
		for r, v := range x0 {
			u, c := x1[r], &column[r]
			a0 += float64(v * c[0])
			a1 += float64(v * c[1])
			a2 += float64(v * c[2])
			a3 += float64(v * c[3])
			b0 += float64(u * c[0])
			b1 += float64(u * c[1])
			b2 += float64(u * c[2])
			b3 += float64(u * c[3])
		}
		s, t := &sum0[q], &sum1[q]
		s[0] += a0
		s[1] += a1
		s[2] += a2
		s[3] += a3
		t[0] += b0
		t[1] += b1
		t[2] += b2
		t[3] += b3
	}
}

// multiplyOne fills out with the rows of x, each of len(coef) numbers, times coef. The rows are a
// multiple of four.
func multiplyOne(out, x, coef []float64) {
	n := len(coef)
	for r := 0; r+4 <= len(out); r += 4 {
		x0, x1, x2, x3 := x[r*n:][:n], x[(r+1)*n:][:n], x[(r+2)*n:][:n], x[(r+3)*n:][:n]
		var a, b, c, d float64
		for j, t := range coef {
			a += float64(x0[j] * t)
			b += float64(x1[j] * t)
			c += float64(x2[j] * t)
			d += float64(x3[j] * t)
		}
		out[r], out[r+1], out[r+2], out[r+3] = a, b, c, d
	}
}

// addRows adds to sum the rows of x, each of len(sum) numbers, each times its number of scale. The
// rows are a multiple of four.
func addRows(sum, x, scale []float64) {
	n := len(sum)
	for r := 0; r+4 <= len(scale); r += 4 {
		x0, x1, x2, x3 := x[r*n:][:n], x[(r+1)*n:][:n], x[(r+2)*n:][:n], x[(r+3)*n:][:n]
		a, b, c, d := scale[r], scale[r+1], scale[r+2], scale[r+3]
		for j, s := range sum {
			sum[j] = s + ((float64(x0[j]*a) + float64(x1[j]*b)) + (float64(x2[j]*c) + float64(x3[j]*d)))
		}
	}
}

// addSquares adds to sum, n by n, on and above its diagonal, the inner products of n columns, a
// multiple of four, with themselves, each row counted as often as weight says; some below the
// diagonal are added too. The columns follow each other in x, the weighted ones in scratch.
func addSquares(sum, x, weight, scratch []float64, n int) {
	rows := len(weight)
	w0, w1 := scratch[:rows], scratch[rows:2*rows]
	for i := 0; i < n; i += 2 {
		u, v := x[i*rows:][:rows], x[(i+1)*rows:][:rows]
		for r, w := range weight {
			w0[r], w1[r] = u[r]*w, v[r]*w
		}
		for j := i &^ 3; j < n; j += 4 {
			s, t := (*quad)(sum[i*n+j:]), (*quad)(sum[(i+1)*n+j:])
			addSquare(s, t, w0, w1, x[j*rows:][:4*rows])
		}
	}
}

// addSquare adds the inner products of two columns with the four of y.
func addSquare(s, t *quad, w0, w1, y []float64) {
	n := len(w0)
	w1 = w1[:n]
	y0, y1, y2, y3 := y[:n], y[n:][:n], y[2*n:][:n], y[3*n:][:n]
	var a0, a1, a2, a3, b0, b1, b2, b3 float64
	for r, v := range w0 {
		u := w1[r]
		c0, c1, c2, c3 := y0[r], y1[r], y2[r], y3[r]
		a0 += float64(v * c0)
		a1 += float64(v * c1)
		a2 += float64(v * c2)
		a3 += float64(v * c3)
		b0 += float64(u * c0)
		b1 += float64(u * c1)
		b2 += float64(u * c2)
		b3 += float64(u * c3)
	}
	s[0] += a0
	s[1] += a1
	s[2] += a2
	s[3] += a3
	t[0] += b0
	t[1] += b1
	t[2] += b2
	t[3] += b3
}

// square writes the products of each number with itself and those before it.
func square(out, x []float64) {
	for u, v := range x {
		row := out[:u+1]
		for j, y := range x[:len(row)] {
			row[j] = v * y
		}
		out = out[u+1:]
	}
}

// addFour adds a, b, c and d to sum, each times its weight.
func addFour(sum, a, b, c, d []float64, w *quad) {
	a, b, c, d = a[:len(sum)], b[:len(sum)], c[:len(sum)], d[:len(sum)]
	w0, w1, w2, w3 := w[0], w[1], w[2], w[3]
	for i, s := range sum {
		sum[i] = s + ((float64(a[i]*w0) + float64(b[i]*w1)) + (float64(c[i]*w2) + float64(d[i]*w3)))
	}
}

// transpose writes the rows of x, each of n numbers, as n columns that follow each other.
func transpose(out, x []float64, n int) {
	rows := len(x) / n
	for r := range rows {
		at := r
		for _, v := range x[r*n:][:n] {
			out[at] = v
			at += rows
		}
	}
}

func dot(a, b []float64) float64 {
	b = b[:len(a)]
	var s0, s1, s2, s3 float64
	i := 0
	for ; i+4 <= len(a); i += 4 {
		x, y := (*quad)(a[i:]), (*quad)(b[i:])
		s0 += float64(x[0] * y[0])
		s1 += float64(x[1] * y[1])
		s2 += float64(x[2] * y[2])
		s3 += float64(x[3] * y[3])
	}
	for ; i < len(a); i++ {
		s0 += float64(a[i] * b[i])
	}
	return (s0 + s1) + (s2 + s3)
}

// addTo adds v, times scale, to sum.
func addTo(sum []float64, scale float64, v []float64) {
	v = v[:len(sum)]
	for i := range sum {
		sum[i] += float64(scale * v[i])
	}
}
