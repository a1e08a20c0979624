package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/learn"
	"github.com/bakeoffhq/bakeoff/internal/metric"
)

// measurement is what one process found.
type measurement struct {
	Data        string  `json:"data"`
	Learner     string  `json:"learner"`
	TrainRows   int     `json:"train_rows"`
	HoldoutRows int     `json:"test_rows"`
	FitSeconds  float64 `json:"fit_s"`     // encode and fit, the median of the fits
	CPUSeconds  float64 `json:"fit_cpu_s"` // of the process in that fit
	Fits        int     `json:"reps"`
	// PeakMB is the most memory that the process had in RAM at the end of the first fit.
	PeakMB float64            `json:"peak_rss_mb"`
	Bytes  int                `json:"model_bytes"`
	Digest bakeoff.Digest     `json:"digest"`
	Scores map[string]float64 `json:"scores"`
}

func (o options) run(ctx context.Context, out io.Writer) error {
	if !o.one {
		return errors.New("nothing to do: see -help")
	}
	s, err := readSet(ctx, o.dir, o.data)
	if err != nil {
		return err
	}
	m, err := o.measure(ctx, s)
	if err != nil {
		return err
	}
	return json.NewEncoder(out).Encode(m)
}

// measure fits the learner some times and scores the last model on the holdout.
func (o options) measure(ctx context.Context, s *set) (*measurement, error) {
	m := &measurement{
		Data: o.data, Learner: o.learner, TrainRows: s.train.Table.Rows, HoldoutRows: s.holdout.Table.Rows,
		Fits: max(1, o.reps), Scores: map[string]float64{},
	}
	request := learn.Request{
		Learner: o.learner, Params: json.RawMessage(o.params), Table: s.train.Table, Schema: s.schema,
		Labels: s.train.Labels, Seed: 1, Threads: o.threads,
	}
	var model *learn.Model
	var seconds, cpu []float64
	for range m.Fits {
		begin, used := time.Now(), processTime()
		var err error
		if model, err = learn.Train(ctx, request); err != nil {
			return nil, err
		}
		seconds, cpu = append(seconds, time.Since(begin).Seconds()), append(cpu, processTime()-used)
		if m.PeakMB == 0 {
			m.PeakMB = peakMB()
		}
	}
	slices.Sort(seconds)
	slices.Sort(cpu)
	m.FitSeconds, m.CPUSeconds = seconds[len(seconds)/2], cpu[len(cpu)/2]
	var file strings.Builder
	if err := model.Encode(&file); err != nil {
		return nil, err
	}
	m.Bytes, m.Digest = file.Len(), bakeoff.DigestOf([]byte(file.String()))
	answers, err := model.Predict(ctx, s.holdout.Table, o.threads)
	if err != nil {
		return nil, err
	}
	return m, m.score(s, answers)
}

// score fills in every measure of the task.
func (m *measurement) score(s *set, answers *bakeoff.Predictions) error {
	for _, name := range metric.NamesFor(s.schema.Task) {
		measure, _ := metric.Lookup(name)
		evidence, faults := metric.WeighAll([]metric.Metric{measure}, s.holdout.Labels, answers)
		if faults[0] != nil {
			continue // a measure that these rows cannot have
		}
		m.Scores[name] = evidence[0].Value()
	}
	if len(m.Scores) == 0 {
		return fmt.Errorf("no measure of %s can be taken", m.Data)
	}
	return nil
}

// processTime returns the seconds of processor time that this process has used.
func processTime() float64 {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()).Seconds()
}

// peakMB returns the most memory that this process has had in RAM, in units of 2^20 bytes; 0 where
// the system does not tell.
func peakMB() float64 {
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		var kilobytes float64
		if n, _ := fmt.Sscanf(line, "VmHWM: %f kB", &kilobytes); n == 1 {
			return kilobytes / 1024
		}
	}
	return 0
}
