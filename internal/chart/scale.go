package chart

import (
	"math"
	"strconv"
	"strings"
)

// Axis is one direction of a plane.
type Axis struct {
	Label string
	// Lo and Hi are the ends that are to be seen at least; equal ones leave it to the data.
	Lo, Hi float64
}

// reaching returns the axis with ends that the values fit between. Values that are not finite do not count.
func (a Axis) reaching(values ...float64) Axis {
	lo, hi := math.Inf(1), math.Inf(-1)
	if a.Lo < a.Hi {
		lo, hi = a.Lo, a.Hi
	}
	for _, v := range values {
		if finite(v) {
			lo, hi = math.Min(lo, v), math.Max(hi, v)
		}
	}
	switch {
	case lo > hi, lo == 0 && hi == 0: // there is nothing to show
		lo, hi = 0, 1
	case lo == hi:
		room := math.Max(math.Abs(lo)*0.05, 1e-9)
		lo, hi = lo-room, hi+room
	}
	if !finite(hi - lo) { // ends so far apart that their distance is no number
		lo, hi = lo/4, hi/4
	}
	a.Lo, a.Hi = lo, hi
	return a
}

// share says where between the ends, 0 and 1, a value is.
func (a Axis) share(v float64) float64 {
	return math.Max(0, math.Min(1, (v-a.Lo)/(a.Hi-a.Lo)))
}

// Tick is a labelled place on an axis.
type Tick struct {
	Value float64
	Label string
}

// Ticks returns round values between the ends of an axis, about as many as wanted: steps are 1, 2 or 5
// times a power of ten. Ends that are no axis have none.
func Ticks(lo, hi float64, wanted int) []Tick {
	if !(lo < hi) || !finite(hi-lo) || wanted < 1 {
		return nil
	}
	step := niceStep((hi - lo) / float64(wanted))
	first := math.Ceil(lo/step - 1e-9)
	var ticks []Tick
	for i := first; i*step <= hi+step*1e-9 && len(ticks) <= 2*wanted+2; i++ {
		v := i*step + 0            // which makes zero of minus zero
		if i != 0 && v+step == v { // the ends are closer than numbers of their size can tell
			return nil
		}
		ticks = append(ticks, Tick{Value: v, Label: label(v, step)})
	}
	return ticks
}

// niceStep returns the least of 1, 2, 5 and 10 times a power of ten that is not below a step.
func niceStep(step float64) float64 {
	power := math.Pow(10, math.Floor(math.Log10(step)))
	for _, m := range []float64{1, 2, 5} {
		if m*power >= step*(1-1e-9) {
			return m * power
		}
	}
	return 10 * power
}

// label writes a tick's value with as many decimals as its step has.
func label(v, step float64) string {
	if a := math.Max(math.Abs(v), step); a >= 1e15 || step < 1e-6 {
		return strconv.FormatFloat(v, 'g', 3, 64)
	}
	if v == 0 {
		return "0"
	}
	for _, unit := range []struct {
		size float64
		sign string
	}{{1e9, "G"}, {1e6, "M"}, {1e3, "k"}} {
		if step >= unit.size/10 && math.Abs(v) >= unit.size {
			return minus(trimmed(v/unit.size, step/unit.size)) + unit.sign
		}
	}
	return minus(trimmed(v, step))
}

// trimmed writes v with the decimals of step.
func trimmed(v, step float64) string {
	decimals := int(math.Max(0, math.Ceil(-math.Log10(step)-1e-9)))
	return strconv.FormatFloat(v, 'f', decimals, 64)
}

// minus writes the sign as wide as a digit.
func minus(text string) string {
	if rest, ok := strings.CutPrefix(text, "-"); ok {
		return "−" + rest
	}
	return text
}
