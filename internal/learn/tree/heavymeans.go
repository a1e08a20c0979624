package tree

// heavyMeans is means where rows have weights: it keeps sums that do not fit one word.
type heavyMeans struct {
	labels  []int64
	weights []int64
	drawn   []uint8 // how often the bootstrap drew each row
	minRows int64
	binary  bool
	total   tally
	mean    float64
	sums    [256]tally // by bin; zero between two cuts
	bins    [256]uint8
}

// tally sums rows: their labels times their weights, their weights, and their number.
type tally struct{ label, weight, rows int64 }

func (t *tally) add(o tally) {
	t.label += o.label
	t.weight += o.weight
	t.rows += o.rows
}

func (t tally) less(o tally) tally {
	return tally{t.label - o.label, t.weight - o.weight, t.rows - o.rows}
}

func (h *heavyMeans) word(row int, times uint8) int64 { return h.weights[row] * int64(times) }
func (h *heavyMeans) weight(word int64) int64         { return word }

func (h *heavyMeans) tally(row uint32, word int64) tally {
	return tally{h.labels[row] * word, word, int64(h.drawn[row])}
}

func (h *heavyMeans) enter(b bunch) (weight int64, pure bool) {
	h.total = tally{}
	for i, row := range b.rows {
		h.total.add(h.tally(row, b.words[i]))
	}
	h.mean = float64(h.total.label) / float64(h.total.weight)
	return h.total.weight, h.pure(h.total)
}

func (h *heavyMeans) pure(t tally) bool {
	return h.binary && (t.label == 0 || t.label == t.weight)
}

func (h *heavyMeans) cut(best *cut, j int, f *feature, b bunch) (varies bool) {
	var there occupied
	for i, row := range b.rows {
		bin := f.cells[row]
		h.sums[bin].add(h.tally(row, b.words[i]))
		there.add(bin)
	}
	bins := there.list(&h.bins)
	if len(bins) > 1 {
		values, hasMissing := f.valuesOf(bins)
		h.scan(best, j, values, tally{}, false)
		if hasMissing {
			missing := h.sums[f.bins]
			h.scan(best, j, values, missing, true)
			h.try(best, j, f.bins-1, h.total.less(missing), false) // all values against the missing ones
		}
		best.settle(j, hasMissing, h.total.weight)
	}
	for _, bin := range bins {
		h.sums[bin] = tally{}
	}
	return len(bins) > 1
}

// scan tries the cuts after each of the bins but the last, with what is left before all of them.
func (h *heavyMeans) scan(best *cut, j int, bins []uint8, left tally, missingLeft bool) {
	for i := range len(bins) - 1 {
		left.add(h.sums[bins[i]])
		h.try(best, j, middle(int(bins[i]), int(bins[i+1])), left, missingLeft)
	}
}

// try weighs one cut.
func (h *heavyMeans) try(best *cut, j, bin int, left tally, missingLeft bool) {
	right := h.total.less(left)
	if left.rows < h.minRows || right.rows < h.minRows {
		return
	}
	d := float64(left.label) - float64(float64(left.weight)*h.mean)
	gain := d * d / float64(left.weight*right.weight) * float64(h.total.weight)
	if gain > best.gain {
		*best = cut{
			gain: gain, feature: j, bin: bin, missingLeft: missingLeft,
			left: left.weight, perfect: h.pure(left) && h.pure(right),
		}
	}
}

func (h *heavyMeans) weigh(best *cut, j int, f *feature, b bunch, bin int, hasMissing bool) {
	var left, missing tally
	for i, row := range b.rows {
		switch cell := int(b.cells[i]); {
		case cell <= bin:
			left.add(h.tally(row, b.words[i]))
		case hasMissing && cell == f.bins:
			missing.add(h.tally(row, b.words[i]))
		}
	}
	h.try(best, j, bin, left, false)
	if hasMissing && bin < f.bins-1 {
		left.add(missing)
		h.try(best, j, bin, left, true)
	}
	best.settle(j, hasMissing, h.total.weight)
}
