package tree

// histogramMemory bounds the bytes of the histograms that a fit keeps to save work. Nodes beyond
// it are counted again.
const histogramMemory = 512 << 20

// matrix is the binned training data, row by row.
type matrix struct {
	features []feature
	bins     []uint8 // len(features) a row
	offsets  []int32 // where each feature's bins begin in a histogram
	size     int     // of a histogram
}

func newMatrix(features []feature, rows, threads int) matrix {
	m := matrix{features: features, bins: byRow(features, rows, threads), offsets: make([]int32, len(features))}
	for j := range features {
		m.offsets[j] = int32(m.size)
		m.size += features[j].width()
	}
	return m
}

// sum adds the moments of the rows to the bins that they are in.
func (m *matrix) sum(histogram []moment, rows []int32, moments []moment) {
	width := len(m.offsets)
	for _, row := range rows {
		v := moments[row]
		bins := m.bins[int(row)*width:][:width]
		for j, offset := range m.offsets[:len(bins)] {
			c := &histogram[int(offset)+int(bins[j])]
			c.g += v.g
			c.hn += v.hn
		}
	}
}

// histograms lends histograms of one size.
type histograms struct {
	size  int
	limit int // of those that may be kept
	lent  int
	free  [][]moment
}

func newHistograms(size, memory int) histograms {
	const bytes = 16
	return histograms{size: size, limit: max(2, memory/(bytes*max(1, size)))}
}

func (h *histograms) take() []moment {
	h.lent++
	if n := len(h.free); n > 0 {
		s := h.free[n-1]
		h.free = h.free[:n-1]
		clear(s)
		return s
	}
	return make([]moment, h.size)
}

func (h *histograms) give(s []moment) {
	if s != nil {
		h.lent--
		h.free = append(h.free, s)
	}
}

// full reports whether a histogram should be given back as soon as it has been read.
func (h *histograms) full() bool { return h.lent >= h.limit }

// histogram returns the histogram of the rows, summed by all threads where that pays.
func (g *grower) histogram(rows []int32) []moment {
	total := g.pool.take()
	const enough = 1 << 14 // additions that are worth waking another goroutine for
	parts := min(g.threads, 1+len(rows)*len(g.matrix.features)/enough)
	if parts == 1 {
		g.matrix.sum(total, rows, g.moments)
		return total
	}
	partial := [][]moment{total}
	for len(partial) < parts {
		partial = append(partial, g.pool.take())
	}
	inParallel(parts, parts, func(_, i int) {
		g.matrix.sum(partial[i], rows[i*len(rows)/parts:(i+1)*len(rows)/parts], g.moments)
	})
	for _, p := range partial[1:] {
		for i, c := range p {
			total[i] = total[i].plus(c)
		}
		g.pool.give(p)
	}
	return total
}

// subtract turns the histogram of a node into that of one child, given the other's.
func subtract(histogram, other []moment) {
	other = other[:len(histogram)]
	for i, c := range other {
		histogram[i] = histogram[i].minus(c)
	}
}
