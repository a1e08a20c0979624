package tree

import (
	"cmp"
	"slices"
)

// orderLevels gives the bins of an unordered feature the order of their labels: by the mean, by
// the share of the second of two classes, or, for more classes, along the direction in which the
// shares differ most. A split of a forest then divides the bins like those of a number, and two
// classes or squared error lose nothing at the root (Breiman et al. 1984; Wright and König 2019).
// The shares are those of the classes; weights may be nil, and rowWeight is the mean of them.
func orderLevels(f *feature, t target, shares []float64, weights []int64, rowWeight float64) {
	if !f.unordered || f.bins < 3 {
		return
	}
	keys := levelKeys(f, t, shares, weights, rowWeight)
	order := make([]int, f.bins)
	for bin := range order {
		order[bin] = bin
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(keys[a], keys[b]) })
	var place [256]uint8
	place[f.bins] = uint8(f.bins)
	for at, bin := range order {
		place[bin] = uint8(at)
	}
	for i, bin := range f.slots {
		f.slots[i] = place[bin]
	}
	for row, bin := range f.cells {
		f.cells[row] = place[bin]
	}
}

// levelKeys returns what the bins are ordered by, shrunk towards the mean of all rows by
// levelSmoothing rows.
func levelKeys(f *feature, t target, shares []float64, weights []int64, rowWeight float64) []float64 {
	outputs := max(1, t.classes)
	sums, rows := make([]float64, 256*outputs), make([]float64, 256)
	var mean float64
	if t.classes == 0 {
		mean = meanOf(t.values)
	}
	for row, bin := range f.cells {
		weight := 1.0
		if weights != nil {
			weight = float64(weights[row]) / rowWeight
		}
		rows[bin] += weight
		if t.classes == 0 {
			sums[bin] += float64(weight * (t.values[row] - mean))
		} else {
			sums[int(bin)*outputs+int(t.codes[row])] += weight
		}
	}
	for bin := range f.bins {
		for k := range outputs {
			prior := 0.0
			if t.classes > 0 {
				prior = shares[k]
			}
			s := &sums[bin*outputs+k]
			*s = (*s+float64(levelSmoothing*prior))/(rows[bin]+levelSmoothing) - prior
		}
	}
	if outputs == 1 {
		return sums[:f.bins]
	}
	return project(sums[:f.bins*outputs], rows[:f.bins], outputs)
}

// project returns each point's place along the first principal component of the weighted points,
// which have the given number of coordinates, by power iteration.
func project(points, weights []float64, coordinates int) []float64 {
	direction := make([]float64, coordinates)
	direction[coordinates-1] = 1
	places := make([]float64, len(weights))
	for range 30 {
		next := make([]float64, coordinates)
		var top float64
		for i, w := range weights {
			p := points[i*coordinates : (i+1)*coordinates]
			places[i] = 0
			for k, x := range p {
				places[i] += float64(x * direction[k])
			}
			for k, x := range p {
				next[k] += float64(w * places[i] * x)
			}
		}
		for _, x := range next {
			top = max(top, x, -x)
		}
		if top == 0 {
			break
		}
		for k := range next {
			direction[k] = next[k] / top
		}
	}
	return places
}
