package tree

import (
	"context"
	"math"

	"github.com/bakeoffhq/bakeoff"
)

// Extra fits extremely randomised trees to the rows of d and their labels: a forest in which each
// feature that is drawn for a split is cut at random between the least and the greatest value of
// the node, and the best of these cuts is made (Geurts, Ernst and Wehenkel 2006). It saves the
// search, and the averaged answer is smoother than that of a random forest. Errors are those of
// Forest.
func Extra(ctx context.Context, d Data, y bakeoff.Labels, p ForestParams, o Options) (*Ensemble, error) {
	f, err := newForester(d, y, p, o)
	if err != nil {
		return nil, err
	}
	f.beExtra()
	return f.run(ctx)
}

// beExtra makes the forest one of extremely randomised trees.
func (f *forester) beExtra() {
	f.extra, f.places = true, make([][]float64, len(f.features))
	for j := range f.features {
		f.places[j] = placesOf(&f.features[j])
	}
}

// placesOf returns where the bins of a feature stand on the scale of its values: in their middle,
// those at the ends as far from the next edge as on its other side. Levels, and values whose
// distance is not finite, stand at the number of their bin.
func placesOf(f *feature) []float64 {
	places := make([]float64, f.bins)
	edges := f.edges[:f.bins-1]
	known := len(f.slots) == 0 && len(edges) > 1
	for bin := range places {
		places[bin] = float64(bin)
		if !known {
			continue
		}
		inner := min(max(bin, 1), len(edges)-1)
		lo, hi := edges[inner-1], edges[inner]
		switch half := hi/2 - lo/2; {
		case bin == 0:
			places[bin] = lo - half
		case bin == len(edges):
			places[bin] = hi + half
		default:
			places[bin] = lo + half
		}
	}
	if width := places[len(places)-1] - places[0]; math.IsInf(width, 0) || math.IsNaN(width) {
		for bin := range places {
			places[bin] = float64(bin)
		}
	}
	return places
}

// tryRandomCut tries a random cut of a feature; it returns false if the feature does not vary.
func (g *forestGrower) tryRandomCut(j int, b bunch) bool {
	f := &g.f.features[j]
	b.cells = g.cells[:len(b.rows)]
	least, greatest, hasMissing := f.gather(b)
	if least >= greatest && !(hasMissing && least == greatest) {
		return false
	}
	bin := f.bins - 1 // all values against the missing ones
	if least < greatest {
		bin = g.between(g.f.places[j], least, greatest)
	}
	g.criterion.weigh(&g.best, j, f, b, bin, hasMissing)
	return true
}

// gather copies the cells of the rows to those of the bunch. It returns the least and the greatest
// bin of values, in this order, and whether there are missing ones; the least is above the greatest
// where there are only those.
func (f *feature) gather(b bunch) (least, greatest int, hasMissing bool) {
	all, cells := f.cells, b.cells[:len(b.rows)]
	if !f.missing {
		lo, hi := uint64(255), uint64(0)
		for i, row := range b.rows {
			cell := all[row]
			cells[i] = cell
			lo, hi = min(lo, uint64(cell)), max(hi, uint64(cell))
		}
		return int(lo), int(hi), false
	}
	least, greatest = 255, -1
	for i, row := range b.rows {
		cell := all[row]
		cells[i] = cell
		if int(cell) == f.bins {
			hasMissing = true
			continue
		}
		least, greatest = min(least, int(cell)), max(greatest, int(cell))
	}
	return least, greatest, hasMissing
}

// between draws a place between those of two bins and returns the last bin that is not above it.
func (g *forestGrower) between(places []float64, least, greatest int) int {
	share := float64(g.random.Uint64()>>11) / (1 << 53)
	at := places[least] + float64((places[greatest]-places[least])*share)
	last, above := least, greatest
	for last+1 < above {
		if middle := (last + above) / 2; places[middle] > at {
			above = middle
		} else {
			last = middle
		}
	}
	return last
}
