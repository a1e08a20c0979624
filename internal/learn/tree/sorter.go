package tree

// sorter holds rows so that those of a node are neighbours, in ascending order.
type sorter struct {
	all     []int32 // as they were given
	rows    []int32
	scratch []int32
}

// newSorter returns a sorter for up to so many rows.
func newSorter(most int) sorter {
	return sorter{rows: make([]int32, most), scratch: make([]int32, most)}
}

// reset takes up the rows of all.
func (s *sorter) reset() {
	s.rows = s.rows[:len(s.all)]
	copy(s.rows, s.all)
}

// divide moves the rows of a span that go left before the others and returns where those begin.
func (s *sorter) divide(at span, cells []uint8, goes *[256]uint8, c *crew, threads int) int {
	rows, scratch := s.rows[at.lo:at.hi], s.scratch[at.lo:at.hi]
	if threads <= 1 {
		l := divideRows(rows, rows, scratch, cells, goes)
		copyBack(rows[l:], scratch[l:])
		return at.lo + l
	}
	return at.lo + divideInBlocks(rows, scratch, cells, goes, c, threads)
}

// divideRows writes the rows that go left to the front of left, the others to the back of right, the
// last one first, and returns how many went left. Left may be the rows themselves.
func divideRows(rows, left, right []int32, cells []uint8, goes *[256]uint8) int {
	left, right = left[:len(rows)], right[:len(rows)]
	l, r := 0, len(rows)-1
	for _, row := range rows {
		// Both are written and one is kept: a branch here would be mispredicted half of the time.
		left[l], right[r] = row, row
		goesLeft := int(goes[cells[row]])
		l += goesLeft
		r += goesLeft - 1
	}
	return l
}

// copyBack copies rows in the reverse of their order.
func copyBack(to, from []int32) {
	from = from[:len(to)]
	for i := range to {
		to[len(to)-1-i] = from[i]
	}
}

// divideInBlocks divides blocks of the rows, each in its part of scratch, and joins them.
func divideInBlocks(rows, scratch []int32, cells []uint8, goes *[256]uint8, c *crew, threads int) int {
	const block = 1 << 12
	blocks := (len(rows) + block - 1) / block
	starts := make([]int, blocks+1) // of those that go left
	part := func(s []int32, i int) []int32 { return s[i*block : min(len(s), (i+1)*block)] }
	c.inParallel(threads, blocks, func(_, i int) {
		to := part(scratch, i)
		starts[i+1] = divideRows(part(rows, i), to, to, cells, goes)
	})
	for i := range blocks {
		starts[i+1] += starts[i]
	}
	c.inParallel(threads, blocks, func(_, i int) {
		from, l := part(scratch, i), starts[i+1]-starts[i]
		copy(rows[starts[i]:], from[:l])
		begin := starts[blocks] + i*block - starts[i]
		copyBack(rows[begin:begin+len(from)-l], from[l:])
	})
	return starts[blocks]
}

// merge brings the rows of a span that was divided in the middle back into ascending order.
func (s *sorter) merge(at span, middle int) {
	left, right := s.rows[at.lo:middle], s.rows[middle:at.hi]
	to := s.scratch[at.lo:at.hi]
	for i := range to {
		if len(right) == 0 || len(left) > 0 && left[0] < right[0] {
			to[i], left = left[0], left[1:]
		} else {
			to[i], right = right[0], right[1:]
		}
	}
	copy(s.rows[at.lo:at.hi], to)
}
