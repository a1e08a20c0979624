package cli

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/plain"
)

// writeCard writes a card: what the model was learnt from, its columns with the most important one
// first, and a curve for each of the first of them.
func writeCard(w io.Writer, model string, version int, c bakeoff.Card, width int, color bool) {
	fmt.Fprintf(w, "%s v%d: %s on %s\n", plain.Line(model), version, plain.Line(c.Learner), learntFrom(c))
	fmt.Fprintf(w, "params: %s\n", plain.Line(string(c.Params)))
	for _, l := range c.LeftOut {
		fmt.Fprintf(w, "left out: %s, %s\n", plain.Line(l.Column), plain.Line(l.Why))
	}
	fmt.Fprintln(w)
	writeFeatures(w, c, width, color)
	if c.Unmeasured > 0 {
		fmt.Fprintf(w, "%s not shown: to permute all columns would have taken too long.\n", counted(c.Unmeasured, "column"))
	}
	fmt.Fprintf(w, "PERMUTED is by how much %s gets worse on %s whose values of that column are shuffled (training rows: optimistic).\n\n",
		c.Metric, counted(c.Sample, "row"))
	writeDependence(w, c, width, color)
}

func learntFrom(c bakeoff.Card) string {
	text := counted(c.Rows, "row")
	if c.Weighted {
		text += ", weighted"
	}
	for i, class := range c.Classes {
		if i == 6 {
			text += fmt.Sprintf(", %d classes more", len(c.Classes)-i)
			break
		}
		text += fmt.Sprintf(", %s: %d", plain.Line(class.Name), class.Rows)
	}
	return text
}

func writeFeatures(w io.Writer, c bakeoff.Card, width int, color bool) {
	t := table{columns: []column{{title: "COLUMN", whole: true}, {title: "PERMUTED", right: true}, {title: "+/-", right: true, drop: 2}}}
	if c.Strength != "" {
		t.columns = append(t.columns, column{title: strings.ToUpper(plain.Line(c.Strength)), right: true, drop: 1})
	}
	t.columns = append(t.columns, column{title: "", drop: 3})
	most := 0.0
	for _, f := range c.Features {
		most = max(most, f.Permutation)
	}
	for _, f := range c.Features {
		line := row{cells: []string{plain.Line(f.Column), fmt.Sprintf("%.4g", f.Permutation), fmt.Sprintf("%.2g", f.Deviation)}}
		if c.Strength != "" {
			cell := "-"
			if f.Strength != nil {
				cell = fmt.Sprintf("%.4g", *f.Strength)
			}
			line.cells = append(line.cells, cell)
		}
		line.cells = append(line.cells, cardBar(f.Permutation, most))
		t.rows = append(t.rows, line)
	}
	t.write(w, width, color)
}

// cardBar draws a share of the most as a bar of up to 20 cells.
func cardBar(v, most float64) string {
	if most <= 0 || v <= 0 {
		return ""
	}
	return strings.Repeat("█", max(1, int(v/most*20+0.5)))
}

// writeDependence writes the curves: for classes the probability of the last one of two, and of each of
// more.
func writeDependence(w io.Writer, c bakeoff.Card, width int, color bool) {
	first, names := answersOf(c)
	for _, d := range c.Dependence {
		t := table{columns: []column{{title: strings.ToUpper(plain.Line(d.Column)), whole: true}}}
		for _, name := range names {
			t.columns = append(t.columns, column{title: plain.Line(name), right: true})
		}
		t.columns = append(t.columns, column{title: ""})
		least, most := extremes(d, first)
		for _, p := range d.Points {
			line := row{cells: []string{pointCell(d.Kind, p)}}
			for _, v := range p.Answer[min(first, len(p.Answer)):] {
				line.cells = append(line.cells, fmt.Sprintf("%.4g", v))
			}
			if len(names) == 1 && len(p.Answer) > first {
				line.cells = append(line.cells, cardBar(p.Answer[first]-least+(most-least)/20, (most-least)*1.05))
			}
			t.rows = append(t.rows, line)
		}
		t.write(w, width, color)
		fmt.Fprintln(w)
	}
	if len(c.Dependence) > 0 {
		fmt.Fprintf(w, "Each line is the mean answer over %s if all of them had that value.\n", counted(c.DependenceSample, "row"))
	}
}

// answersOf returns which answers of a point are shown, from first on, and what they are called.
func answersOf(c bakeoff.Card) (first int, names []string) {
	switch {
	case c.Task == bakeoff.Regression:
		return 0, []string{"ANSWER"}
	case len(c.Classes) == 2:
		return 1, []string{c.Classes[1].Name}
	}
	for _, class := range c.Classes {
		names = append(names, class.Name)
	}
	return 0, names
}

// extremes returns the least and the largest of the answers that are drawn.
func extremes(d bakeoff.Dependence, at int) (least, most float64) {
	for i, p := range d.Points {
		if at >= len(p.Answer) {
			continue
		}
		if v := p.Answer[at]; i == 0 {
			least, most = v, v
		} else {
			least, most = min(least, v), max(most, v)
		}
	}
	return least, most
}

func pointCell(k bakeoff.Kind, p bakeoff.DependencePoint) string {
	switch {
	case p.Category != nil:
		return plain.Line(*p.Category)
	case p.Number == nil:
		return "-"
	case k == bakeoff.KindDate:
		return time.Unix(int64(*p.Number), 0).UTC().Format("2006-01-02 15:04")
	case k == bakeoff.KindBoolean && *p.Number == 0:
		return "false"
	case k == bakeoff.KindBoolean && *p.Number == 1:
		return "true"
	}
	return fmt.Sprintf("%.6g", *p.Number)
}
