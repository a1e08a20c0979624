package chart

import "math"

// maxPoints is how many points of a curve are drawn: about one a pixel.
const maxPoints = 360

// thin returns at most limit of the points of a curve, chosen so that it looks the same, with the
// first and the last. It is the algorithm Largest Triangle Three Buckets of S. Steinarsson
// (Downsampling time series for visual representation, 2013): of each stretch of the curve the point
// stays that spans the largest triangle with the last that stayed and the mean of the next stretch.
func thin(points []Point, limit int) []Point {
	n := len(points)
	if n <= limit || limit < 3 {
		return points
	}
	kept := make([]Point, 0, limit)
	kept = append(kept, points[0])
	for bucket := range limit - 2 {
		lo, hi := bucketOf(bucket, n, limit)
		next := mean(points[hi:min(n, hi+(hi-lo)+1)])
		kept = append(kept, farthest(points[lo:hi], kept[len(kept)-1], next))
	}
	return append(kept, points[n-1])
}

// bucketOf returns the inner points from lo up to hi that one of the limit-2 inner places stands for.
func bucketOf(bucket, n, limit int) (lo, hi int) {
	return 1 + bucket*(n-2)/(limit-2), 1 + (bucket+1)*(n-2)/(limit-2)
}

func mean(points []Point) Point {
	var m Point
	for _, p := range points {
		m.X += p.X / float64(len(points))
		m.Y += p.Y / float64(len(points))
	}
	return m
}

// farthest returns the point that spans the largest triangle with two others.
func farthest(points []Point, a, b Point) Point {
	best, most := points[0], -1.0
	for _, p := range points {
		if area := math.Abs((a.X-b.X)*(p.Y-a.Y) - (a.X-p.X)*(b.Y-a.Y)); area > most {
			best, most = p, area
		}
	}
	return best
}

// cell is a small square of a plane and how many points are in it.
type cell struct {
	at    Point // the mean of its points
	count int
}

// cells gathers points, in pixels, by squares of a size, in the order in which squares first occur.
func cells(points []Point, size float64) []cell {
	type square struct{ x, y int }
	places := map[square]int{}
	var all []cell
	for _, p := range points {
		key := square{int(p.X / size), int(p.Y / size)}
		i, ok := places[key]
		if !ok {
			i = len(all)
			places[key] = i
			all = append(all, cell{})
		}
		c := &all[i]
		c.count++
		c.at.X += (p.X - c.at.X) / float64(c.count)
		c.at.Y += (p.Y - c.at.Y) / float64(c.count)
	}
	return all
}
