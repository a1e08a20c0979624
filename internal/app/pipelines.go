package app

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/cron"
	"github.com/bakeoffhq/bakeoff/internal/dispatch"
	"github.com/bakeoffhq/bakeoff/internal/schedule"
	"github.com/bakeoffhq/bakeoff/internal/spec"
)

// LoadPipeline reads a pipeline file, as it is kept and as it is understood.
func LoadPipeline(path string, lookup func(string) (string, bool)) (bakeoff.PipelineFile, *bakeoff.Pipeline, error) {
	p, err := spec.Load(path, spec.Options{LookupEnv: lookup})
	if err != nil {
		return bakeoff.PipelineFile{}, nil, err
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return bakeoff.PipelineFile{}, nil, fmt.Errorf("read %s: %w", path, err)
	}
	absolute, err := filepath.Abs(path)
	if err != nil {
		return bakeoff.PipelineFile{}, nil, fmt.Errorf("resolve %s: %w", path, err)
	}
	if bakeoff.DigestOf(text) != p.Revision {
		return bakeoff.PipelineFile{}, nil, bakeoff.Errorf(bakeoff.CodeConflict, "%s was changed while it was read", path).WithHint("try again")
	}
	file := bakeoff.PipelineFile{
		Name: p.Name, Revision: p.Revision, Path: absolute, Text: string(text), Applied: time.Now().UTC(),
	}
	return file.As(p), p, nil
}

// Pipeline returns a kept revision of a pipeline, with the variables of today: the text is kept as
// written, with the names of variables and not their values.
func (n *Node) Pipeline(ctx context.Context, name string, revision bakeoff.Digest) (*bakeoff.Pipeline, error) {
	file, err := n.store.Pipeline(ctx, name, revision)
	if err != nil {
		return nil, err
	}
	p, err := n.parse(file)
	if err != nil {
		return nil, fmt.Errorf("read pipeline %s again: %w", name, err)
	}
	return p, nil
}

// parse reads a kept file.
func (n *Node) parse(file bakeoff.PipelineFile) (*bakeoff.Pipeline, error) {
	return spec.Parse(filepath.Base(file.Path), filepath.Dir(file.Path), []byte(file.Text), spec.Options{LookupEnv: n.config.LookupEnv})
}

// apply keeps a revision of a pipeline file that this node was given, and has its schedule followed.
func (n *Node) apply(ctx context.Context, file bakeoff.PipelineFile, p *bakeoff.Pipeline) error {
	n.follow(file.Name, file.Path)
	return n.takeIn(ctx, file, p)
}

// takeIn keeps a revision of a pipeline file. Its schedule is followed if this node was given the file.
func (n *Node) takeIn(ctx context.Context, file bakeoff.PipelineFile, p *bakeoff.Pipeline) error {
	if err := n.keepFile(ctx, file); err != nil || n.follows(file.Name) != file.Path {
		return err
	}
	n.know(p)
	return n.scheduler.Set(schedule.Entry{Name: file.Name, Revision: file.Revision, Schedule: p.Schedule})
}

// keepFile keeps a revision. One that is kept already is not written again.
func (n *Node) keepFile(ctx context.Context, file bakeoff.PipelineFile) error {
	kept, err := n.store.Pipeline(ctx, file.Name, "")
	if err != nil && bakeoff.CodeOf(err) != bakeoff.CodeNotFound {
		return err
	}
	if err != nil || kept.Revision != file.Revision || kept.Path != file.Path {
		return n.store.PutPipeline(ctx, file)
	}
	return nil
}

func (n *Node) receivers(ctx context.Context, pipeline string, revision bakeoff.Digest) ([]bakeoff.Receiver, error) {
	p, err := n.Pipeline(ctx, pipeline, revision)
	if err != nil {
		return nil, err
	}
	return p.Notify, nil
}

// zone returns the zone of a pipeline's schedule, UTC where it has none that can be read.
func (n *Node) zone(ctx context.Context, pipeline string, revision bakeoff.Digest) *time.Location {
	p, err := n.Pipeline(ctx, pipeline, revision)
	if err != nil || p.Schedule == nil {
		return time.UTC
	}
	s, err := cron.Parse(*p.Schedule)
	if err != nil {
		return time.UTC
	}
	return s.Location()
}

func (n *Node) hooks(ctx context.Context, pipeline string, revision bakeoff.Digest) (string, []bakeoff.Hook, error) {
	p, err := n.Pipeline(ctx, pipeline, revision)
	if err != nil {
		return "", nil, err
	}
	return p.Dir, p.Deploy, nil
}

// dueRuns makes runs of ticks.
type dueRuns struct{ *Node }

// Open implements schedule.Runs.
func (d dueRuns) Open(ctx context.Context, pipeline string) (string, error) {
	select {
	case <-d.dispatcher.Ready():
	case <-ctx.Done():
		return "", ctx.Err()
	}
	open := d.dispatcher.Open(pipeline)
	if len(open) == 0 {
		return "", nil
	}
	return open[len(open)-1], nil
}

// Start implements schedule.Runs. The run's ID follows from the tick, so that there is one however
// often it is asked for.
func (d dueRuns) Start(ctx context.Context, e schedule.Entry, tick, deadline time.Time) (string, error) {
	p, err := d.Pipeline(ctx, e.Name, e.Revision)
	if err != nil {
		return "", err
	}
	start := dispatch.Start{Trigger: bakeoff.TriggerSchedule, Tick: tick.UTC(), Deadline: deadline}
	run := dispatch.NewRun(schedule.RunID(e.Name, tick), p, start, time.Now().UTC())
	return run.ID, d.submit(ctx, run)
}

// Cancel implements schedule.Runs.
func (d dueRuns) Cancel(ctx context.Context, run, reason string) error {
	return d.dispatcher.Cancel(ctx, run, reason)
}

// notes are what is wrong with pipeline files that cannot be applied, and with the store, by path.
type notes struct {
	mu  sync.Mutex
	all map[string]string
}

// note remembers what is wrong with a file, nothing for nil.
func (n *notes) note(path string, err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if err == nil {
		delete(n.all, path)
		return
	}
	n.keep(path, "not applied: "+err.Error())
}

// remark remembers something else that a person should see to.
func (n *notes) remark(about, text string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.keep(about, text)
}

// keep remembers a sentence. The caller holds mu.
func (n *notes) keep(about, text string) {
	if n.all == nil {
		n.all = map[string]string{}
	}
	n.all[about] = text
}

// noted returns what is wrong, by path.
func (n *notes) noted() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	var all []string
	for _, path := range slices.Sorted(maps.Keys(n.all)) {
		all = append(all, n.all[path])
	}
	return all
}
