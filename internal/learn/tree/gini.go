package tree

import "math/bits"

// gini scores a side by the sum over the classes of n²/N, where n is the weight of the rows of a
// class and N that of all: the more, the lower the Gini impurity.
type gini struct {
	minRows int64
	shift   uint
	total   []int64 // weight by class
	rows    int64   // weight of the node
	squares int64   // sum of the squares of total

	// The rows by bin and class: as counts, or, where a node has few rows, as lists.
	counts []int32 // by bin, then by class
	listed bool
	head   [256]int32
	next   []int32

	// The two sides while a scan moves bins from right to left.
	left                      []int64
	leftRows                  int64
	leftSquares, rightSquares int64
	words                     []int64
}

func newGini(classes, rows int, minRows int64, shift uint) *gini {
	return &gini{
		minRows: minRows, shift: shift, total: make([]int64, classes), left: make([]int64, classes),
		counts: make([]int32, 256*classes), next: make([]int32, rows),
	}
}

func (g *gini) word(label int64, weight uint8) int64 { return label<<g.shift | int64(weight) }
func (g *gini) weight(word int64) int64              { return word & (1<<g.shift - 1) }
func (g *gini) class(word int64) int                 { return int(word >> g.shift) }

func (g *gini) enter(b bunch) (weight int64, score float64, pure bool) {
	clear(g.total)
	g.rows, g.squares, g.words = 0, 0, b.words
	for _, w := range b.words {
		g.total[g.class(w)] += g.weight(w)
	}
	for _, n := range g.total {
		g.rows += n
		g.squares += n * n
	}
	return g.rows, float64(g.squares) / float64(g.rows), g.squares == g.rows*g.rows
}

func (g *gini) cut(best *cut, j int, f *feature, b bunch) {
	g.listed = len(b.rows) < f.width()*len(g.total)/2
	bins := g.fill(f.cells, b)
	hasMissing := f.missing && bins.has(f.bins)
	g.scan(best, j, f, bins, hasMissing, false)
	if hasMissing {
		g.scan(best, j, f, bins, hasMissing, true)
	}
	best.settle(j, hasMissing, g.rows)
	if !g.listed {
		clear(g.counts[:(f.bins+1)*len(g.total)])
	}
}

// fill brings the rows under their bins and returns which bins there are.
func (g *gini) fill(cells []uint8, b bunch) (bins occupied) {
	for i, row := range b.rows {
		bin := cells[row]
		if !g.listed {
			g.counts[int(bin)*len(g.total)+g.class(b.words[i])] += int32(g.weight(b.words[i]))
			bins.add(bin)
			continue
		}
		g.next[i] = -1
		if bins.has(int(bin)) {
			g.next[i] = g.head[bin]
		}
		g.head[bin] = int32(i)
		bins.add(bin)
	}
	return bins
}

// scan moves bin after bin to the left side, the missing values before all others or never, and
// tries the cut before each.
func (g *gini) scan(best *cut, j int, f *feature, bins occupied, hasMissing, missingLeft bool) {
	clear(g.left)
	g.leftRows, g.leftSquares, g.rightSquares = 0, 0, g.squares
	if missingLeft {
		g.moveBin(f.bins)
	}
	last := -1
	for i, word := range bins {
		for ; word != 0; word &= word - 1 {
			bin := i*64 + bits.TrailingZeros64(word)
			if bin == f.bins {
				break
			}
			if last >= 0 {
				g.try(best, j, last, bin, missingLeft)
			}
			g.moveBin(bin)
			last = bin
		}
	}
	if hasMissing && !missingLeft && last >= 0 { // all values against the missing ones
		g.try(best, j, f.bins-1, f.bins, false)
	}
}

func (g *gini) moveBin(bin int) {
	if g.listed {
		for i := g.head[bin]; i >= 0; i = g.next[i] {
			g.move(g.class(g.words[i]), g.weight(g.words[i]))
		}
		return
	}
	for class, n := range g.counts[bin*len(g.total):][:len(g.total)] {
		if n != 0 {
			g.move(class, int64(n))
		}
	}
}

// move keeps the sums of squares: (n+w)² = n² + w(2n+w).
func (g *gini) move(class int, weight int64) {
	left := g.left[class]
	right := g.total[class] - left
	g.leftSquares += weight * (2*left + weight)
	g.rightSquares -= weight * (2*right - weight)
	g.left[class] = left + weight
	g.leftRows += weight
}

func (g *gini) try(best *cut, j, last, next int, missingLeft bool) {
	rightRows := g.rows - g.leftRows
	if g.leftRows < g.minRows || rightRows < g.minRows {
		return
	}
	score := float64(g.leftSquares)/float64(g.leftRows) + float64(g.rightSquares)/float64(rightRows)
	if score > best.score {
		*best = cut{score, j, middle(last, next), missingLeft, g.leftRows}
	}
}
