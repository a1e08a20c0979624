package app

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/client"
	"github.com/bakeoffhq/bakeoff/internal/api"
	"github.com/bakeoffhq/bakeoff/internal/cron"
	"github.com/bakeoffhq/bakeoff/internal/registry"
)

// face is a node as its API shows it.
type face struct{ *Node }

var _ api.Node = face{}

// pipelineNames returns the pipelines that the store has, by name.
func (f face) pipelineNames(ctx context.Context) ([]string, error) {
	files, err := f.store.Pipelines(ctx)
	names := make([]string, len(files))
	for i, file := range files {
		names[i] = file.Name
	}
	return names, err
}

// known refuses a pipeline that the store does not have, or not any more.
func (f face) known(ctx context.Context, name string) (bakeoff.PipelineFile, error) {
	file, err := f.recorded(ctx, name)
	if err == nil && file.Removed != nil {
		return file, file.Removed.Refusal(name)
	}
	return file, err
}

// recorded is known for what may be asked of a pipeline that was removed too: it refuses one that the
// store never had, and says which was probably meant.
func (f face) recorded(ctx context.Context, name string) (bakeoff.PipelineFile, error) {
	file, err := f.store.LastPipeline(ctx, name)
	if bakeoff.CodeOf(err) != bakeoff.CodeNotFound {
		return file, err
	}
	names, err := f.pipelineNames(ctx)
	if err != nil {
		return file, err
	}
	e := bakeoff.Errorf(bakeoff.CodeNotFound, "there is no pipeline %q", name)
	if near := bakeoff.Nearest(name, names); near != "" {
		e = e.WithHint("did you mean %s?", near)
	}
	return file, e
}

// Pipelines implements api.Pipelines.
func (f face) Pipelines(ctx context.Context) ([]client.Pipeline, error) {
	files, err := f.store.Pipelines(ctx)
	if err != nil {
		return nil, err
	}
	open, err := f.openOf(ctx)
	if err != nil {
		return nil, err
	}
	all := make([]client.Pipeline, len(files))
	for i, file := range files {
		if all[i], err = f.describe(ctx, file, open); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// Pipeline implements api.Pipelines.
func (f face) Pipeline(ctx context.Context, name string) (client.Pipeline, error) {
	file, err := f.recorded(ctx, name)
	if err != nil {
		return client.Pipeline{}, err
	}
	open, err := f.openOf(ctx)
	if err != nil {
		return client.Pipeline{}, err
	}
	return f.describe(ctx, file, open)
}

// describe is a kept file as the API shows it; open names the open runs of a pipeline.
func (f face) describe(ctx context.Context, file bakeoff.PipelineFile, open func(pipeline string) []string) (client.Pipeline, error) {
	p := client.Pipeline{Name: file.Name, Path: file.Path, Revision: file.Revision, Applied: file.Applied, Removed: file.Removed}
	if schedule, entry, err := f.scheduleOf(file); err == nil && schedule != nil && file.Removed == nil {
		p.Schedule = inWords(schedule, entry)
		if next := f.ticksOf(file.Name, schedule, 1); len(next) > 0 {
			p.Next = &next[0]
		}
	}
	pause, err := f.store.Pause(ctx, file.Name)
	if err != nil {
		return p, err
	}
	p.Paused = pause
	model, _, err := f.store.Model(ctx, file.Name)
	if err != nil {
		return p, err
	}
	p.Held, p.Pending = model.Hold, model.Pending
	if p.Champion, err = f.championOf(ctx, model); err != nil {
		return p, err
	}
	p.Open = open(file.Name)
	last, err := f.last(ctx, file.Name)
	p.Last = last
	return p, err
}

// championOf names the champion of a model, nil for none.
func (f face) championOf(ctx context.Context, m bakeoff.Model) (*bakeoff.ChampionRef, error) {
	if m.Champion() == 0 {
		return nil, nil
	}
	v, err := f.store.Version(ctx, m.Name, m.Champion())
	if err != nil {
		return nil, err
	}
	return &bakeoff.ChampionRef{Model: v.Model, Version: v.Version, Candidate: v.Candidate, Artifact: v.Artifact}, nil
}

// last says how the pipeline's last run ended, nil for none.
func (f face) last(ctx context.Context, name string) (*client.LastVerdict, error) {
	r, err := f.store.LastVerdict(ctx, name)
	if err != nil || r == nil {
		return nil, err
	}
	return &client.LastVerdict{Run: r.Run, Verdict: r.Verdict, Reason: r.Reason, Ended: r.Ended}, nil
}

// scheduleOf reads the schedule of a kept file, nil where it has none.
func (f face) scheduleOf(file bakeoff.PipelineFile) (*cron.Schedule, *bakeoff.Schedule, error) {
	p, err := f.parse(file)
	if err != nil || p.Schedule == nil {
		return nil, nil, err
	}
	s, err := cron.Parse(*p.Schedule)
	return s, p.Schedule, err
}

// inWords is a schedule as a person reads it, with its zone.
func inWords(s *cron.Schedule, entry *bakeoff.Schedule) string {
	text := entry.Cron
	if f := entry.Fields; f != nil {
		text = fieldsInWords(*f)
	}
	text += " (" + s.ZoneName() + ")"
	if more := s.Describe(); more != "" {
		text += ", " + more
	}
	return text
}

// fieldsInWords names the fields that are given.
func fieldsInWords(f bakeoff.CronFields) string {
	var parts []string
	for _, one := range []struct{ name, value string }{
		{"minute", f.Minute}, {"hour", f.Hour}, {"day_of_week", f.DayOfWeek}, {"day_of_month", f.DayOfMonth}, {"month_of_year", f.MonthOfYear},
	} {
		if one.value != "" {
			parts = append(parts, one.name+" "+one.value)
		}
	}
	return strings.Join(parts, ", ")
}

// Apply implements api.Pipelines.
func (f face) Apply(ctx context.Context, name string, file client.PipelineText, by string) (client.Pipeline, error) {
	kept := bakeoff.PipelineFile{Name: name, Path: file.Path, Text: file.Text, Revision: bakeoff.DigestOf([]byte(file.Text)), Applied: time.Now().UTC()}
	p, err := f.parse(kept)
	if err != nil {
		return client.Pipeline{}, err
	}
	if p.Name != name {
		return client.Pipeline{}, bakeoff.Errorf(bakeoff.CodeInvalid, "%s is the file of pipeline %s, not of %s", file.Path, p.Name, name)
	}
	if err := f.takeIn(ctx, kept.As(p), p); err != nil {
		return client.Pipeline{}, err
	}
	f.config.Log.Info("pipeline applied", "pipeline", name, "revision", kept.Revision.Short(), "by", by)
	return f.Pipeline(ctx, name)
}

// Upcoming implements api.Pipelines.
func (f face) Upcoming(ctx context.Context, pipeline string, n int) ([]bakeoff.Upcoming, error) {
	var files []bakeoff.PipelineFile
	if pipeline != "" {
		file, err := f.known(ctx, pipeline)
		if err != nil {
			return nil, err
		}
		files = []bakeoff.PipelineFile{file}
	} else {
		var err error
		if files, err = f.store.Pipelines(ctx); err != nil {
			return nil, err
		}
	}
	var all []bakeoff.Upcoming
	for _, file := range files {
		s, _, err := f.scheduleOf(file)
		if err != nil && pipeline != "" {
			return nil, err
		}
		if s == nil {
			continue
		}
		next := f.ticksOf(file.Name, s, n)
		if err := f.notePause(ctx, file.Name, next); err != nil {
			return nil, err
		}
		all = append(all, next...)
	}
	slices.SortStableFunc(all, func(a, b bakeoff.Upcoming) int { return a.Time.Compare(b.Time) })
	return all[:min(n, len(all))], nil
}

// ticksOf returns the next ticks of a pipeline: with a node that stays up those that it waits for,
// none where it was not given the pipeline's file, or no longer has it.
func (f face) ticksOf(name string, s *cron.Schedule, n int) []bakeoff.Upcoming {
	if f.at.Load() != nil {
		return f.scheduler.Upcoming(name, n)
	}
	return s.Upcoming(name, time.Now(), n)
}

// notePause notes of the ticks of a paused pipeline that they will have no run.
func (f face) notePause(ctx context.Context, name string, ticks []bakeoff.Upcoming) error {
	pause, err := f.store.Pause(ctx, name)
	if err != nil || pause == nil {
		return err
	}
	for i, u := range ticks {
		ticks[i].Note = "paused: no run"
		if u.Note != "" {
			ticks[i].Note += "; " + u.Note
		}
	}
	return nil
}

// Ticks implements api.Pipelines.
func (f face) Ticks(ctx context.Context, pipeline string, limit int) ([]bakeoff.Tick, error) {
	if _, err := f.recorded(ctx, pipeline); err != nil {
		return nil, err
	}
	return f.store.Ticks(ctx, pipeline, limit)
}

// Pause implements api.Pipelines.
func (f face) Pause(ctx context.Context, pipeline string, a api.Act) (bakeoff.Pause, error) {
	if _, err := f.known(ctx, pipeline); err != nil {
		return bakeoff.Pause{}, err
	}
	pause := bakeoff.Pause{Pipeline: pipeline, By: a.By, Why: a.Why, Since: time.Now().UTC()}
	standing, err := f.scheduler.Pause(ctx, pause)
	if err != nil || !standing.Since.Equal(pause.Since) { // it was paused before
		return standing, err
	}
	return standing, f.registry.Record(ctx, bakeoff.ActPause, registry.Act{Model: pipeline, By: a.By, Why: a.Why})
}

// Resume implements api.Pipelines.
func (f face) Resume(ctx context.Context, pipeline string, a api.Act) (client.Resumed, error) {
	resumed := client.Resumed{Pipeline: pipeline}
	if _, err := f.known(ctx, pipeline); err != nil {
		return resumed, err
	}
	pause, err := f.store.Pause(ctx, pipeline)
	if err != nil {
		return resumed, err
	}
	if pause != nil {
		if _, err := f.scheduler.Resume(ctx, pipeline); err != nil {
			return resumed, err
		}
		resumed.Pause = pause
	}
	model, _, err := f.store.Model(ctx, pipeline)
	if err != nil {
		return resumed, err
	}
	hold := model.Hold
	act := registry.Act{Model: pipeline, By: a.By, Why: a.Why}
	held, err := f.registry.Resume(ctx, act)
	if held {
		resumed.Hold = hold
	} else if err == nil && pause != nil { // a hold that is lifted is recorded with that
		err = f.registry.Record(ctx, bakeoff.ActResume, act)
	}
	return resumed, err
}

// stopped are the pauses and holds that persons have made, in sentences.
func (f face) stopped(ctx context.Context) ([]string, error) {
	pipelines, err := f.Pipelines(ctx)
	var all []string
	for _, p := range pipelines {
		if s := p.Paused; s != nil {
			all = append(all, fmt.Sprintf("%s is paused since %s by %s%s", p.Name, s.Since.Format(time.RFC3339), s.By, because(s.Why)))
		}
		if h := p.Held; h != nil {
			all = append(all, fmt.Sprintf("%s is held since %s by %s%s", p.Name, h.Since.Format(time.RFC3339), h.By, because(h.Why)))
		}
	}
	return all, err
}

// because is a reason behind a sentence, nothing for none.
func because(why string) string {
	if why == "" {
		return ""
	}
	return ": " + why
}

// problems are what a person should mend, in sentences.
func (f face) problems(ctx context.Context) ([]string, error) {
	all := f.noted()
	deliveries, owed, err := f.notifier.Owed(ctx)
	if err != nil {
		return nil, err
	}
	if owed > 0 {
		all = append(all, fmt.Sprintf("%d messages are owed: `bakeoff notify owed` lists them", owed))
	}
	refused := 0
	for _, d := range deliveries {
		if d.State == bakeoff.DeliveryRefused {
			refused++
		}
	}
	if refused > 0 {
		all = append(all, fmt.Sprintf("%d messages were refused by their receivers: `bakeoff notify owed` says why", refused))
	}
	all = append(all, f.unserved()...)
	files, err := f.store.Pipelines(ctx)
	for _, file := range files {
		all = append(all, f.unbuilt(file)...)
	}
	return all, err
}

// unbuilt names the candidates of a pipeline that wait in vain once it runs here: nobody serves their
// queue. A queue that an open run waits for is told of by unserved.
func (f face) unbuilt(file bakeoff.PipelineFile) []string {
	p, err := f.parse(file)
	if err != nil || f.follows(file.Name) == "" { // a mistake is told of where it was made
		return nil
	}
	var all []string
	for _, c := range p.Candidates {
		queue := cmp.Or(c.Queue, bakeoff.QueueDefault)
		own := f.config.Slots > 0 && (f.config.Queues == nil || slices.Contains(f.config.Queues, queue))
		if own || f.roster.Serves(queue) || slices.Contains(f.dispatcher.Queues(), queue) {
			continue
		}
		all = append(all, fmt.Sprintf("candidate %s of %s builds on the queue %s, which this node does not serve: add --queue %s, or join a worker",
			c.Name, p.Name, queue, queue))
	}
	return all
}

// unserved names the queues of open runs that no worker serves.
func (f face) unserved() []string {
	waiting := map[string]bool{}
	for _, queue := range f.dispatcher.Queues() {
		if !f.roster.Serves(queue) {
			waiting[queue] = true
		}
	}
	var all []string
	for _, queue := range slices.Sorted(maps.Keys(waiting)) {
		all = append(all, fmt.Sprintf("no worker serves the queue %s: `bakeoff worker --join ... --queue %s` starts one", queue, queue))
	}
	return all
}
