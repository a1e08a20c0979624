package tree

// With a limit of leaves the open nodes are a heap: the one that gains most is the first.

// rise brings the last open node to its place in the heap.
func (g *forestGrower) rise() {
	for i := len(g.open) - 1; i > 0; {
		parent := (i - 1) / 2
		if !g.before(i, parent) {
			return
		}
		g.swap(i, parent)
		i = parent
	}
}

// sink brings the first of n open nodes to its place in the heap.
func (g *forestGrower) sink(n int) {
	for i := 0; ; {
		first := i
		for child := 2*i + 1; child <= 2*i+2 && child < n; child++ {
			if g.before(child, first) {
				first = child
			}
		}
		if first == i {
			return
		}
		g.swap(i, first)
		i = first
	}
}

// before reports whether an open node is divided before another: if it gains more, or came first.
func (g *forestGrower) before(i, j int) bool {
	a, b := &g.open[i], &g.open[j]
	if a.cut.gain != b.cut.gain {
		return a.cut.gain > b.cut.gain
	}
	return a.node < b.node
}

// swap exchanges two open nodes.
func (g *forestGrower) swap(i, j int) {
	g.open[i], g.open[j] = g.open[j], g.open[i]
	n := len(g.known)
	for k := range n {
		a, b := &g.constant[i*n+k], &g.constant[j*n+k]
		*a, *b = *b, *a
	}
}
