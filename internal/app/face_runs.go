package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/client"
	"github.com/bakeoffhq/bakeoff/internal/api"
	"github.com/bakeoffhq/bakeoff/internal/dispatch"
)

// History implements api.Runs.
func (f face) History(ctx context.Context, pipeline string, limit int) ([]client.RunReport, error) {
	if _, err := f.recorded(ctx, pipeline); err != nil {
		return nil, err
	}
	reports, err := f.store.LastVerdicts(ctx, pipeline, limit)
	if err != nil {
		return nil, err
	}
	return f.told(ctx, reports)
}

// told adds to reports what became of their messages and hooks.
func (f face) told(ctx context.Context, reports []bakeoff.Report) ([]client.RunReport, error) {
	all := make([]client.RunReport, len(reports))
	place := make(map[string]int, len(reports))
	var runs, promotions []string
	for i, r := range reports {
		all[i].Report, place[r.Run] = r, i
		runs = append(runs, r.Run)
		if r.Verdict == bakeoff.Promoted {
			promotions = append(promotions, r.Run)
		}
	}
	deliveries, err := f.store.DeliveriesOf(ctx, runs)
	if err != nil {
		return nil, err
	}
	for _, d := range deliveries {
		r := &all[place[d.Notification]]
		r.Deliveries = append(r.Deliveries, d)
	}
	if len(promotions) == 0 {
		return all, nil // nothing was deployed
	}
	hooks, err := f.store.HookOutcomes(ctx, promotions...)
	if err != nil {
		return nil, err
	}
	for _, h := range hooks {
		r := &all[place[h.Run]]
		r.Hooks = append(r.Hooks, h)
	}
	return all, nil
}

// Runs implements api.Runs.
func (f face) Runs(ctx context.Context, q client.RunQuery) ([]client.RunReport, error) {
	if q.Open {
		return f.open(ctx, q.Limit)
	}
	all, err := f.open(ctx, q.Limit)
	if err != nil {
		return nil, err
	}
	ended, err := f.store.LastVerdicts(ctx, "", q.Limit-len(all))
	if err != nil {
		return nil, err
	}
	slices.SortStableFunc(ended, func(a, b bakeoff.Report) int { return b.Created.Compare(a.Created) })
	told, err := f.told(ctx, ended)
	return append(all, told...), err
}

// open returns the runs that have not ended, the newest first.
func (f face) open(ctx context.Context, limit int) ([]client.RunReport, error) {
	runs, err := f.openRuns(ctx, limit)
	if err != nil {
		return nil, err
	}
	slices.Reverse(runs)
	all := make([]client.RunReport, len(runs))
	for i, r := range runs {
		all[i] = unfinished(r)
	}
	return all, nil
}

// openRuns returns the newest runs that have not ended, the oldest of them first. Who drives them knows which those
// are; where nobody does yet, every run that there ever was is gone over.
func (f face) openRuns(ctx context.Context, limit int) ([]bakeoff.Run, error) {
	select {
	case <-f.dispatcher.Ready():
	default:
		runs, err := f.store.OpenRuns(ctx)
		return runs[max(0, len(runs)-limit):], err
	}
	ids := f.dispatcher.Open("")
	var runs []bakeoff.Run
	for _, id := range ids[max(0, len(ids)-limit):] {
		run, _, err := f.store.Run(ctx, id)
		if bakeoff.CodeOf(err) == bakeoff.CodeNotFound || run.Phase == bakeoff.PhaseEnded {
			continue
		}
		if err != nil {
			return nil, err
		}
		runs = append(runs, run)
	}
	return runs, nil
}

// openOf returns what names the open runs of a pipeline, the oldest first.
func (f face) openOf(ctx context.Context) (func(pipeline string) []string, error) {
	select {
	case <-f.dispatcher.Ready():
		return f.dispatcher.Open, nil
	default:
	}
	runs, err := f.store.OpenRuns(ctx) // nobody drives them
	open := map[string][]string{}
	for _, r := range runs {
		open[r.Pipeline] = append(open[r.Pipeline], r.ID)
	}
	return func(pipeline string) []string { return open[pipeline] }, err
}

// Run implements api.Runs.
func (f face) Run(ctx context.Context, id string) (client.RunReport, error) {
	run, _, err := f.store.Run(ctx, id)
	if bakeoff.CodeOf(err) == bakeoff.CodeNotFound {
		return f.forgotten(ctx, id)
	}
	if err != nil {
		return client.RunReport{}, err
	}
	if run.Phase != bakeoff.PhaseEnded {
		return unfinished(run), nil
	}
	report, err := f.store.Verdict(ctx, run.Pipeline, run.ID)
	if err != nil {
		return client.RunReport{}, err
	}
	told, err := f.told(ctx, []bakeoff.Report{report})
	if err != nil {
		return client.RunReport{}, err
	}
	return told[0], nil
}

// forgotten returns a run of which retention has left the verdict alone.
func (f face) forgotten(ctx context.Context, id string) (client.RunReport, error) {
	models, err := f.store.Models(ctx) // of every pipeline that a run has ended of, there or removed
	if err != nil {
		return client.RunReport{}, err
	}
	for _, m := range models {
		report, err := f.store.Verdict(ctx, m.Name, id)
		if err == nil {
			told, err := f.told(ctx, []bakeoff.Report{report})
			if err != nil {
				return client.RunReport{}, err
			}
			return told[0], nil
		}
		if bakeoff.CodeOf(err) != bakeoff.CodeNotFound {
			return client.RunReport{}, err
		}
	}
	return client.RunReport{}, bakeoff.Errorf(bakeoff.CodeNotFound, "there is no run %q", id).
		WithHint("`bakeoff history` lists a pipeline's runs")
}

// unfinished is an open run in the form of a report.
func unfinished(r bakeoff.Run) client.RunReport {
	report := client.RunReport{Phase: r.Phase, Report: bakeoff.Report{
		Run: r.ID, Pipeline: r.Pipeline, Trigger: r.Trigger, Created: r.Created, Tick: r.Tick, Deadline: r.Deadline, Late: r.Late, RetryOf: r.RetryOf,
		Revision: r.Revision, Seconds: time.Since(r.Created).Seconds(), Leaderboard: []bakeoff.LeaderboardRow{},
	}}
	if r.Snapshot != nil {
		rows := r.Snapshot.Rows
		report.Snapshot, report.Rows, report.Notes = r.Snapshot.Digest, &rows, r.Snapshot.Notes
	}
	for _, t := range r.Trials {
		report.Leaderboard = append(report.Leaderboard, r.Row(t))
	}
	return report
}

// StartRun implements api.Runs.
func (f face) StartRun(ctx context.Context, pipeline string, s api.Start) error {
	file, err := f.known(ctx, pipeline)
	if err != nil {
		return err
	}
	p, err := f.parse(file)
	if err != nil {
		return err
	}
	run := dispatch.NewRun(s.Run, p, dispatch.Start{Trigger: s.Trigger, Quiet: s.Quiet, Deadline: deadlineFrom(p, time.Now())}, time.Now().UTC())
	return f.begin(ctx, run)
}

// deadlineFrom is when a run of a pipeline that is due at a moment has to have ended; zero for never.
func deadlineFrom(p *bakeoff.Pipeline, due time.Time) time.Time {
	if p.Schedule == nil || p.Schedule.Deadline == 0 {
		return time.Time{}
	}
	return due.Add(p.Schedule.Deadline).UTC()
}

// begin records a run, unless it is there already because it was asked for twice.
func (f face) begin(ctx context.Context, run bakeoff.Run) error {
	err := f.submit(ctx, run)
	if bakeoff.CodeOf(err) != bakeoff.CodeConflict {
		return err
	}
	there, _, err := f.store.Run(ctx, run.ID)
	if err != nil {
		return err
	}
	if there.Pipeline != run.Pipeline || there.RetryOf != run.RetryOf {
		return bakeoff.Errorf(bakeoff.CodeConflict, "there is another run of the ID %s", run.ID)
	}
	return nil
}

// RetryRun implements api.Runs.
func (f face) RetryRun(ctx context.Context, id string, s api.Start) error {
	of, _, err := f.store.Run(ctx, id)
	if bakeoff.CodeOf(err) == bakeoff.CodeNotFound {
		_, err = f.forgotten(ctx, id)
		if err == nil {
			err = bakeoff.Errorf(bakeoff.CodeConflict, "of run %s only the verdict is left", id).WithHint("start a new run")
		}
	}
	if err != nil {
		return err
	}
	if _, err := f.known(ctx, of.Pipeline); err != nil {
		return err
	}
	run, err := dispatch.NewRetry(s.Run, of, s.Quiet, time.Now().UTC())
	if err != nil {
		return err
	}
	return f.begin(ctx, run)
}

// CancelRun implements api.Runs.
func (f face) CancelRun(ctx context.Context, id string, a api.Act) error {
	run, err := f.Run(ctx, id)
	if err != nil {
		return err
	}
	if run.Verdict != "" || run.Phase == bakeoff.PhasePromote {
		return bakeoff.Errorf(bakeoff.CodeConflict, "run %s has come to its verdict", id).
			WithHint("`bakeoff rollback %s` undoes a promotion", run.Pipeline)
	}
	reason := "by " + cmp.Or(a.By, "somebody")
	if a.Why != "" {
		reason += ": " + a.Why
	}
	return f.dispatcher.Cancel(ctx, id, reason)
}

// Events implements api.Runs.
func (f face) Events(ctx context.Context, id string, after uint64, each func(client.Event) error) error {
	run, err := f.Run(ctx, id)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := f.endOf(ctx, run)
	defer ended.wait(cancel)
	err = f.store.WatchEvents(ctx, id, after, ended.all, func(seq uint64, e bakeoff.Event) error {
		if err := each(client.Event{Seq: seq, Event: e}); err != nil {
			return err
		}
		if e.Kind == bakeoff.EventVerdict {
			return errNoMore
		}
		return nil
	})
	if errors.Is(err, errNoMore) {
		return nil
	}
	return err
}

var errNoMore = errors.New("there is no more")

// runEnd tells when no more events of a run can come.
type runEnd struct {
	all  chan struct{} // closed when the run has ended
	done chan struct{} // closed when nobody waits any more
}

func (e runEnd) wait(cancel func()) {
	cancel()
	<-e.done
}

// endOf waits for a run's end beside the stream of its events: the last event may have been lost in
// a crash; the run's record is not.
func (f face) endOf(ctx context.Context, run client.RunReport) runEnd {
	e := runEnd{all: make(chan struct{}), done: make(chan struct{})}
	if run.Verdict != "" {
		close(e.all)
		close(e.done)
		return e
	}
	go func() {
		defer close(e.done)
		if _, err := f.store.WaitRun(ctx, run.Run); err == nil {
			close(e.all)
		}
	}()
	return e
}

// Logs implements api.Runs.
func (f face) Logs(ctx context.Context, id string, q client.LogQuery, each func(client.LogEntry) error) error {
	report, err := f.Run(ctx, id)
	if err != nil {
		return err
	}
	run, _, err := f.store.Run(ctx, id)
	if bakeoff.CodeOf(err) == bakeoff.CodeNotFound {
		return bakeoff.Errorf(bakeoff.CodeNotFound, "the logs of run %s are not kept any more", id)
	}
	if err != nil {
		return err
	}
	if q.Candidate != "" && !slices.ContainsFunc(run.Trials, func(t bakeoff.Trial) bool { return t.Candidate == q.Candidate }) {
		return bakeoff.Errorf(bakeoff.CodeNotFound, "run %s has no candidate %q", id, q.Candidate)
	}
	if q.Follow && (report.Verdict == "" || q.After > 0) {
		return f.followLogs(ctx, run, q, each)
	}
	for _, t := range run.Trials {
		if q.Candidate == "" || t.Candidate == q.Candidate {
			if err := f.log(ctx, id, t, each); err != nil {
				return err
			}
		}
	}
	return nil
}

// logOf returns the log of a trial, "" where none was kept. That of a build which was stopped is with
// its attempt: the trial had ended by then.
func (f face) logOf(ctx context.Context, run string, t bakeoff.Trial) (bakeoff.Digest, error) {
	if t.Log != "" {
		return t.Log, nil
	}
	a, _, err := f.store.Attempt(ctx, bakeoff.Task{Run: run, Kind: bakeoff.TaskBuild, Candidate: t.Candidate})
	if bakeoff.CodeOf(err) == bakeoff.CodeNotFound {
		return "", nil
	}
	return a.Log, err
}

// log hands out what a trial of a run has written, and how it ended.
func (f face) log(ctx context.Context, run string, t bakeoff.Trial, each func(client.LogEntry) error) error {
	digest, err := f.logOf(ctx, run, t)
	if err != nil {
		return fmt.Errorf("read the log of %s: %w", t.Candidate, err)
	}
	if digest != "" {
		text, err := f.store.GetBytes(ctx, digest)
		if err != nil {
			return fmt.Errorf("read the log of %s: %w", t.Candidate, err)
		}
		for len(text) > 0 { // in pieces that fit into a message of a stream
			n := min(len(text), logPiece)
			for n < len(text) && n > 1 && !utf8.RuneStart(text[n]) {
				n--
			}
			piece := text[:n]
			if err := each(client.LogEntry{Candidate: t.Candidate, Attempt: t.Attempt, Text: string(piece)}); err != nil {
				return err
			}
			text = text[len(piece):]
		}
	}
	return each(client.LogEntry{Candidate: t.Candidate, Attempt: t.Attempt, State: t.State, Reason: t.Reason, NoLog: digest == ""})
}

const logPiece = 256 << 10

// followLogs hands out what the builds of an open run write, as they write it, and how each ended.
func (f face) followLogs(ctx context.Context, run bakeoff.Run, q client.LogQuery, each func(client.LogEntry) error) error {
	left := map[string]bool{}
	for _, t := range run.Trials {
		switch {
		case q.Candidate != "" && t.Candidate != q.Candidate:
		case takenOver(run, t):
			if q.After > 0 {
				continue // they were handed out before the connection broke
			}
			if err := f.log(ctx, run.ID, t, each); err != nil {
				return err
			}
		default:
			left[t.Candidate] = true
		}
	}
	if len(left) == 0 {
		return nil
	}
	err := f.Events(ctx, run.ID, 0, func(e client.Event) error {
		if q.Candidate != "" && e.Candidate != q.Candidate {
			return nil
		}
		entry := client.LogEntry{Seq: e.Seq, Candidate: e.Candidate, Attempt: e.Attempt}
		switch e.Kind {
		case bakeoff.EventStarted: // the champion's trial comes with the snapshot
			left[e.Candidate] = true
			return nil
		case bakeoff.EventLog:
			entry.Text = e.Message
		case bakeoff.EventRetry:
			entry.Text = "-- " + e.Message + "\n"
		case bakeoff.EventBuilt:
			entry.State = bakeoff.TrialBuilt
			delete(left, e.Candidate)
		case bakeoff.EventFailed:
			entry.State, entry.Reason = bakeoff.TrialFailed, e.Message
			delete(left, e.Candidate)
		default:
			return nil
		}
		if e.Seq > q.After { // what came before is gone over for the trials that it ended
			if err := each(entry); err != nil {
				return err
			}
		}
		if len(left) == 0 {
			return errNoMore
		}
		return nil
	})
	if errors.Is(err, errNoMore) {
		return nil
	}
	return err
}

// takenOver reports whether a trial was built by the run that this one retries: no event tells of it.
func takenOver(run bakeoff.Run, t bakeoff.Trial) bool {
	return run.RetryOf != "" && t.State == bakeoff.TrialBuilt && t.Started.Before(run.Created)
}
