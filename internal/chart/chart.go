// Package chart turns numbers into charts for a page: SVG drawn on this side, without a script, in
// colours that follow the page's theme, with the numbers of each chart beside it as a table.
//
// A chart is a templ.Component. CSS has the rules that all of them need and belongs into the page
// once. What identifies a series is a Style, which has a colour and a dash pattern or a shape, so that
// nothing is told by colour alone. Values that are not finite are left out; texts are escaped; of
// curves and clouds with more points than the eye can tell apart, few are drawn.
package chart

import (
	_ "embed" // for CSS
	"math"
	"strconv"
	"strings"
)

// CSS are the rules of all charts. They take the variables --ink, --muted, --faint, --line, --surface
// and --accent from the page, which may give them by theme.
//
//go:embed chart.css
var CSS string

// Style identifies a series on all charts of a page. Plain is for what serves as a reference; there
// are as many others as Styles says.
type Style int

// Plain is the style of references.
const Plain Style = 0

// Styles is how many styles there are beside Plain, counted from 1.
const Styles = 6

// class names the style in CSS.
func (s Style) class() string {
	if s < 0 || s > Styles {
		s = Plain
	}
	return "s" + strconv.Itoa(int(s))
}

// Frame is what every chart has around it.
type Frame struct {
	ID    string // unique on the page, and fit for an attribute
	Title string
	// Note says in a sentence or two what is seen and how to read it; it is the chart's description for
	// those who do not see it, too.
	Note string
	// Data are the chart's numbers. Charts that are tables already have none.
	Data Table
}

// Table are the numbers of a chart as text.
type Table struct {
	Head []string // the first is of the column that names the rows
	Rows [][]string
}

// Point is one point of a plane.
type Point struct{ X, Y float64 }

func (p Point) finite() bool { return finite(p.X) && finite(p.Y) }

func finite(v float64) bool { return v-v == 0 }

// finitePoints returns the points that can be drawn.
func finitePoints(points []Point) []Point {
	drawn := make([]Point, 0, len(points))
	for _, p := range points {
		if p.finite() {
			drawn = append(drawn, p)
		}
	}
	return drawn
}

// px writes a length. What is not finite never gets this far; should it, the page stays whole.
func px(v float64) string {
	if !finite(v) {
		v = 0
	}
	text := strconv.FormatFloat(v, 'f', 1, 64)
	if text = strings.TrimSuffix(text, ".0"); text == "-0" {
		return "0"
	}
	return text
}

// percent writes a place between the left and the right end, 0 and 1, of something of any width.
func percent(share float64) string {
	if !finite(share) {
		share = 0
	}
	return strconv.FormatFloat(100*math.Max(0, math.Min(1, share)), 'f', 2, 64) + "%"
}
