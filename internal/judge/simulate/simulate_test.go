package main

import (
	"io"
	"math"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A few nights keep the promises that many prove (go run ./internal/judge/simulate).
func TestPromisesOfAFewNights(t *testing.T) {
	var text strings.Builder
	if err := defaults().quick().run(&text, io.Discard); err != nil {
		t.Errorf("%v\n%s", err, text.String())
	}
	for _, metric := range []string{"accuracy", "roc_auc", "log_loss", "rmse", "average_precision", "f1", "brier", "mae", "balanced_accuracy"} {
		if !strings.Contains(text.String(), "\n| "+metric+" |") {
			t.Errorf("no row of %s:\n%s", metric, text.String())
		}
	}
}

func TestTablesDependOnTheSeedAlone(t *testing.T) {
	before := runtime.GOMAXPROCS(0)
	defer runtime.GOMAXPROCS(before)
	o := defaults().quick()
	o.nights, o.slack, o.tables = 12, 100, []string{"promotions", "coverage"}
	var got []string
	for _, threads := range []int{1, 2, 7} {
		runtime.GOMAXPROCS(threads)
		var text strings.Builder
		if err := o.run(&text, io.Discard); err != nil {
			t.Fatal(err)
		}
		got = append(got, text.String())
	}
	if got[0] != got[1] || got[0] != got[2] {
		t.Errorf("with 1, 2 and 7 threads:\n%s\n%s\n%s", got[0], got[1], got[2])
	}
}

// What is called the truth is what very many rows show.
func TestTruthIsTheValueOfManyRows(t *testing.T) {
	const rows = 200_000
	contestants := []classifier{honest(1.5), {skill: 1.2, spread: 1.6, certainty: 1.4, lean: 0.5}}
	y, answers := classNight(rand.New(rand.NewPCG(1, 2)), rows, 0.7, contestants)
	metrics := lookup("accuracy", "average_precision", "balanced_accuracy", "brier", "f1", "log_loss", "mcc", "precision", "recall", "roc_auc")
	for i, evidence := range weigh(metrics, y, answers) {
		for j, e := range evidence {
			if want := contestants[j].truth(metrics[i].Name()); math.Abs(e.Value()-want) > 0.015*want {
				t.Errorf("%s of contestant %d: %.4f, in truth %.4f", metrics[i].Name(), j, e.Value(), want)
			}
		}
	}
	errors := []regressor{{size: 1, uneven: 0.5}, {size: 0.7, uneven: 0.3}}
	y, answers = numberNight(rand.New(rand.NewPCG(3, 4)), rows, 0.7, errors)
	metrics = lookup("rmse", "mae", "r2")
	for i, evidence := range weigh(metrics, y, answers) {
		for j, e := range evidence {
			if want := errors[j].truth(metrics[i].Name()); math.Abs(e.Value()-want) > 0.02*want {
				t.Errorf("%s of contestant %d: %.4f, in truth %.4f", metrics[i].Name(), j, e.Value(), want)
			}
		}
	}
}

func TestBetterIsBetterByThatMuch(t *testing.T) {
	for _, m := range lookup("accuracy", "roc_auc", "log_loss") {
		if got := classes.gain(m, classes.better(m, 0.01)); math.Abs(got-0.01) > 1e-6 {
			t.Errorf("%s: %v", m.Name(), got)
		}
	}
	for _, m := range lookup("rmse", "mae", "r2") {
		if got := numbers.gain(m, numbers.better(m, 0.02)); math.Abs(got-0.02) > 1e-6 {
			t.Errorf("%s: %v", m.Name(), got)
		}
	}
}

func TestOptionsThatMakeNoSense(t *testing.T) {
	for _, change := range []func(*options){
		func(o *options) { o.tables = []string{"power", "powers"} },
		func(o *options) { o.nights = 0 },
	} {
		o := defaults().quick()
		change(&o)
		var text strings.Builder
		if err := o.run(&text, io.Discard); err == nil || text.Len() > 0 {
			t.Errorf("%+v: %v\n%s", o, err, text.String())
		}
	}
}

func TestFlagsOfWholeNumbers(t *testing.T) {
	var rows []int
	if err := wholes(&rows)("500,20"); err != nil || len(rows) != 2 || rows[1] != 20 {
		t.Errorf("%v, %v", rows, err)
	}
	for _, text := range []string{"", "0", "3,-1", "x", "1.5"} {
		if err := wholes(&rows)(text); err == nil {
			t.Errorf("%q is taken for %v", text, rows)
		}
	}
}
