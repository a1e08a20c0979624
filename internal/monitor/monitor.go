// Package monitor turns what happens in a node, and what a node is asked at each scrape, into
// metrics for Prometheus.
package monitor

import (
	"net/http"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/bakeoffhq/bakeoff"
)

const (
	// scrapesAtOnce bounds how many scrapes are answered at the same time.
	scrapesAtOnce = 3

	// keptVersions is how many versions of a model have series of their own, the newest.
	keptVersions = 8
)

// The upper bounds of the histograms' buckets, in seconds.
var (
	workBuckets    = []float64{0.1, 0.5, 1, 5, 15, 60, 300, 900, 1800, 3600, 7200, 14400}
	predictBuckets = []float64{0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5}
)

// Monitor counts. Its methods may be called from several goroutines, and cost about a microsecond.
//
// A label takes only names that are declared or few: pipelines, candidates, models, queues. No run
// and no client has a series of its own.
type Monitor struct {
	registry *prometheus.Registry

	runs        *prometheus.CounterVec   // pipeline, verdict
	late        *prometheus.CounterVec   // pipeline
	runTime     *prometheus.HistogramVec // pipeline
	trials      *prometheus.CounterVec   // pipeline, candidate, state
	trainTime   *prometheus.HistogramVec // pipeline, candidate
	redelivered *prometheus.CounterVec   // queue
	requests    *prometheus.CounterVec   // model, version, code
	predictTime *prometheus.HistogramVec // model
	rows        *prometheus.CounterVec   // model
	notified    *prometheus.CounterVec   // result
	hooks       *prometheus.CounterVec   // kind, result
	missed      *prometheus.CounterVec   // pipeline
	skipped     *prometheus.CounterVec   // pipeline
	failures    *prometheus.CounterVec   // of

	// mu is held for reading while a request is counted, so that no series comes back that was dropped.
	mu       sync.RWMutex
	versions map[string][]int // by model, ascending: those that have series of their own
}

// New returns a monitor of a node that runs this version of the program.
func New(version string) *Monitor {
	m := &Monitor{registry: prometheus.NewRegistry(), versions: map[string][]int{}}
	m.runs = m.counter("runs_total", "Runs that ended, by verdict: promoted, kept or failed.", "pipeline", "verdict")
	m.late = m.counter("runs_late_total", "Runs whose deadline passed before their trials had ended.", "pipeline")
	m.runTime = m.histogram("run_duration_seconds", "From a run's request to its verdict.", workBuckets, "pipeline")
	m.trials = m.counter("trials_total", "Trials that ended, by state: built or failed.", "pipeline", "candidate", "state")
	m.trainTime = m.histogram("train_duration_seconds", "The attempt that ended a trial.", workBuckets, "pipeline", "candidate")
	m.redelivered = m.counter("task_redeliveries_total", "Tasks that were handed out again, since their worker was lost or gave them back.", "queue")
	m.requests = m.counter("predict_requests_total", "Prediction requests, by the version that answered and the HTTP status.", "model", "version", "code")
	m.predictTime = m.histogram("predict_duration_seconds", "From a prediction request to its answer.", predictBuckets, "model")
	m.rows = m.counter("predict_rows_total", "Rows that were predicted.", "model")
	m.notified = m.counter("notifications_total", "Tries to deliver a message, by result: sent, refused or retrying.", "result")
	m.hooks = m.counter("deploy_hooks_total", "Tries of deploy hooks, by result: sent, refused or retrying.", "kind", "result")
	m.missed = m.counter("schedule_missed_total", "Ticks that have no run because nobody looked in time.", "pipeline")
	m.skipped = m.counter("schedule_skipped_total", "Ticks that have no run because the schedule was paused or a run was open.", "pipeline")
	m.failures = m.counter("gauge_failures_total", "Questions of a scrape that got no answer, so that their gauges are missing from it.", "of")
	m.registry.MustRegister(
		buildInfo(version), collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	return m
}

func (m *Monitor) counter(name, help string, labels ...string) *prometheus.CounterVec {
	v := prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "bakeoff", Name: name, Help: help}, labels)
	m.registry.MustRegister(v)
	return v
}

func (m *Monitor) histogram(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
	v := prometheus.NewHistogramVec(prometheus.HistogramOpts{Namespace: "bakeoff", Name: name, Help: help, Buckets: buckets}, labels)
	m.registry.MustRegister(v)
	return v
}

func buildInfo(version string) prometheus.Collector {
	revision := "unknown"
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				revision = s.Value
			}
		}
	}
	g := prometheus.NewGauge(prometheus.GaugeOpts{
		Namespace: "bakeoff", Name: "build_info", Help: "The program that runs here; always 1.",
		ConstLabels: prometheus.Labels{"version": version, "revision": revision, "goversion": runtime.Version()},
	})
	g.Set(1)
	return g
}

// Know has the counters of a pipeline start at 0, with those of its candidates and of the queues that
// they are built on. A series that begins with 1 has not increased: no alert would see the first failure.
func (m *Monitor) Know(pipeline string, candidates, queues []string) {
	for _, verdict := range []bakeoff.Verdict{bakeoff.Promoted, bakeoff.Kept, bakeoff.Failed} {
		m.runs.WithLabelValues(pipeline, string(verdict))
	}
	for _, counter := range []*prometheus.CounterVec{m.late, m.missed, m.skipped} {
		counter.WithLabelValues(pipeline)
	}
	for _, candidate := range candidates {
		for _, state := range []bakeoff.TrialState{bakeoff.TrialBuilt, bakeoff.TrialFailed} {
			m.trials.WithLabelValues(pipeline, candidate, string(state))
		}
	}
	for _, queue := range queues {
		m.redelivered.WithLabelValues(queue)
	}
	for _, result := range []string{bakeoff.DeliverySent, bakeoff.DeliveryRefused, bakeoff.DeliveryRetrying} {
		m.notified.WithLabelValues(result)
		for _, kind := range []string{"webhook", "command", "copy"} {
			m.hooks.WithLabelValues(kind, result)
		}
	}
}

// Handler answers scrapes.
func (m *Monitor) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{
		ErrorHandling: promhttp.ContinueOnError, MaxRequestsInFlight: scrapesAtOnce, Registry: m.registry,
	})
}

// RunEnded counts a run whose verdict has just been written.
func (m *Monitor) RunEnded(r bakeoff.Report) {
	m.runs.WithLabelValues(r.Pipeline, string(r.Verdict)).Inc()
	m.runTime.WithLabelValues(r.Pipeline).Observe(r.Seconds)
	if r.Late {
		m.late.WithLabelValues(r.Pipeline).Inc()
	}
}

// TrialEnded counts a trial that is built or has failed for good.
func (m *Monitor) TrialEnded(pipeline string, t bakeoff.Trial) {
	m.trials.WithLabelValues(pipeline, t.Candidate, string(t.State)).Inc()
	m.trainTime.WithLabelValues(pipeline, t.Candidate).Observe(t.Seconds)
}

// TaskRedelivered counts a task that was handed out once more.
func (m *Monitor) TaskRedelivered(queue string) { m.redelivered.WithLabelValues(queue).Inc() }

// Predicted counts a prediction request for a model that exists: what a client may invent must not
// become a label, so it is "" and version 0 for a request of an unknown one. code is the answer's
// HTTP status.
func (m *Monitor) Predicted(model string, version, code, rows int, took time.Duration) {
	m.notice(model, version)
	m.mu.RLock()
	defer m.mu.RUnlock()
	number := ""
	if slices.Contains(m.versions[model], version) {
		number = strconv.Itoa(version)
	}
	m.requests.WithLabelValues(model, number, strconv.Itoa(code)).Inc()
	m.predictTime.WithLabelValues(model).Observe(took.Seconds())
	m.rows.WithLabelValues(model).Add(float64(rows))
}

// notice drops the series of an old version when a newer one begins to answer: a model that is
// promoted every night would otherwise have a series for each of its nights. A version older than
// all that have series is counted without its number.
func (m *Monitor) notice(model string, version int) {
	m.mu.RLock()
	known := m.versions[model]
	news := version > 0 && !slices.Contains(known, version) && (len(known) < keptVersions || version > known[0])
	m.mu.RUnlock()
	if !news {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if slices.Contains(m.versions[model], version) { // somebody else was faster
		return
	}
	versions := append(slices.Clone(m.versions[model]), version)
	slices.Sort(versions)
	for len(versions) > keptVersions {
		m.requests.DeletePartialMatch(prometheus.Labels{"model": model, "version": strconv.Itoa(versions[0])})
		versions = versions[1:]
	}
	m.versions[model] = versions
}

// Notified counts a try to deliver a message; state is that of its Delivery.
func (m *Monitor) Notified(state string) { m.notified.WithLabelValues(state).Inc() }

// HookDone counts a try of a deploy hook: webhook, command or copy. state is that of its outcome.
func (m *Monitor) HookDone(kind, state string) { m.hooks.WithLabelValues(kind, state).Inc() }

// TickDecided counts ticks that have no run.
func (m *Monitor) TickDecided(t bakeoff.Tick) {
	switch t.State {
	case bakeoff.TickMissed:
		m.missed.WithLabelValues(t.Pipeline).Add(float64(max(t.Count, 1)))
	case bakeoff.TickSkipped:
		m.skipped.WithLabelValues(t.Pipeline).Add(float64(max(t.Count, 1)))
	}
}
