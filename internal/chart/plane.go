package chart

// The size of a plane in pixels, for a place half as wide as a page, or as wide as a phone. Lengths in
// it are those of the page where it is shown about as wide.
const (
	planeWidth  = 440
	marginLeft  = 46
	marginRight = 14
	marginTop   = 26
	marginFoot  = 42
)

// plane maps values to pixels.
type plane struct {
	x, y   Axis
	height float64
}

func newPlane(x, y Axis, height float64) plane { return plane{x: x, y: y, height: height} }

func (p plane) left() float64   { return marginLeft }
func (p plane) right() float64  { return planeWidth - marginRight }
func (p plane) top() float64    { return marginTop }
func (p plane) bottom() float64 { return p.height - marginFoot }

func (p plane) atX(v float64) float64 { return p.left() + p.x.share(v)*(p.right()-p.left()) }
func (p plane) atY(v float64) float64 { return p.bottom() - p.y.share(v)*(p.bottom()-p.top()) }

func (p plane) at(v Point) Point { return Point{p.atX(v.X), p.atY(v.Y)} }

func (p plane) viewBox() string { return "0 0 " + px(planeWidth) + " " + px(p.height) }

// xTicks are fewer than would fit, since labels are wider than high.
func (p plane) xTicks() []Tick { return Ticks(p.x.Lo, p.x.Hi, 5) }

func (p plane) yTicks() []Tick { return Ticks(p.y.Lo, p.y.Hi, int(max(2, (p.bottom()-p.top())/44))) }
