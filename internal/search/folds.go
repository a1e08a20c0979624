package search

import (
	"encoding/binary"
	"math"
	"slices"

	"github.com/cespare/xxhash/v2"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/dataset"
)

// Division says into which folds rows are divided.
type Division struct {
	Folds int     `json:"folds"`
	Share float64 `json:"share"` // of the rows: the others are in none
	// Group is the column whose rows stay together; "" for rows of one identity.
	Group string `json:"group,omitempty"`
	Seed  uint64 `json:"seed"`
}

// Divide returns for each fold the rows in it, in order. Rows of one identity are in one fold, as are
// those of one group, and each class is spread evenly over the folds, as far as that allows. Which fold
// it is follows from the set of rows, their identities and the seed: not from the order of the rows. The
// rows of a smaller share are among those of a larger one.
func Divide(rows *dataset.Rows, d Division) [][]int {
	units := unitsOf(rows, d)
	folds := make([][]int, d.Folds)
	next := 0 // goes on from class to class, so that small ones do not all begin with the first fold
	for _, class := range byClass(units) {
		for _, u := range class[:int(math.Ceil(d.Share*float64(len(class))))] {
			folds[next] = append(folds[next], u.rows...)
			next = (next + 1) % d.Folds
		}
	}
	for _, fold := range folds {
		slices.Sort(fold)
	}
	return folds
}

// unit is what stays together.
type unit struct {
	class int32  // of its first row; 0 for Regression
	place uint64 // in the order in which units are dealt out
	id    uint64
	rows  []int
}

// byClass returns the units of each class in the order in which they are dealt out.
func byClass(units []*unit) [][]*unit {
	classes := map[int32][]*unit{}
	var order []int32
	for _, u := range units {
		if _, ok := classes[u.class]; !ok {
			order = append(order, u.class)
		}
		classes[u.class] = append(classes[u.class], u)
	}
	slices.Sort(order)
	all := make([][]*unit, len(order))
	for i, class := range order {
		all[i] = classes[class]
		slices.SortFunc(all[i], func(a, b *unit) int {
			switch {
			case a.place < b.place, a.place == b.place && a.id < b.id:
				return -1
			}
			return 1
		})
	}
	return all
}

func unitsOf(rows *dataset.Rows, d Division) []*unit {
	id := func(row int) uint64 { return rows.Identity[row] }
	if c := rows.Table.Column(d.Group); c != nil {
		id = groupOf(c)
	}
	index := map[uint64]*unit{}
	var units []*unit
	for row := range rows.Table.Rows {
		u := index[id(row)]
		if u == nil {
			u = &unit{id: id(row), place: placeOf(id(row), d.Seed)}
			index[u.id] = u
			units = append(units, u)
		}
		u.rows = append(u.rows, row)
	}
	for _, u := range units {
		u.class = classOf(rows.Labels, u.rows)
	}
	return units
}

// classOf is the least class among some rows, so that it does not follow from their order.
func classOf(l bakeoff.Labels, rows []int) int32 {
	if len(l.Codes) == 0 {
		return 0
	}
	class := l.Codes[rows[0]]
	for _, row := range rows {
		class = min(class, l.Codes[row])
	}
	return class
}

// groupOf returns what tells the groups of a column apart.
func groupOf(c *dataset.Column) func(row int) uint64 {
	if c.Kind != bakeoff.KindCategory {
		return func(row int) uint64 { return math.Float64bits(c.Numbers[row]) }
	}
	hashes := make([]uint64, len(c.Levels))
	for i, level := range c.Levels {
		hashes[i] = xxhash.Sum64String(level)
	}
	return func(row int) uint64 {
		if c.Codes[row] < 0 {
			return 0
		}
		return hashes[c.Codes[row]]
	}
}

// placeOf is unlike the hash by which the holdout is chosen.
func placeOf(id, seed uint64) uint64 {
	var b [22]byte
	copy(b[:], "folds:")
	binary.LittleEndian.PutUint64(b[6:], id)
	binary.LittleEndian.PutUint64(b[14:], seed)
	return xxhash.Sum64(b[:])
}
