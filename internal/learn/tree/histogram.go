package tree

import "sync"

// histogramMemory bounds the bytes of the histograms that a fit keeps to save work. Nodes beyond
// it are counted again.
const histogramMemory = 512 << 20

// table holds one word for each bin of a lane.
type table [256]uint64

// histogram has the table of each lane, packed as the tree's packing says. A wide one has two:
// the sums of first derivatives, then, as many tables further on, what wideSums packs.
type histogram []table

// matrix is the binned training data, as it is counted: a word has a row's bins of a few lanes, so
// that one load serves several additions, and a group's tables stay in the first-level cache.
type matrix struct {
	features []feature
	lanes    []lane
	groups   [][]uint64 // by group, then by row
	perGroup int        // lanes of a group; the last one may have fewer
}

// mostPerGroup is the number of bins that fit a word.
const mostPerGroup = 8

func newMatrix(features []feature, rows, threads int) matrix {
	m := matrix{features: features, lanes: lanesOf(features, rows)}
	m.perGroup = groupSize(len(m.lanes), threads)
	m.groups = make([][]uint64, (len(m.lanes)+m.perGroup-1)/m.perGroup)
	inParallel(threads, len(m.groups), func(_, i int) {
		m.groups[i] = make([]uint64, rows)
		for k, l := range m.members(i) {
			l.addTo(m.groups[i], features, 8*k)
		}
	})
	return m
}

// groupSize divides the lanes into groups of an even number each, so that the threads have equally
// many groups to count.
func groupSize(lanes, threads int) int {
	groups := max(1, (lanes+mostPerGroup-1)/mostPerGroup)
	if groups < 4*threads && lanes >= 4*threads {
		groups = (groups + threads - 1) / threads * threads
	}
	size := max(1, (lanes+groups-1)/groups)
	return min(mostPerGroup, size+size%2)
}

// members returns the lanes of a group.
func (m *matrix) members(group int) []lane {
	lo := group * m.perGroup
	return m.lanes[lo:min(len(m.lanes), lo+m.perGroup)]
}

// tables is the number of tables that a histogram needs: an even one, see sum.
func (m *matrix) tables() int { return len(m.lanes) + len(m.lanes)%2 }

// sum adds each row's value to the tables of a group, in the bins that the row is in. An odd
// group counts one bin more than it has, always the first, in a table that nobody reads.
func (m *matrix) sum(group int, tables []table, rows []int32, values []uint64) {
	words := m.groups[group]
	switch n := len(m.members(group)); {
	case n > 6:
		sum8((*[8]table)(tables), words, rows, values)
	case n > 4:
		sum6((*[6]table)(tables), words, rows, values)
	case n > 2:
		sum4((*[4]table)(tables), words, rows, values)
	default:
		sum2((*[2]table)(tables), words, rows, values)
	}
}

func sum8(t *[8]table, words []uint64, rows []int32, values []uint64) {
	values = values[:len(rows)]
	for i, row := range rows {
		w, v := words[row], values[i]
		t[0][uint8(w)] += v
		t[1][uint8(w>>8)] += v
		t[2][uint8(w>>16)] += v
		t[3][uint8(w>>24)] += v
		t[4][uint8(w>>32)] += v
		t[5][uint8(w>>40)] += v
		t[6][uint8(w>>48)] += v
		t[7][uint8(w>>56)] += v
	}
}

func sum6(t *[6]table, words []uint64, rows []int32, values []uint64) {
	values = values[:len(rows)]
	for i, row := range rows {
		w, v := words[row], values[i]
		t[0][uint8(w)] += v
		t[1][uint8(w>>8)] += v
		t[2][uint8(w>>16)] += v
		t[3][uint8(w>>24)] += v
		t[4][uint8(w>>32)] += v
		t[5][uint8(w>>40)] += v
	}
}

func sum4(t *[4]table, words []uint64, rows []int32, values []uint64) {
	values = values[:len(rows)]
	for i, row := range rows {
		w, v := words[row], values[i]
		t[0][uint8(w)] += v
		t[1][uint8(w>>8)] += v
		t[2][uint8(w>>16)] += v
		t[3][uint8(w>>24)] += v
	}
}

func sum2(t *[2]table, words []uint64, rows []int32, values []uint64) {
	values = values[:len(rows)]
	for i, row := range rows {
		w, v := words[row], values[i]
		t[0][uint8(w)] += v
		t[1][uint8(w>>8)] += v
	}
}

// sumWide is sum for more rows than a word has room for: blocks of them are summed in scratch.
func (m *matrix) sumWide(group int, h histogram, p *packing, scratch *[mostPerGroup]table, rows []int32, values []uint64) {
	first := group * m.perGroup
	for len(rows) > 0 {
		n := min(len(rows), p.block)
		clear(scratch[:])
		m.sum(group, scratch[:], rows[:n], values[:n])
		for i, l := range m.members(group) {
			p.widen(&h[first+i], &h[len(h)/2+first+i], scratch[i][:l.width])
		}
		rows, values = rows[n:], values[n:]
	}
}

// subtract turns the histogram of a node into that of one child, given the other's.
func (m *matrix) subtract(h, other histogram) {
	for half := 0; half < len(h); half += m.tables() {
		for i := range m.lanes {
			cells := h[half+i][:m.lanes[i].width]
			less := other[half+i][:len(cells)]
			for bin, c := range less {
				cells[bin] -= c
			}
		}
	}
}

// histograms lends histograms of one size.
type histograms struct {
	tables int
	limit  int // of those that may be kept
	mu     sync.Mutex
	lent   int
	free   []histogram
}

func newHistograms(tables, memory int) *histograms {
	const bytes = 8 * 256
	return &histograms{tables: tables, limit: max(2, memory/(bytes*max(1, tables)))}
}

func (h *histograms) take() histogram {
	s := h.takeFree()
	if s == nil {
		return make(histogram, h.tables)
	}
	clear(s)
	return s
}

func (h *histograms) takeFree() histogram {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.lent++
	n := len(h.free)
	if n == 0 {
		return nil
	}
	s := h.free[n-1]
	h.free = h.free[:n-1]
	return s
}

func (h *histograms) give(s histogram) {
	if s == nil {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.lent--
	h.free = append(h.free, s)
}

// full reports whether a histogram should be given back as soon as it has been read.
func (h *histograms) full() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.lent >= h.limit
}
