// Command peers measures the built-in learners beside the libraries that people use for the same
// work, on the same rows, and prints Markdown tables: fit time, memory and score; single rows and
// batches; a whole night. docs/benchmarks.md says how to read them.
//
//	make bench-peers                                                    # installs the peers, prints the tables
//	go run ./internal/learn/peers -data telco_churn -learners random_forest -tables fits
//	go run ./internal/learn/peers -dir FOLDER                           # data of your own
//	go run ./internal/learn/peers -scaling -rows 10000000               # fit time as the work grows
//	go run ./internal/learn/peers -one -data telco_churn -learner gradient_boosting
//
// FOLDER has datasets.json, the files that it names, and splits/NAME.seed0.test.txt with the numbers of
// the held-out rows, from 0 without the header; where that is missing, the last tenth is held out.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/learn"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := command(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "peers:", err)
		os.Exit(1)
	}
}

// command does what a command line asks for.
func command(ctx context.Context, args []string, out, log io.Writer) error {
	o, err := parse(args, log)
	if err != nil {
		return err
	}
	if o.one {
		m, err := o.measureOne(ctx)
		if err != nil {
			return err
		}
		return json.NewEncoder(out).Encode(m)
	}
	return o.compare(ctx, out, log)
}

// options are what a person may choose.
type options struct {
	dir      string
	data     []string // nil for all
	learners []string // nil for all
	tables   []string
	rounds   int
	rows     int // of a made set; 0 for what the table has by default
	reps     int
	threads  int
	cpu      bool
	json     bool
	python   string

	one      bool
	prepared string
	columns  int
	params   string
	answers  bool
}

func parse(args []string, log io.Writer) (options, error) {
	o := options{
		rounds: 5, reps: 3, threads: 2, params: "{}", python: "/usr/bin/python3",
		tables: []string{"fits", "night", "scoring"},
	}
	f := flag.NewFlagSet("peers", flag.ContinueOnError)
	f.SetOutput(log)
	f.StringVar(&o.dir, "dir", "", "a folder of data sets with datasets.json (default: the bundled and the made ones)")
	f.Func("data", "names of data sets, with commas (default: all)", names(&o.data))
	f.Func("learners", "built-in learners, with commas (default: all that have a peer)", names(&o.learners))
	f.Func("learner", "the same as -learners", names(&o.learners))
	f.Func("tables", "fits, night, scoring, scaling, with commas (default fits,night,scoring)", names(&o.tables))
	f.BoolFunc("scaling", "the same as -tables scaling", func(string) error { o.tables = []string{"scaling"}; return nil })
	f.IntVar(&o.rounds, "rounds", o.rounds, "times that each side is measured, in turn")
	f.IntVar(&o.rows, "rows", 0, "rows of a made set (default 100000), and the most of the scaling table (default 1000000)")
	f.IntVar(&o.reps, "reps", o.reps, "fits in a process, of which the median counts")
	f.IntVar(&o.threads, "threads", o.threads, "threads of either side")
	f.BoolVar(&o.cpu, "cpu", false, "compare processor time of fits instead of time passed: for a machine that is not quiet")
	f.BoolVar(&o.json, "json", false, "print every single measurement as a JSON document")
	f.StringVar(&o.python, "python", o.python, "the Python that has the peers")
	f.BoolVar(&o.one, "one", false, "measure one learner on one data set in this process, and print a line of JSON")
	f.StringVar(&o.prepared, "prepared", "", "with -one: the folder of a data set that is laid out for both sides")
	f.IntVar(&o.columns, "columns", 0, "with -one: fit made rows of so many columns that no file has held")
	f.StringVar(&o.params, "params", o.params, "with -one: parameters of the learner, a JSON object")
	f.BoolVar(&o.answers, "answers", false, "with -one: measure single rows and batches too")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	if f.NArg() > 0 {
		return o, fmt.Errorf("%q is no flag: see -help", f.Arg(0))
	}
	return o, o.check()
}

// names returns a flag's function for words with commas between.
func names(into *[]string) func(string) error {
	return func(text string) error {
		*into = strings.Split(text, ",")
		if slices.Contains(*into, "") {
			return errors.New("a name is empty")
		}
		return nil
	}
}

func (o options) check() error {
	for _, name := range o.tables {
		if !slices.Contains([]string{"fits", "night", "scoring", "scaling"}, name) {
			return fmt.Errorf("there is no table %q: there are fits, night, scoring and scaling", name)
		}
	}
	for _, learner := range o.learners {
		if !slices.Contains(learn.Learners(), learner) {
			return fmt.Errorf("there is no learner %q: there are %s", learner, strings.Join(learn.Learners(), ", "))
		}
	}
	if o.rounds < 1 || o.reps < 1 || o.threads < 1 || o.rows < 0 {
		return errors.New("rounds, reps and threads begin at 1, rows at 0")
	}
	if o.one && len(o.learners) != 1 {
		return errors.New("-one measures one learner: name it with -learner")
	}
	if o.one && o.prepared == "" && o.columns == 0 && len(o.data) != 1 {
		return errors.New("-one measures one data set: name it with -data")
	}
	return nil
}

// measureOne measures the learner in this process.
func (o options) measureOne(ctx context.Context) (*measurement, error) {
	if o.columns > 0 {
		m := made{task: bakeoff.Binary, numbers: o.columns}
		return o.measure(ctx, m.set(max(o.rows, 1000)))
	}
	folder := o.prepared
	if folder == "" {
		scratch, err := os.MkdirTemp("", "peers-")
		if err != nil {
			return nil, err
		}
		defer func() { _ = os.RemoveAll(scratch) }() // a temporary folder
		if _, err := (sets{dir: o.dir, rows: o.rows}).prepare(ctx, o.data[0], scratch); err != nil {
			return nil, err
		}
		folder = scratch
	}
	s, err := readPrepared(ctx, folder)
	if err != nil {
		return nil, err
	}
	return o.measure(ctx, s)
}
