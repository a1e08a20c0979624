package spec

import (
	"github.com/bakeoffhq/bakeoff"
)

// slices reads the columns that the holdout is sliced by. Whether the data has them is not known yet.
func (d *decoder) slices(n *node, data bakeoff.Data) []string {
	items := n.list()
	if len(items) > bakeoff.MaxSliceColumns {
		d.node(items[bakeoff.MaxSliceColumns], "", "there are %d columns to slice by, and a report has room for %d", len(items), bakeoff.MaxSliceColumns)
	}
	lines := map[string]int{}
	columns := texts(n)
	for i, item := range items {
		name := columns[i]
		first, twice := lines[name]
		switch {
		case item.bad:
		case name == "":
			d.empty(item, "column to slice by", "")
		case twice:
			d.node(item, "", "the column %s is named twice, first in line %d", item.shown(), first)
		case name == data.Target:
			d.node(item, "name a feature column", "the target cannot slice the holdout: what is asked for is not known of a new row")
		default:
			d.ignoredSlice(item, name, data)
		}
		lines[name] = item.line
	}
	return columns
}

// ignoredSlice refuses a column that the rows will not have.
func (d *decoder) ignoredSlice(item *node, name string, data bakeoff.Data) {
	for _, ignored := range data.Ignore {
		if ignored == name {
			d.node(item, "take it out of data.ignore, or name another", "the column %s is ignored, so no row has it", item.shown())
			return
		}
	}
	if name == data.Weight {
		d.node(item, "name a feature column", "the weights %s cannot slice the holdout: a new row has none", item.shown())
	}
	if name == data.Key {
		d.node(item, "name a feature column", "the key %s cannot slice the holdout: each row has its own", item.shown())
	}
}

const (
	sliceLossForm = "a margin such as 0.01, 2pt or 1%"
	rateForm      = "a number of rows a second, such as 1000"
)

// sliceLoss reads by how much a challenger may be worse in a slice.
func (d *decoder) sliceLoss(n, slices *node, objective string) *bakeoff.SliceLoss {
	if n == nil || n.bad {
		return nil
	}
	if slices == nil {
		d.node(n, "add judge: {slices: [...]}", "there are no slices to be worse in")
		return nil
	}
	g, unit, ok := margin(n.text)
	switch {
	case !ok:
		d.node(n, "", "%s is not %s", n.shown(), sliceLossForm)
	case g.Margin < 0:
		d.node(n, "", "the margin %s is negative", n.shown())
	case unit == "pt":
		d.points(n, "margin", objective)
	}
	return &bakeoff.SliceLoss{Margin: g.Margin, Relative: g.Relative}
}

// budgets reads what a model may take to answer.
func (d *decoder) budgets(n *node) bakeoff.Budgets {
	const hint = "leave it out for no budget"
	b := bakeoff.Budgets{
		P50:           d.duration(n.get("p50"), "budget", hint),
		P95:           d.duration(n.get("p95"), "budget", hint),
		RowsPerSecond: d.rate(n.get("rows_per_second")),
		Size:          d.size(n.get("size")),
		Memory:        d.size(n.get("memory")),
	}
	if b.P50 > 0 && b.P95 > 0 && b.P50 > b.P95 {
		d.node(n.get("p50"), "", "the budget of half of the rows, %s, is more than that of 95 of 100, %s", n.get("p50").shown(), n.get("p95").shown())
	}
	return b
}

// rate reads a positive number of rows a second.
func (d *decoder) rate(n *node) float64 {
	if n == nil || n.bad {
		return 0
	}
	v, _, ok := quantity(n.text, "")
	switch {
	case !ok:
		d.node(n, "", "%s is not %s", n.shown(), rateForm)
	case v <= 0:
		d.node(n, "leave it out for no budget", "the budget %s is not positive", n.shown())
	}
	return v
}

// size reads a size in bytes that a budget has.
func (d *decoder) size(n *node) int64 {
	v, ok := d.bytes(n)
	if ok && (v < 1 || v > maxMemory) {
		d.node(n, "leave it out for no budget", "the budget %s is not from 1B to 1024TiB", n.shown())
		return 0
	}
	return int64(v)
}
