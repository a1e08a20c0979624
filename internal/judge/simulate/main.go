// Command simulate plays nights with contestants whose true worth is known, and prints as Markdown
// how often the judge's statistics promote a challenger that is not better, how often its intervals
// hold the truth, and how often it finds a challenger that is better.
//
//	go run ./internal/judge/simulate          # 10,000 nights a cell, about ten minutes on two cores
//	go run ./internal/judge/simulate -quick   # 400 nights, seconds
//
// It ends with an error if a cell breaks what is promised: at most 5 % false promotions a night
// whatever the number of challengers, and intervals of 95 % that hold the truth in 93 to 97 %, each
// give or take what so many nights cannot tell. The same flags give the same tables.
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"
)

func main() {
	o := defaults()
	flag.Uint64Var(&o.seed, "seed", o.seed, "seed of all random numbers")
	flag.IntVar(&o.nights, "nights", o.nights, "nights a cell; fewer where it says so")
	flag.Func("rows", "rows of the holdout, with commas (default 500,1000,5000,20000)", wholes(&o.rows))
	flag.Func("challengers", "challengers a night, with commas (default 1,3,10)", wholes(&o.challengers))
	flag.Func("tables", "promotions, coverage, power, with commas (default all)", func(text string) error {
		o.tables = strings.Split(text, ",")
		return nil
	})
	quick := flag.Bool("quick", false, "400 nights of 500 rows, and looser bounds")
	flag.Parse()
	if *quick {
		o = o.quick()
	}
	if err := o.run(os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "simulate:", err)
		os.Exit(1)
	}
}

// options are what a person may choose.
type options struct {
	seed        uint64
	nights      int
	rows        []int
	challengers []int
	tables      []string
	covered     []int   // rows of the holdout for intervals
	slack       float64 // standard errors by which a share may miss its bound
}

func defaults() options {
	return options{
		seed: 1, nights: 10_000, slack: 2,
		rows: []int{500, 1000, 5000, 20_000}, challengers: []int{1, 3, 10},
		tables: []string{"promotions", "coverage", "power"}, covered: []int{500, 2000},
	}
}

// quick returns options for a look that takes seconds. Many cells of few nights are bounded at
// once, so each has more slack.
func (o options) quick() options {
	o.nights, o.rows, o.covered, o.slack = 400, []int{500}, []int{500}, 3.5
	return o
}

// wholes returns a flag's function for positive whole numbers with commas between.
func wholes(into *[]int) func(string) error {
	return func(text string) error {
		*into = nil
		for part := range strings.SplitSeq(text, ",") {
			n, err := strconv.Atoi(part)
			if err != nil || n < 1 {
				return fmt.Errorf("%q is not a positive whole number", part)
			}
			*into = append(*into, n)
		}
		return nil
	}
}

// run writes the tables, and to log how long each took. The error names the cells that break a
// promise.
func (o options) run(w, log io.Writer) error {
	write := map[string]func(*report){"promotions": promotions, "coverage": coverage, "power": power}
	for _, name := range o.tables {
		if write[name] == nil {
			return fmt.Errorf("there is no table %q: there are promotions, coverage and power", name)
		}
	}
	if o.nights < 5 {
		return fmt.Errorf("%d nights are too few: some cells have a fifth of them", o.nights)
	}
	fmt.Fprintf(w, "Seed %d. %s nights a cell.\n", o.seed, thousands(o.nights))
	r := &report{options: o, w: w}
	for _, name := range o.tables {
		start := time.Now()
		write[name](r)
		fmt.Fprintf(log, "%s took %v\n", name, time.Since(start).Round(time.Second))
	}
	if len(r.broken) > 0 {
		return fmt.Errorf("%d cells break a promise:\n  %s", len(r.broken), strings.Join(r.broken, "\n  "))
	}
	return nil
}

// report is the tables in the making.
type report struct {
	options
	w      io.Writer
	broken []string
}

func (r *report) printf(format string, args ...any) { fmt.Fprintf(r.w, format, args...) }

// check notes a share that is not within bounds, each of them widened by the slack.
func (r *report) check(what string, share float64, nights int, least, most float64) {
	if share < least-r.slack*standardError(least, nights) || share > most+r.slack*standardError(most, nights) {
		r.broken = append(r.broken, fmt.Sprintf("%s: %s", what, percent(share)))
	}
}

// fewer is how many nights a cell has where there are many cells.
func (r *report) fewer() int { return max(200, r.nights/10) }

func percent(share float64) string { return fmt.Sprintf("%.1f %%", 100*share) }

// thousands writes a whole number with commas.
func thousands(n int) string {
	if n < 1000 {
		return strconv.Itoa(n)
	}
	return thousands(n/1000) + fmt.Sprintf(",%03d", n%1000)
}
