package tree

// means scores cuts by squared error, for two classes too, where the Gini impurity is the same.
// With S the sum of the labels of a side and N their number, a cut gains
//
//	(S left - N left * mean)² * N / (N left * N right)
//
// Each row counts as one, as often as the bootstrap drew it; what weighs rows is heavyMeans.
type means struct {
	labels  []int64
	minRows int64
	binary  bool
	shift   uint
	total   int64 // of the node
	mean    float64
	sums    [256]int64 // by bin; zero between two cuts
	more    [3][256]int64
	bins    [256]uint8
}

// A word is the label times the weight, above shift, plus the weight: one addition sums both.
func (m *means) word(row int, times uint8) int64 {
	return (m.labels[row]<<m.shift | 1) * int64(times)
}
func (m *means) weight(word int64) int64 { return word & (1<<m.shift - 1) }
func (m *means) label(word int64) int64  { return word >> (m.shift & 63) }

func (m *means) enter(b bunch) (weight int64, pure bool) {
	m.total = 0
	for _, w := range b.words {
		m.total += w
	}
	weight = m.weight(m.total)
	m.mean = float64(m.label(m.total)) / float64(weight)
	return weight, m.pure(m.total)
}

// pure reports whether rows that sum to word are of one of two classes.
func (m *means) pure(word int64) bool {
	sum := m.label(word)
	return m.binary && (sum == 0 || sum == m.weight(word))
}

func (m *means) cut(best *cut, j int, f *feature, b bunch) (varies bool) {
	if len(b.rows) == 2 {
		return m.cutPair(best, j, f, b)
	}
	bins := m.fill(f, b)
	if len(bins) > 1 {
		values, hasMissing := f.valuesOf(bins)
		m.scan(best, j, values, 0, false)
		if hasMissing {
			missing := m.sums[f.bins]
			m.scan(best, j, values, missing, true)
			m.try(best, j, f.bins-1, m.total-missing, false) // all values against the missing ones
		}
		best.settle(j, hasMissing, m.weight(m.total))
	}
	for _, bin := range bins {
		m.sums[bin] = 0
	}
	return len(bins) > 1
}

// cutPair is cut for two rows, of which full-grown trees have very many: any cut is perfect.
func (m *means) cutPair(best *cut, j int, f *feature, b bunch) (varies bool) {
	first, second := f.cells[b.rows[0]], f.cells[b.rows[1]]
	if first == second {
		return false
	}
	left := b.words[0]
	if first > second {
		first, second, left = second, first, b.words[1]
	}
	bin, hasMissing := middle(int(first), int(second)), f.missing && int(second) == f.bins
	if hasMissing {
		bin = f.bins - 1
	}
	m.try(best, j, bin, left, false)
	best.perfect = best.feature >= 0
	best.settle(j, hasMissing, m.weight(m.total))
	return true
}

// fill sums the words by bin and returns the bins that there are.
func (m *means) fill(f *feature, b bunch) []uint8 {
	switch width := f.width(); {
	case len(b.rows) > 4*width: // most bins will be there
		return m.fillMany(f.cells, b, width)
	case width <= 64:
		return m.fillNarrow(f.cells, b)
	}
	var there occupied
	cells, words := f.cells, b.words[:len(b.rows)]
	for i, row := range b.rows {
		bin := cells[row]
		m.sums[bin] += words[i]
		there.add(bin)
	}
	return there.list(&m.bins)
}

// fillNarrow is fill for features of at most 64 bins: which there are fits a register.
func (m *means) fillNarrow(cells []uint8, b bunch) []uint8 {
	var there uint64
	words := b.words[:len(b.rows)]
	for i, row := range b.rows {
		bin := cells[row]
		m.sums[bin] += words[i]
		there |= 1 << (bin & 63)
	}
	return (&occupied{there}).list(&m.bins)
}

// fillMany is fill for many rows. Neighbours are often of one bin, and an addition to a sum waits
// for the last one to it: so there are several sums of each bin, in turn.
func (m *means) fillMany(cells []uint8, b bunch, width int) []uint8 {
	rows, words := b.rows, b.words
	s0, s1, s2, s3 := &m.sums, &m.more[0], &m.more[1], &m.more[2]
	for len(rows) >= 4 && len(words) >= 4 {
		s0[cells[rows[0]]] += words[0]
		s1[cells[rows[1]]] += words[1]
		s2[cells[rows[2]]] += words[2]
		s3[cells[rows[3]]] += words[3]
		rows, words = rows[4:], words[4:]
	}
	for i, row := range rows {
		s0[cells[row]] += words[i]
	}
	n := 0
	for bin := range min(width, len(s0)) {
		s0[bin] += s1[bin] + s2[bin] + s3[bin]
		s1[bin], s2[bin], s3[bin] = 0, 0, 0
		if s0[bin] != 0 { // its weight is in it
			m.bins[n&255] = uint8(bin)
			n++
		}
	}
	return m.bins[:n]
}

// scan tries the cuts after each of the bins but the last, with what is left before all of them.
func (m *means) scan(best *cut, j int, bins []uint8, left int64, missingLeft bool) {
	whole, mean, minRows := m.weight(m.total), m.mean, m.minRows
	mask, shift := int64(1)<<m.shift-1, m.shift&63
	top, at, topLeft, times := best.gain, -1, int64(0), float64(whole)
	for i := range len(bins) - 1 {
		left += m.sums[bins[i]]
		weight := left & mask
		rest := whole - weight
		if weight < minRows || rest < minRows {
			continue
		}
		d := float64(left>>shift) - float64(float64(weight)*mean)
		if gain := d * d / float64(weight*rest) * times; gain > top {
			top, at, topLeft = gain, i, left
		}
	}
	if at >= 0 {
		m.keep(best, j, top, middle(int(bins[at]), int(bins[at+1])), topLeft, missingLeft)
	}
}

// try weighs one cut.
func (m *means) try(best *cut, j, bin int, left int64, missingLeft bool) {
	whole, weight := m.weight(m.total), m.weight(left)
	rest := whole - weight
	if weight < m.minRows || rest < m.minRows {
		return
	}
	d := float64(m.label(left)) - float64(float64(weight)*m.mean)
	if gain := d * d / float64(weight*rest) * float64(whole); gain > best.gain {
		m.keep(best, j, gain, bin, left, missingLeft)
	}
}

// keep makes a cut the best.
func (m *means) keep(best *cut, j int, gain float64, bin int, left int64, missingLeft bool) {
	*best = cut{
		gain: gain, feature: j, bin: bin, missingLeft: missingLeft,
		left: m.weight(left), perfect: m.pure(left) && m.pure(m.total-left),
	}
}

func (m *means) weigh(best *cut, j int, f *feature, b bunch, bin int, hasMissing bool) {
	var left, missing int64
	words := b.words[:len(b.cells)]
	for i, cell := range b.cells {
		left += words[i] & upTo(cell, bin)
	}
	m.try(best, j, bin, left, false)
	if hasMissing && bin < f.bins-1 {
		for i, cell := range b.cells {
			missing += words[i] &^ upTo(cell, f.bins-1)
		}
		m.try(best, j, bin, left+missing, true)
	}
	best.settle(j, hasMissing, m.weight(m.total))
}

// upTo is all ones if the cell is a bin up to the given one, else zero.
func upTo(cell uint8, bin int) int64 { return (int64(cell) - int64(bin) - 1) >> 63 }
