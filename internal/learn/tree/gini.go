package tree

// gini scores a side by the sum over the classes of n²/N, where n is the weight of the rows of a
// class and N that of all: the more, the lower the Gini impurity.
type gini struct {
	codes   []int32
	weights []int64 // of the rows; nil for ones
	drawn   []uint8 // how often the bootstrap drew each row
	minRows int64
	total   []int64 // weight by class
	whole   side    // the node
	score   float64 // of the node

	// The rows by bin: their weights by class, or, where a node has few rows, lists of them.
	counts []int32 // by bin, then by class; zero between two cuts
	more   []int32
	listed bool
	head   [256]int32 // the place of a bin's first row in words, from 1; zero between two cuts
	next   []int32
	// rows counts the rows by bin, where their weights do not tell; zero between two cuts.
	rows [256]int64
	bins [256]uint8

	// The left side while a scan moves bins to it.
	left  []int64 // weight by class
	moved side
	cross int64 // the sum over the classes of the weight on the left times that in the node
	words []int64
}

// side sums rows: their weight, their number, and the squares of the weights by class.
type side struct{ weight, rows, squares int64 }

// A word is the class above the weight; all rows together weigh less than 2^weightBits.
const (
	classShift = 32
)

func newGini(f *forester, drawn []uint8) *gini {
	classes := f.target.classes
	return &gini{
		codes: f.target.codes, weights: f.weights, drawn: drawn, minRows: int64(f.p.MinSamplesLeaf),
		total: make([]int64, classes), left: make([]int64, classes),
		counts: make([]int32, 256*classes), more: make([]int32, 256*classes), next: make([]int32, len(drawn)),
	}
}

func (g *gini) word(row int, times uint8) int64 {
	w := int64(times)
	if g.weights != nil {
		w *= g.weights[row]
	}
	return int64(g.codes[row])<<classShift | w
}

func (g *gini) weight(word int64) int64 { return word & (1<<classShift - 1) }

// countsRows reports whether the number of rows matters and is not their weight.
func (g *gini) countsRows() bool { return g.weights != nil && g.minRows > 1 }

func (g *gini) enter(b bunch) (weight int64, pure bool) {
	clear(g.total)
	g.whole, g.words = side{}, b.words
	for _, w := range b.words {
		g.total[w>>classShift] += g.weight(w)
	}
	for _, n := range g.total {
		g.whole.weight += n
		g.whole.squares += n * n
	}
	g.whole.rows = g.whole.weight
	if g.countsRows() {
		g.whole.rows = rowsDrawn(b, g.drawn)
	}
	g.score = float64(g.whole.squares) / float64(g.whole.weight)
	return g.whole.weight, g.whole.pure()
}

// rowsDrawn counts the rows as often as the bootstrap drew them.
func rowsDrawn(b bunch, drawn []uint8) (n int64) {
	for _, row := range b.rows {
		n += int64(drawn[row])
	}
	return n
}

// pure reports whether the rows are of one class.
func (s side) pure() bool { return s.squares == s.weight*s.weight }

func (g *gini) cut(best *cut, j int, f *feature, b bunch) (varies bool) {
	g.listed = len(b.rows) < f.width()*len(g.total)/2
	bins := g.fill(f, b)
	if len(bins) > 1 {
		values, hasMissing := f.valuesOf(bins)
		g.scan(best, j, f, values, hasMissing, false)
		if hasMissing {
			g.scan(best, j, f, values, hasMissing, true)
		}
		best.settle(j, hasMissing, g.whole.weight)
	}
	for _, bin := range bins {
		g.head[bin] = 0
	}
	if !g.listed {
		clear(g.counts[:f.width()*len(g.total)])
	}
	if g.countsRows() {
		clear(g.rows[:f.width()])
	}
	return len(bins) > 1
}

// fill brings the rows under their bins and returns which bins there are.
func (g *gini) fill(f *feature, b bunch) []uint8 {
	if g.countsRows() {
		for _, row := range b.rows {
			g.rows[f.cells[row]] += int64(g.drawn[row])
		}
	}
	if g.listed {
		return g.fillLists(f, b)
	}
	return g.fillCounts(f, b)
}

// fillLists makes a list of the rows of each bin.
func (g *gini) fillLists(f *feature, b bunch) []uint8 {
	cells, next := f.cells, g.next[:len(b.rows)]
	if f.width() <= 64 { // which bins there are fits a register
		var there uint64
		for i, row := range b.rows {
			bin := cells[row]
			next[i] = g.head[bin]
			g.head[bin] = int32(i + 1)
			there |= 1 << (bin & 63)
		}
		return (&occupied{there}).list(&g.bins)
	}
	var there occupied
	for i, row := range b.rows {
		bin := cells[row]
		next[i] = g.head[bin]
		g.head[bin] = int32(i + 1)
		there.add(bin)
	}
	return there.list(&g.bins)
}

// fillCounts sums the weights by bin and class. Neighbours are often of one bin and class, and an
// addition to a sum waits for the last one to it: so there are two sums of each, in turn.
func (g *gini) fillCounts(f *feature, b bunch) []uint8 {
	classes, width := len(g.total), f.width()
	cells, rows, words := f.cells, b.rows, b.words
	even, odd := g.counts[:width*classes], g.more[:width*classes]
	for len(rows) >= 2 && len(words) >= 2 {
		even[int(cells[rows[0]])*classes+int(words[0]>>classShift)] += int32(words[0])
		odd[int(cells[rows[1]])*classes+int(words[1]>>classShift)] += int32(words[1])
		rows, words = rows[2:], words[2:]
	}
	if len(rows) > 0 {
		even[int(cells[rows[0]])*classes+int(words[0]>>classShift)] += int32(words[0])
	}
	n := 0
	for bin := range width {
		sum := int32(0)
		a, b := even[bin*classes:][:classes], odd[bin*classes:][:classes]
		for k, count := range b {
			a[k] += count
			sum |= a[k]
			b[k] = 0
		}
		if sum != 0 {
			g.bins[n] = uint8(bin)
			n++
		}
	}
	return g.bins[:n]
}

// scan moves bin after bin to the left side, the missing values before all others or never, and
// tries the cut after each.
func (g *gini) scan(best *cut, j int, f *feature, values []uint8, hasMissing, missingLeft bool) {
	g.begin()
	if missingLeft {
		g.moveBin(uint8(f.bins))
	}
	for i, bin := range values {
		g.moveBin(bin)
		if i+1 < len(values) {
			g.try(best, j, middle(int(bin), int(values[i+1])), missingLeft)
		}
	}
	if hasMissing && !missingLeft { // all values against the missing ones
		g.try(best, j, f.bins-1, false)
	}
}

// begin empties the left side.
func (g *gini) begin() {
	clear(g.left)
	g.moved, g.cross = side{}, 0
}

func (g *gini) moveBin(bin uint8) {
	g.moved.rows += g.rows[bin]
	if g.listed {
		for i := g.head[bin]; i > 0; i = g.next[i-1] {
			word := g.words[i-1]
			g.move(int(word>>classShift), g.weight(word))
		}
		return
	}
	for class, n := range g.counts[int(bin)*len(g.total):][:len(g.total)] {
		if n != 0 {
			g.move(class, int64(n))
		}
	}
}

// move keeps the sums of squares: (n+w)² = n² + w(2n+w).
func (g *gini) move(class int, weight int64) {
	left := g.left[class]
	g.moved.squares += weight * (2*left + weight)
	g.cross += weight * g.total[class]
	g.left[class] = left + weight
	g.moved.weight += weight
}

// rest returns the right side: the sum of (n-l)² is that of n² - 2nl + l².
func (g *gini) rest() side {
	return side{g.whole.weight - g.moved.weight, g.whole.rows - g.moved.rows, g.whole.squares - 2*g.cross + g.moved.squares}
}

func (g *gini) try(best *cut, j, bin int, missingLeft bool) {
	left, right := g.moved, g.rest()
	if g.weights == nil {
		left.rows, right.rows = left.weight, right.weight
	}
	if g.minRows > 1 && (left.rows < g.minRows || right.rows < g.minRows) {
		return
	}
	gain := float64(left.squares)/float64(left.weight) + float64(right.squares)/float64(right.weight) - g.score
	if gain > best.gain {
		*best = cut{
			gain: gain, feature: j, bin: bin, missingLeft: missingLeft,
			left: left.weight, perfect: left.pure() && right.pure(),
		}
	}
}

func (g *gini) weigh(best *cut, j int, f *feature, b bunch, bin int, hasMissing bool) {
	g.begin()
	words := b.words[:len(b.cells)]
	for i, cell := range b.cells {
		if int(cell) <= bin {
			g.moveRow(b.rows[i], words[i])
		}
	}
	g.try(best, j, bin, false)
	if hasMissing && bin < f.bins-1 {
		for i, cell := range b.cells {
			if int(cell) == f.bins {
				g.moveRow(b.rows[i], words[i])
			}
		}
		g.try(best, j, bin, true)
	}
	best.settle(j, hasMissing, g.whole.weight)
}

func (g *gini) moveRow(row uint32, word int64) {
	g.move(int(word>>classShift), g.weight(word))
	g.moved.rows += int64(g.drawn[row])
}
