package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/learn"
	"github.com/bakeoffhq/bakeoff/internal/metric"
)

// measurement is what one process found, ours or a peer's: peer.py prints the same fields.
type measurement struct {
	Data        string  `json:"data"`
	Learner     string  `json:"learner"`
	TrainRows   int     `json:"train_rows"`
	HoldoutRows int     `json:"test_rows"`
	FitSeconds  float64 `json:"fit_s"`     // encode and fit, the median of the fits
	CPUSeconds  float64 `json:"fit_cpu_s"` // of the process in that fit
	Fits        int     `json:"reps"`
	// PeakMB is the most memory that the process had in RAM at the end of the first fit.
	PeakMB float64 `json:"peak_rss_mb"`
	// Allocated and Allocations are the bytes and the pieces of memory that the first fit asked for.
	Allocated   uint64             `json:"fit_alloc_bytes,omitempty"`
	Allocations uint64             `json:"fit_allocs,omitempty"`
	Bytes       int                `json:"model_bytes"`
	Digest      bakeoff.Digest     `json:"digest,omitempty"`
	Scores      map[string]float64 `json:"scores"`
	Answers     *answering         `json:"answers,omitempty"`
	Versions    map[string]string  `json:"versions,omitempty"`
}

// longFit is how many seconds a fit may take to be made again in the same process.
const longFit = 10

// measure fits the learner some times and scores the last model on the holdout.
func (o options) measure(ctx context.Context, s *set) (*measurement, error) {
	learner := o.learners[0]
	m := &measurement{
		Data: s.name, Learner: learner, TrainRows: s.train.Table.Rows, HoldoutRows: s.holdout.Table.Rows,
		Scores: map[string]float64{},
	}
	request := learn.Request{
		Learner: learner, Params: json.RawMessage(o.params), Table: s.train.Table, Schema: s.schema,
		Labels: s.train.Labels, Seed: 1, Threads: o.threads,
	}
	model, err := m.fit(ctx, request, o.reps)
	if err != nil {
		return nil, err
	}
	var file strings.Builder
	if err := model.Encode(&file); err != nil {
		return nil, err
	}
	m.Bytes, m.Digest = file.Len(), bakeoff.DigestOf([]byte(file.String()))
	answers, err := model.Predict(ctx, s.holdout.Table, o.threads)
	if err != nil {
		return nil, err
	}
	if o.answers {
		if m.Answers, err = measureAnswers(ctx, model, s.holdout.Table, o.threads); err != nil {
			return nil, err
		}
	}
	return m, m.score(s, answers)
}

// fit trains the model up to reps times, and returns the last one.
func (m *measurement) fit(ctx context.Context, request learn.Request, reps int) (*learn.Model, error) {
	var model *learn.Model
	var seconds, cpu []float64
	for len(seconds) < reps && (len(seconds) == 0 || seconds[0] < longFit) {
		before, begin, used := memory(), time.Now(), usage(syscall.RUSAGE_SELF)
		var err error
		if model, err = learn.Train(ctx, request); err != nil {
			return nil, err
		}
		seconds, cpu = append(seconds, time.Since(begin).Seconds()), append(cpu, usage(syscall.RUSAGE_SELF)-used)
		if m.PeakMB == 0 {
			m.PeakMB = peakMB()
			after := memory()
			m.Allocated, m.Allocations = after.TotalAlloc-before.TotalAlloc, after.Mallocs-before.Mallocs
		}
	}
	m.Fits, m.FitSeconds, m.CPUSeconds = len(seconds), median(seconds), median(cpu)
	return model, nil
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

// median returns the middle of the values; NaN is never among them.
func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

func memory() (s runtime.MemStats) {
	runtime.ReadMemStats(&s)
	return s
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
