package monitor

import (
	"context"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/bakeoffhq/bakeoff"
)

// askTimeout bounds what all questions of one scrape may take.
const askTimeout = 5 * time.Second

// Source answers what a node is asked at each scrape. A function that is nil is not asked; one
// that fails leaves its gauges out of the scrape, which is counted.
type Source struct {
	Upcoming    func(context.Context) ([]bakeoff.Upcoming, error) // the next tick of each schedule
	LastSuccess func(context.Context) (map[string]time.Time, error)
	OpenRuns    func(context.Context) (int, error)
	Queues      func(context.Context) ([]Queue, error)
	Workers     func(context.Context) ([]bakeoff.WorkerInfo, error)
	Models      func(context.Context) ([]Model, error)
	Owed        func(context.Context) (int, error) // notifications in the outbox
	Storage     func(context.Context) (int64, error)
}

// Queue is what waits for workers.
type Queue struct {
	Name   string
	Tasks  int           // waiting or being worked on
	Oldest time.Duration // how long the oldest of them has been there
}

// Model is the version that an alias of a pipeline's model stands for, and its metrics on the
// holdout of its run.
type Model struct {
	Pipeline string
	Alias    string
	Version  int
	Metrics  map[string]float64
}

// Watch has the gauges of a source answered at each scrape. It is called once.
func (m *Monitor) Watch(s Source) { m.registry.MustRegister(&gauges{source: s, failures: m.failures}) }

type gauges struct {
	source   Source
	failures *prometheus.CounterVec
}

func gauge(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("bakeoff_"+name, help, labels, nil)
}

var (
	nextTick    = gauge("schedule_next_timestamp_seconds", "When the schedule is due next.", "pipeline")
	lastSuccess = gauge("run_last_success_timestamp_seconds", "When a run last reached promoted or kept.", "pipeline")
	openRuns    = gauge("runs_open", "Runs without a verdict.")
	queued      = gauge("queue_messages", "Tasks that wait or are worked on.", "queue")
	queueAge    = gauge("queue_oldest_message_age_seconds", "Age of the oldest task.", "queue")
	workerUp    = gauge("worker_up", "1 for a worker that sends heartbeats and takes tasks.", "worker")
	inflight    = gauge("tasks_inflight", "Tasks that a worker is at.", "worker")
	slots       = gauge("worker_slots", "Tasks that a worker takes at once.", "worker")
	modelInfo   = gauge("model_info", "The version that an alias stands for; always 1.", "pipeline", "alias", "version")
	modelScore  = gauge("model_score", "A metric of that version on the holdout of its run.", "pipeline", "alias", "metric")
	owed        = gauge("notifications_owed", "Messages that a receiver has yet to get.")
	storage     = gauge("jetstream_storage_bytes", "What the store takes on the disk.")
)

// Describe implements prometheus.Collector.
func (g *gauges) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		nextTick, lastSuccess, openRuns, queued, queueAge, workerUp, inflight, slots, modelInfo, modelScore, owed, storage,
	} {
		to <- d
	}
}

// Collect implements prometheus.Collector.
func (g *gauges) Collect(to chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), askTimeout)
	defer cancel()
	set := func(d *prometheus.Desc, value float64, labels ...string) {
		metric, err := prometheus.NewConstMetric(d, prometheus.GaugeValue, value, labels...)
		if err != nil { // a worker on another machine has named itself with something that is no text
			g.failures.WithLabelValues("label").Inc()
			return
		}
		to <- metric
	}
	s := g.source
	ask(ctx, g, "upcoming", s.Upcoming, func(ticks []bakeoff.Upcoming) { setUpcoming(set, ticks) })
	ask(ctx, g, "last success", s.LastSuccess, func(at map[string]time.Time) {
		for pipeline, t := range at {
			set(lastSuccess, seconds(t), pipeline)
		}
	})
	ask(ctx, g, "open runs", s.OpenRuns, func(n int) { set(openRuns, float64(n)) })
	ask(ctx, g, "queues", s.Queues, func(queues []Queue) {
		for _, q := range queues {
			set(queued, float64(q.Tasks), q.Name)
			set(queueAge, q.Oldest.Seconds(), q.Name)
		}
	})
	ask(ctx, g, "workers", s.Workers, func(ws []bakeoff.WorkerInfo) { setWorkers(set, ws) })
	ask(ctx, g, "models", s.Models, func(ms []Model) { setModels(set, ms) })
	ask(ctx, g, "owed", s.Owed, func(n int) { set(owed, float64(n)) })
	ask(ctx, g, "storage", s.Storage, func(n int64) { set(storage, float64(n)) })
}

// setter gives a gauge its value.
type setter func(d *prometheus.Desc, value float64, labels ...string)

// ask asks one question and counts that it got no answer.
func ask[T any](ctx context.Context, g *gauges, of string, question func(context.Context) (T, error), use func(T)) {
	if question == nil {
		return
	}
	answer, err := question(ctx)
	if err != nil {
		g.failures.WithLabelValues(of).Inc()
		return
	}
	use(answer)
}

// setUpcoming takes the earliest tick of each pipeline: a series may be set once a scrape.
func setUpcoming(set setter, ticks []bakeoff.Upcoming) {
	first := map[string]time.Time{}
	for _, t := range ticks {
		if at, ok := first[t.Pipeline]; !ok || t.Time.Before(at) {
			first[t.Pipeline] = t.Time
		}
	}
	for pipeline, at := range first {
		set(nextTick, seconds(at), pipeline)
	}
}

func setWorkers(set setter, workers []bakeoff.WorkerInfo) {
	known := map[string]bool{}
	for _, w := range workers {
		if known[w.Name] {
			continue
		}
		known[w.Name] = true
		up := 0.0
		if w.State == bakeoff.WorkerUp {
			up = 1
		}
		set(workerUp, up, w.Name)
		set(inflight, float64(len(w.Work)), w.Name)
		set(slots, float64(w.Slots), w.Name)
	}
}

func setModels(set setter, models []Model) {
	for _, m := range models {
		set(modelInfo, 1, m.Pipeline, m.Alias, strconv.Itoa(m.Version))
		for metric, value := range m.Metrics {
			set(modelScore, value, m.Pipeline, m.Alias, metric)
		}
	}
}

func seconds(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }
