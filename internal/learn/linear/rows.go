package linear

import "math"

// rows are a design as the solvers go through it. Its columns are, in this order, the numbers, the
// intercept's one, and the marks: columns that are one in some rows and zero in the others. Those
// are the categories' columns, and the numbers that have two values, one of them rare: a row then
// costs as much as it has marks.
type rows struct {
	n      int
	dense  int       // numbers and the intercept
	stride int       // numbers a row: dense, and zeros up to a multiple of four
	x      []float64 // n rows, and rows of zeros up to a multiple of four
	marks  int
	// mark[start[i]:start[i+1]] are the marks of row i, from 0.
	start  []int32
	mark   []int32
	weight []float64 // one a row; nil for ones

	// place has for each column but the intercept that of the design. A mark adds gap to what the
	// design's column is elsewhere, which is base.
	place     []int
	gap, base []float64
}

// columns is the number of columns, with the intercept.
func (r *rows) columns() int { return r.dense + r.marks }

// tile returns the numbers of rows lo up to hi, and of as many more as make a multiple of four.
func (r *rows) tile(lo, hi int) []float64 {
	return r.x[lo*r.stride : (lo+upToFour(hi-lo))*r.stride]
}

// of returns the marks of a row.
func (r *rows) of(i int) []int32 { return r.mark[r.start[i]:r.start[i+1]] }

func upToFour(n int) int { return (n + 3) &^ 3 }

// weigh returns how much a row counts.
func (r *rows) weigh(i int) float64 {
	if r.weight == nil {
		return 1
	}
	return r.weight[i]
}

// arrange makes rows of a design. Where no number is a mark they share its memory.
func arrange(d *Design, weight []float64) *rows {
	twos := d.twoValued()
	r := &rows{n: d.Rows, weight: weight, marks: d.Width - d.Dense + len(twos), dense: d.Dense + 1 - len(twos)}
	r.place, r.gap, r.base = make([]int, r.columns()), make([]float64, r.columns()), make([]float64, r.columns())
	var kept []int
	for j, next := 0, 0; j < d.Dense; j++ {
		if next < len(twos) && twos[next].column == j {
			next++
			continue
		}
		r.describe(len(kept), j, 1, 0)
		kept = append(kept, j)
	}
	for s := range d.Width - d.Dense {
		r.describe(r.dense+s, d.Dense+s, 1, 0)
	}
	for t, two := range twos {
		r.describe(r.dense+d.Width-d.Dense+t, two.column, two.rare-two.common, two.common)
	}
	r.x, r.stride = d.Numbers, d.Stride
	if len(twos) > 0 {
		r.keep(d, kept)
	}
	r.collect(d, twos)
	return r
}

func (r *rows) describe(column, place int, gap, base float64) {
	r.place[column], r.gap[column], r.base[column] = place, gap, base
}

// keep copies the numbers that are no marks.
func (r *rows) keep(d *Design, columns []int) {
	r.stride = upToFour(r.dense)
	r.x = make([]float64, upToFour(r.n)*r.stride)
	for i := range r.n {
		from, to := d.Numbers[i*d.Stride:][:d.Stride], r.x[i*r.stride:][:r.stride]
		for at, j := range columns {
			to[at] = from[j]
		}
		to[len(columns)] = 1
	}
}

// collect lists the marks of each row.
func (r *rows) collect(d *Design, twos []twoValued) {
	total := d.Rows * d.Hot
	for _, two := range twos {
		total += two.count
	}
	r.start, r.mark = make([]int32, d.Rows+1), make([]int32, 0, total)
	first := d.Width - d.Dense
	for i := range d.Rows {
		for _, s := range d.Slots[i*d.Hot : (i+1)*d.Hot] {
			if s >= 0 {
				r.mark = append(r.mark, s-int32(d.Dense))
			}
		}
		for t, two := range twos {
			if d.Numbers[i*d.Stride+two.column] == two.rare {
				r.mark = append(r.mark, int32(first+t))
			}
		}
		r.start[i+1] = int32(len(r.mark))
	}
}

// twoValued is a column of numbers that has two values, and how often it has the rare one.
type twoValued struct {
	column       int
	common, rare float64
	count        int
}

// dear is how many rows, as a share of all, may have a mark: a mark costs more than a number.
const dear = 0.25

// twoValued finds the numbers that are better taken as marks.
func (d *Design) twoValued() []twoValued {
	if d.Rows == 0 {
		return nil
	}
	all := make([]twoValued, d.Dense)
	for j := range all {
		first := d.Numbers[j]
		all[j] = twoValued{column: j, common: first, rare: first}
	}
	for i := 0; i < d.Rows && len(all) > 0; i++ {
		x := d.Numbers[i*d.Stride:][:d.Stride]
		left := all[:0]
		for _, two := range all {
			if two.see(x[two.column]) {
				left = append(left, two)
			}
		}
		all = left
	}
	marks := all[:0]
	for _, two := range all {
		if 2*two.count > d.Rows {
			two.common, two.rare, two.count = two.rare, two.common, d.Rows-two.count
		}
		if two.count > 0 && float64(two.count) <= dear*float64(d.Rows) {
			marks = append(marks, two)
		}
	}
	return marks
}

// see counts a value; it reports whether there are still no more than two.
func (t *twoValued) see(v float64) bool {
	if v == t.common {
		return true
	}
	if t.count == 0 {
		t.rare = v
	}
	t.count++
	return v == t.rare
}

// sample returns about so many of the rows, chosen by a hash of their number, so that no order of
// the rows matters, and the numbers of those rows.
func (r *rows) sample(want int) (*rows, []int32) {
	limit := uint64(float64(want) / float64(r.n) * (1 << 32))
	var chosen []int32
	for i := range r.n {
		if hash(uint64(i))>>32 < limit {
			chosen = append(chosen, int32(i))
		}
	}
	s := *r
	s.n = len(chosen)
	s.x, s.start, s.mark = make([]float64, upToFour(s.n)*s.stride), make([]int32, s.n+1), nil
	if r.weight != nil {
		s.weight = make([]float64, s.n)
	}
	for to, from := range chosen {
		copy(s.x[to*s.stride:(to+1)*s.stride], r.x[int(from)*s.stride:])
		s.mark = append(s.mark, r.of(int(from))...)
		s.start[to+1] = int32(len(s.mark))
		if r.weight != nil {
			s.weight[to] = r.weight[from]
		}
	}
	return &s, chosen
}

// hash is the finisher of SplitMix64.
func hash(v uint64) uint64 {
	v += 0x9e3779b97f4a7c15
	v = (v ^ v>>30) * 0xbf58476d1ce4e5b9
	v = (v ^ v>>27) * 0x94d049bb133111eb
	return v ^ v>>31
}

// restore returns coefficients of the design's columns, k a column and the intercepts last, that
// give every row the same margins as theta gives these rows.
func (r *rows) restore(theta []float64, k int) []float64 {
	out := make([]float64, len(theta))
	last := len(theta) - k
	at := (r.dense - 1) * k
	copy(out[last:], theta[at:at+k])
	for j, place := range r.place {
		if j == r.dense-1 {
			continue
		}
		for c := range k {
			t := theta[j*k+c] / r.gap[j]
			out[place*k+c] = t
			out[last+c] -= float64(r.base[j] * t)
		}
	}
	return out
}

// slope returns the largest component of a gradient as it is for the design's columns.
func (r *rows) slope(gradient []float64, k int) float64 {
	top := 0.0
	at := (r.dense - 1) * k
	for c, free := range gradient[at : at+k] {
		top = max(top, math.Abs(free))
		for j := range r.place {
			if j != r.dense-1 {
				top = max(top, math.Abs(float64(r.base[j]*free)+float64(r.gap[j]*gradient[j*k+c])))
			}
		}
	}
	return top
}

// tileRows is how many rows are worked on at a time: what they are turned into stays in the cache.
const tileRows = 64

// eachTile calls do for each tile of the rows lo up to hi.
func eachTile(lo, hi int, do func(lo, hi int)) {
	for at := lo; at < hi; at += tileRows {
		do(at, min(at+tileRows, hi))
	}
}

// margins returns a function that fills out with the inner products of a tile's rows with v.
func (r *rows) margins(v []float64) func(out []float64, lo, hi int) {
	numbers, marks := make([]float64, r.stride), v[r.dense:]
	copy(numbers, v[:r.dense])
	return func(out []float64, lo, hi int) {
		multiplyOne(out[:upToFour(hi-lo)], r.tile(lo, hi), numbers)
		for i := lo; i < hi; i++ {
			m := out[i-lo]
			for _, s := range r.of(i) {
				m += marks[s]
			}
			out[i-lo] = m
		}
	}
}

// addMultiples adds the rows lo up to hi to sum, each as often as it counts times the number that
// multiples gives it.
func (r *rows) addMultiples(sum []float64, lo, hi int, multiples func(out []float64, lo, hi int)) {
	numbers, multiple := make([]float64, r.stride), make([]float64, tileRows)
	marks := sum[r.dense:]
	eachTile(lo, hi, func(lo, hi int) {
		multiples(multiple, lo, hi)
		for i := lo; i < hi; i++ {
			multiple[i-lo] = float64(multiple[i-lo] * r.weigh(i))
		}
		clear(multiple[hi-lo:])
		addRows(numbers, r.tile(lo, hi), multiple[:upToFour(hi-lo)])
		for i := lo; i < hi; i++ {
			for _, s := range r.of(i) {
				marks[s] += multiple[i-lo]
			}
		}
	})
	addTo(sum[:r.dense], 1, numbers)
}
