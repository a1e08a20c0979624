package metric

import (
	"maps"
	"math/bits"
	"math/rand/v2"
	"slices"
)

// joint is the rows counted by their class, the class that the one took them for and the one that
// the other did: only the cells that have rows, as there may be very many.
type joint struct {
	own, other []int     // of each cell: its place in the two confusions
	rows       []float64 // of each cell
	differing  int       // rows that the two took for different classes
	// groups has the cell of each row in turns of so many, where drawing groups of rows is cheaper
	// than drawing cells; else it is nil.
	groups [][]int32
}

func newJoint(c, r *counts) *joint {
	type cell struct{ own, other int }
	k := c.all.classes
	cellOf := func(row int) cell {
		class := stratum(c.y.Codes[row], k) * k
		return cell{class + int(c.taken[row]), class + int(r.taken[row])}
	}
	j, sizes := &joint{}, map[cell]float64{}
	for row := range c.taken {
		sizes[cellOf(row)]++
		if c.taken[row] != r.taken[row] {
			j.differing++
		}
	}
	place := map[cell]int32{}
	for _, at := range slices.SortedFunc(maps.Keys(sizes), func(a, b cell) int {
		return slices.Compare([]int{a.own, a.other}, []int{b.own, b.other})
	}) {
		place[at] = int32(len(j.rows))
		j.own, j.other, j.rows = append(j.own, at.own), append(j.other, at.other), append(j.rows, sizes[at])
	}
	if len(j.rows)*costOfCell > len(c.taken) {
		j.groups = make([][]int32, min(len(c.taken), maxGroups))
		for row := range c.taken {
			group := &j.groups[row%len(j.groups)]
			*group = append(*group, place[cellOf(row)])
		}
	}
	return j
}

const (
	// costOfCell is how many rows can be drawn in the time that a cell takes.
	costOfCell = 32
	// maxGroups bounds the random numbers of a resample. Up to so many rows a group is one row.
	// Beyond, it is some rows far apart: since rows are exchangeable, drawing groups gives a sum the
	// same variance as drawing rows. So many groups tell the width of an interval to half a percent,
	// which is less than the noise of the resampling.
	maxGroups = 1 << 14
)

// draw sets drawn to the rows of each cell in a resample of all rows.
func (j *joint) draw(drawn []float64, random *rand.PCG) {
	if j.groups == nil {
		draw(j.rows, drawn, random)
		return
	}
	clear(drawn)
	for range j.groups {
		i, _ := bits.Mul64(random.Uint64(), uint64(len(j.groups)))
		for _, cell := range j.groups[i] {
			drawn[cell]++
		}
	}
}

// fill sets the confusions of the two to the rows drawn of each cell.
func (j *joint) fill(drawn []float64, own, other *confusion) {
	clear(own.cells)
	clear(other.cells)
	for i, n := range drawn {
		own.cells[j.own[i]] += n
		other.cells[j.other[i]] += n
	}
}
