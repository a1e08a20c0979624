// Command peers measures the built-in learners on data sets whose held-out rows are written down, so
// that what others make of the same rows can stand beside it.
//
//	go run ./internal/learn/peers -one -dir FOLDER -data adult -learner gradient_boosting
//
// FOLDER has datasets.json, the files that it names, and splits/NAME.seed0.test.txt with the numbers of
// the held-out rows, from 0 without the header.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
)

func main() {
	o := options{reps: 3, threads: 2, params: "{}"}
	flag.BoolVar(&o.one, "one", false, "measure one learner on one data set in this process, and print a line of JSON")
	flag.StringVar(&o.dir, "dir", "", "the folder with datasets.json")
	flag.StringVar(&o.data, "data", "", "name of the data set")
	flag.StringVar(&o.learner, "learner", "", "name of the built-in learner")
	flag.StringVar(&o.params, "params", o.params, "its parameters, a JSON object")
	flag.IntVar(&o.reps, "reps", o.reps, "fits; the median counts")
	flag.IntVar(&o.threads, "threads", o.threads, "threads of a fit")
	flag.Parse()
	if err := o.run(context.Background(), os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "peers:", err)
		os.Exit(1)
	}
}

// options are what a person may choose.
type options struct {
	one                        bool
	dir, data, learner, params string
	reps, threads              int
}
