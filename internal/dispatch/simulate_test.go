package dispatch_test

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/dispatch"
	"github.com/bakeoffhq/bakeoff/internal/search"
)

// world is everything around the pure core, with none of its guarantees but those of the store:
// what is stored stays, a task is on its queue once, a result counts once, and a run has one
// verdict. Messages are lost, repeated, late and out of order; the process stops anywhere.
type world struct {
	t    *testing.T
	rng  *rand.Rand
	now  time.Time
	plan plan

	// stored
	run     bakeoff.Run
	retried *bakeoff.Run // the run that this one is a retry of
	queue   []bakeoff.Task
	results []bakeoff.Result
	verdict *dispatch.Committed

	// in flight, lost when the process stops
	events []dispatch.Event

	starts  map[bakeoff.Task]int
	moved   int // the last round during which the champion moved
	commits int

	chose, halved, cut, lost int // searches that ended in these ways
}

// plan is what a seed decides about a run before it starts.
type plan struct {
	candidates, parallel int
	fails                map[string]bool // candidates whose build fails
	rebuild              bool            // the champion has to be built again
	noSnapshot           bool
	noEvaluation         bool
	refused              bool            // the registry cannot carry out anything but a failure
	moves                int             // in how many rounds the champion moves before promotion
	cancelAt             int             // the step at which somebody cancels; 0 for never
	deadline             time.Duration   // after the run was asked for; 0 for none
	slow                 map[string]bool // candidates whose queue nobody serves
	searches             map[string]*bakeoff.Search
	hopeless             map[string]bool // candidates of whose search every setting fails
}

func newPlan(rng *rand.Rand) plan {
	p := plan{
		candidates: 1 + rng.IntN(6), parallel: rng.IntN(4), fails: map[string]bool{}, slow: map[string]bool{},
		searches: map[string]*bakeoff.Search{}, hopeless: map[string]bool{},
	}
	for i := range p.candidates {
		p.fails[candidate(i)] = rng.IntN(4) == 0
		if rng.IntN(6) == 0 {
			p.searches[candidate(i)] = newSearch(rng)
			p.hopeless[candidate(i)] = rng.IntN(6) == 0
		}
	}
	p.rebuild = rng.IntN(4) == 0
	p.fails[bakeoff.ChampionName] = rng.IntN(4) == 0
	p.noSnapshot = rng.IntN(12) == 0
	p.noEvaluation = rng.IntN(12) == 0
	p.refused = rng.IntN(12) == 0
	p.moves = max(0, rng.IntN(6)-3)
	if rng.IntN(6) == 0 {
		p.cancelAt = 1 + rng.IntN(60)
	}
	if rng.IntN(3) == 0 {
		p.deadline = time.Duration(1+rng.IntN(60)) * time.Minute
		for i := range p.candidates { // without a deadline, such a run would wait for ever
			p.slow[candidate(i)] = rng.IntN(6) == 0
		}
		p.slow[bakeoff.ChampionName] = rng.IntN(6) == 0
	}
	return p
}

// newSearch is a search of one parameter, in one to four rungs.
func newSearch(rng *rand.Rand) *bakeoff.Search {
	s := &bakeoff.Search{Method: bakeoff.SearchRandom, Settings: 1 + rng.IntN(7), Folds: 3}
	if rng.IntN(2) == 0 {
		s.Method, s.Factor = bakeoff.SearchHalving, 2+rng.IntN(2)
	}
	s.Params = []bakeoff.Dimension{{Name: "x", From: 1, To: 20, Whole: true, Default: json.RawMessage("7")}}
	return s
}

// score is what a setting leaves: it follows from the task, and not from who works on it when.
func (p plan) score(t bakeoff.Task) bakeoff.SettingScore {
	h := fnv.New64a()
	fmt.Fprint(h, t.Candidate, t.Setting, t.Rung)
	draw := h.Sum64() >> 8
	if p.hopeless[t.Candidate] || draw%6 == 0 {
		return bakeoff.SettingScore{Class: bakeoff.FailedExit, Reason: "exit code 1", Seconds: 1}
	}
	return bakeoff.SettingScore{Mean: float64(draw%50) / 50, Seconds: float64(draw % 100)}
}

// chosen is the search as it ends where one setting is scored after the other, and nothing goes wrong.
func (p plan) chosen(c bakeoff.Candidate, s bakeoff.Snapshot) bakeoff.Searching {
	t := bakeoff.Trial{Candidate: c.Name, State: bakeoff.TrialSearching}
	begun := search.Begin(c, s)
	for {
		next, ok := search.HandOut(begun)
		if !ok {
			return begun
		}
		i := slices.IndexFunc(next.Settings, func(one bakeoff.Setting) bool { return one.State == bakeoff.SettingQueued })
		task := bakeoff.Task{Kind: bakeoff.TaskSearch, Candidate: c.Name, Setting: i + 1, Rung: next.Rung}
		t.Search = &next
		begun, _ = search.Take(t, task, p.score(task))
		begun, _, _ = search.Settle(begun)
	}
}

var simulated = bakeoff.Snapshot{Digest: "sha256:0", Schema: bakeoff.Schema{Task: bakeoff.Binary}, Rows: bakeoff.Rows{Train: 100_000}}

func candidate(i int) string { return fmt.Sprintf("c%d", i) }

func newWorld(t *testing.T, seed uint64) *world {
	rng := rand.New(rand.NewPCG(seed, 1))
	w := &world{
		t: t, rng: rng, now: time.Date(2026, 11, 23, 5, 0, 0, 0, time.UTC), plan: newPlan(rng),
		starts: map[bakeoff.Task]int{},
	}
	p := &bakeoff.Pipeline{Name: "p", Parallel: w.plan.parallel}
	for i := range w.plan.candidates {
		c := bakeoff.Candidate{Name: candidate(i), Search: w.plan.searches[candidate(i)]}
		if w.plan.slow[c.Name] {
			c.Queue = "gpu"
		}
		p.Candidates = append(p.Candidates, c)
	}
	start := dispatch.Start{Trigger: bakeoff.TriggerSchedule, Tick: w.now}
	if w.plan.deadline > 0 {
		start.Deadline = w.now.Add(w.plan.deadline)
	}
	w.run = dispatch.NewRun("p-1", p, start, w.now)
	return w
}

// retry returns the world in which the run that ended in w is tried again, or nil where it cannot be.
func (w *world) retry() *world {
	run, err := dispatch.NewRetry("p-2", w.run, false, w.now)
	if err != nil {
		return nil
	}
	again := &world{t: w.t, rng: w.rng, now: w.now, plan: newPlan(w.rng), run: run, retried: &w.run, starts: map[bakeoff.Task]int{}}
	again.plan.candidates, again.plan.parallel = w.plan.candidates, w.plan.parallel
	again.plan.noSnapshot, again.plan.deadline, again.plan.slow = false, 0, nil
	again.plan.rebuild, again.plan.searches = w.plan.rebuild, w.plan.searches
	return again
}

// step lets one thing happen, chosen by the seed.
func (w *world) step(n int) {
	w.now = w.now.Add(time.Duration(w.rng.IntN(90)-10) * time.Second) // clocks jump back, too
	if n == w.plan.cancelAt {
		w.events = append(w.events, dispatch.Event{Cancel: "by a person"})
	}
	switch w.rng.IntN(10) {
	case 0: // the process stops: what was in flight is gone, what is stored is read again
		w.events = nil
		w.reconcile()
	case 1, 2: // the reconciler's minute
		w.reconcile()
	case 3, 4, 5:
		w.work()
	default:
		w.deliver()
	}
}

// reconcile does what the dispatcher does at start and every minute.
func (w *world) reconcile() {
	for _, r := range w.results {
		if len(w.results) < 16 || w.rng.IntN(8) == 0 { // of many, told again and again, the old would hide the new
			w.events = append(w.events, dispatch.Event{Result: &r})
		}
	}
	w.events = append(w.events, dispatch.Event{Deadline: true})
	w.effects()
}

// deliver hands a random event in flight to the core; sometimes it is lost, sometimes it stays for
// a second time.
func (w *world) deliver() {
	if len(w.events) == 0 {
		return
	}
	i := w.rng.IntN(len(w.events))
	e := w.events[i]
	if w.rng.IntN(4) != 0 {
		w.events = append(w.events[:i], w.events[i+1:]...)
	}
	if w.rng.IntN(5) == 0 {
		return
	}
	before := w.run
	w.run = dispatch.Step(w.run, e, w.now)
	w.check(before)
	if w.rng.IntN(4) != 0 { // else the process stopped between the record and its effects
		w.effects()
	}
}

// effects carries out what the stored state asks for, as far as the process gets, in any order.
func (w *world) effects() {
	es := dispatch.Effects(w.run)
	w.rng.Shuffle(len(es), func(i, j int) { es[i], es[j] = es[j], es[i] })
	for _, e := range es {
		if w.rng.IntN(5) == 0 {
			return
		}
		if e.Publish != nil && !slices.Contains(w.queue, *e.Publish) {
			w.queue = append(w.queue, *e.Publish)
		}
		if e.Commit {
			w.commit()
		}
	}
}

// work lets a worker do a task; it may stop before its result is stored, or before its task is taken off.
func (w *world) work() {
	if len(w.queue) == 0 {
		return
	}
	i := w.rng.IntN(len(w.queue))
	task := w.queue[i]
	if w.retried != nil && task.Kind == bakeoff.TaskBuild && w.retried.Trials[w.index(task.Candidate)].State == bakeoff.TrialBuilt {
		w.t.Fatalf("%s was built, and is built again", task.Candidate)
	}
	if w.retried != nil && task.Kind == bakeoff.TaskSearch && w.retried.Trials[w.index(task.Candidate)].Search.Chosen() != nil {
		w.t.Fatalf("the parameters of %s were chosen, and are searched again", task.Candidate)
	}
	if w.plan.slow[task.Candidate] { // nobody serves its queue
		return
	}
	if !slices.ContainsFunc(w.results, func(r bakeoff.Result) bool { return r.Task == task }) {
		w.starts[task]++
		if w.rng.IntN(5) == 0 {
			return
		}
		r := w.result(task)
		w.results = append(w.results, r)
		w.events = append(w.events, dispatch.Event{Result: &r})
	}
	if w.rng.IntN(5) != 0 {
		w.queue = slices.Delete(w.queue, i, i+1)
	}
}

func (w *world) result(task bakeoff.Task) bakeoff.Result {
	r := bakeoff.Result{Task: task, Attempt: w.starts[task]}
	switch {
	case task.Kind == bakeoff.TaskSnapshot && w.plan.noSnapshot, task.Kind == bakeoff.TaskEvaluate && w.plan.noEvaluation:
		r.Failure = "by plan"
	case task.Kind == bakeoff.TaskSnapshot:
		r.Snapshot = &simulated
		if w.plan.rebuild {
			r.Rebuild = &bakeoff.Rebuild{Version: 3, Candidate: candidate(0), Recipe: bakeoff.Candidate{Name: bakeoff.ChampionName}}
		}
	case task.Kind == bakeoff.TaskSearch:
		score := w.plan.score(task)
		r.Setting = &score
	case task.Kind == bakeoff.TaskBuild && w.plan.fails[task.Candidate]:
		r.Trial = &bakeoff.Trial{Candidate: task.Candidate, State: bakeoff.TrialFailed, Reason: "by plan"}
	case task.Kind == bakeoff.TaskBuild:
		r.Trial = &bakeoff.Trial{Candidate: task.Candidate, State: bakeoff.TrialBuilt}
	default:
		r.Decision = &bakeoff.Decision{Verdict: bakeoff.Promoted, Reason: fmt.Sprint("round ", task.Round)}
	}
	return r
}

func (w *world) index(candidate string) int {
	return slices.IndexFunc(w.run.Trials, func(t bakeoff.Trial) bool { return t.Candidate == candidate })
}

// commit is the registry: one verdict a run, and none against a champion that has moved.
func (w *world) commit() {
	if w.verdict == nil {
		if w.run.Decision.Verdict == bakeoff.Promoted && w.run.Round <= w.plan.moves {
			w.moved = w.run.Round // and it stays so: the judge has seen another champion
			w.events = append(w.events, dispatch.Event{Moved: w.run.Round})
			return
		}
		if w.plan.refused && w.run.Decision.Verdict != bakeoff.Failed {
			w.events = append(w.events, dispatch.Event{Refused: "by plan"})
			return
		}
		w.verdict = &dispatch.Committed{Verdict: w.run.Decision.Verdict, Reason: w.run.Decision.Reason}
		w.commits++
	}
	w.events = append(w.events, dispatch.Event{Committed: w.verdict})
}

// check holds after every step.
func (w *world) check(before bakeoff.Run) {
	w.t.Helper()
	out := 0
	if w.run.Phase == bakeoff.PhaseBuild {
		out = len(dispatch.Effects(w.run))
	}
	w.checkRebuild(before)
	w.checkSearches(before)
	added := len(w.run.Trials) - len(before.Trials) // the champion's is the first
	for i, trial := range w.run.Trials {
		if i < added {
			continue
		}
		old := before.Trials[i-added].State
		if (old == bakeoff.TrialBuilt || old == bakeoff.TrialFailed) && trial.State != old {
			w.t.Fatalf("trial %s went from %s to %s", trial.Candidate, old, trial.State)
		}
	}
	if w.plan.parallel > 0 && out > w.plan.parallel {
		w.t.Fatalf("%d tasks are out, %d may be", out, w.plan.parallel)
	}
	if before.Phase == bakeoff.PhaseEnded {
		if diff := cmp.Diff(before, w.run); diff != "" {
			w.t.Fatalf("an ended run changed:\n%s", diff)
		}
	}
	if w.run.Phase == bakeoff.PhaseEvaluate {
		for _, trial := range w.run.Trials {
			if trial.State != bakeoff.TrialBuilt && trial.State != bakeoff.TrialFailed {
				w.t.Fatalf("judged while trial %s is %s", trial.Candidate, trial.State)
			}
		}
	}
}

// checkRebuild holds after every step: the champion has a trial as soon as there is a snapshot that asks
// for it, and one; every trial has the recipe of its name.
func (w *world) checkRebuild(before bakeoff.Run) {
	w.t.Helper()
	want := w.plan.candidates
	if w.plan.rebuild && w.run.Snapshot != nil {
		want++
	}
	if len(w.run.Trials) != want || len(before.Trials) > want || (w.run.Rebuild != nil) != (want > w.plan.candidates) {
		w.t.Fatalf("%d trials, want %d; rebuild %+v", len(w.run.Trials), want, w.run.Rebuild)
	}
	for i, trial := range w.run.Trials {
		if w.run.Recipes[i].Name != trial.Candidate || len(w.run.Recipes) != want {
			w.t.Fatalf("trial %d is %s, its recipe %s", i, trial.Candidate, w.run.Recipes[i].Name)
		}
		if isFirst := i == 0 && want > w.plan.candidates; (trial.Candidate == bakeoff.ChampionName) != isFirst {
			w.t.Fatalf("trial %d is %s", i, trial.Candidate)
		}
	}
}

// checkSearches holds after every step: nothing is built before its parameters are chosen, a choice and
// a score stay, and a choice that no deadline has forced is the one that follows from the scores.
func (w *world) checkSearches(before bakeoff.Run) {
	w.t.Helper()
	for i, trial := range w.run.Trials {
		if (trial.State == bakeoff.TrialQueued || trial.State == bakeoff.TrialBuilt) && w.run.Recipes[i].Search != nil && trial.Search.Chosen() == nil {
			w.t.Fatalf("%s is %s, and its parameters are not chosen", trial.Candidate, trial.State)
		}
		j := slices.IndexFunc(before.Trials, func(t bakeoff.Trial) bool { return t.Candidate == trial.Candidate })
		if trial.Search == nil || j < 0 || before.Trials[j].Search == nil {
			continue
		}
		old := before.Trials[j].Search
		was, _ := search.Progress(*old)
		if done, total := search.Progress(*trial.Search); done < was || done > was+1 || total < done {
			w.t.Fatalf("the search of %s went from %d to %d of %d", trial.Candidate, was, done, total)
		}
		if old.Best > 0 && (old.Best != trial.Search.Best || old.CutShort != trial.Search.CutShort) {
			w.t.Fatalf("the choice of %s went from %d to %d", trial.Candidate, old.Best, trial.Search.Best)
		}
	}
}

// endSearches holds when the run has ended.
func (w *world) endSearches() {
	w.t.Helper()
	for i, trial := range w.run.Trials {
		s := trial.Search
		switch {
		case s == nil:
		case s.CutShort:
			if w.plan.deadline == 0 && w.retried == nil {
				w.t.Errorf("the search of %s was cut short, and there is no deadline", trial.Candidate)
			}
			w.cut++
		case s.Best > 0:
			if want := w.plan.chosen(w.run.Recipes[i], simulated); w.retried == nil && want.Best != s.Best {
				w.t.Errorf("the search of %s chose setting %d, want %d", trial.Candidate, s.Best, want.Best)
			}
			w.chose++
			if s.Rungs > 1 {
				w.halved++
			}
		case trial.Class == bakeoff.FailedExit:
			if want := w.plan.chosen(w.run.Recipes[i], simulated); want.Best != 0 {
				w.t.Errorf("the search of %s failed, and setting %d has a score", trial.Candidate, want.Best)
			}
			w.lost++
		}
	}
}

// end holds when the run has ended.
func (w *world) end() {
	w.t.Helper()
	w.endSearches()
	if w.commits != 1 {
		w.t.Errorf("%d verdicts were stored, want 1", w.commits)
	}
	if got := (dispatch.Committed{Verdict: w.run.Verdict, Reason: w.run.Reason}); got != *w.verdict {
		w.t.Errorf("the run says %+v, the registry %+v", got, *w.verdict)
	}
	var want bakeoff.Verdict
	switch {
	case w.plan.noSnapshot, w.plan.noEvaluation, w.plan.refused, strings.HasPrefix(w.run.Reason, "cancelled: "),
		strings.HasPrefix(w.run.Reason, "no snapshot: deadline passed"):
		want = bakeoff.Failed
	case w.moved == 2:
		want = bakeoff.Kept
	default:
		want = bakeoff.Promoted
	}
	for _, trial := range w.run.Trials {
		if trial.Class == bakeoff.FailedDeadline && !w.run.Late {
			w.t.Errorf("the deadline ended %s, and the run is not late", trial.Candidate)
		}
		if w.plan.slow[trial.Candidate] && trial.State == bakeoff.TrialBuilt {
			w.t.Errorf("%s is %s, and nobody serves its queue", trial.Candidate, trial.State)
		}
	}
	if w.run.Late && (w.plan.deadline == 0 || w.run.Ended.Before(w.run.Deadline.Add(-10*time.Second*maxSteps))) {
		w.t.Errorf("late without need: deadline %s, ended %s", w.run.Deadline, w.run.Ended)
	}
	if w.run.Verdict != want {
		w.t.Errorf("verdict %s (%s), want %s", w.run.Verdict, w.run.Reason, want)
	}
	for _, r := range w.results {
		if r.Task.Kind == bakeoff.TaskEvaluate && r.Task.Round > 2 {
			w.t.Errorf("judged %d times", r.Task.Round)
		}
	}
}

// TestRunsEndOnceWhateverHappens drives runs through lost, repeated, late and reordered messages
// and crashes between any two of them. A failure names its seed.
func TestRunsEndOnceWhateverHappens(t *testing.T) {
	const seeds = 20_000
	verdicts := map[bakeoff.Verdict]int{}
	late, retries, rebuilds := 0, 0, 0
	chose, halved, cut, lost := 0, 0, 0, 0
	for seed := range uint64(seeds) {
		for w := newWorld(t, seed); w != nil; w = w.retry() {
			w.drive(seed)
			verdicts[w.run.Verdict]++
			chose, halved, cut, lost = chose+w.chose, halved+w.halved, cut+w.cut, lost+w.lost
			if w.run.Late {
				late++
			}
			if w.run.RetryOf != "" {
				if w.run.Rebuild != nil {
					rebuilds++
				}
				retries++
				break
			}
		}
	}
	if late == 0 || retries == 0 || rebuilds == 0 {
		t.Errorf("%d runs were late, %d were retries, %d of these with a champion that is built again: the simulator does not reach them", late, retries, rebuilds)
	}
	if chose == 0 || halved == 0 || cut == 0 || lost == 0 {
		t.Errorf("%d searches chose, %d of them in rungs, %d were cut short, %d failed: the simulator does not reach them", chose, halved, cut, lost)
	}
	t.Logf("%d searches chose, %d of them in rungs, %d were cut short, %d failed", chose, halved, cut, lost)
	for _, v := range []bakeoff.Verdict{bakeoff.Promoted, bakeoff.Kept, bakeoff.Failed} {
		if verdicts[v] == 0 {
			t.Errorf("no seed led to %s: the simulator does not reach it", v)
		}
	}
	t.Logf("verdicts of %d seeds: %v; %d late, %d retries, %d of them with a rebuild", seeds, verdicts, late, retries, rebuilds)
}

const maxSteps = 20_000

// drive steps through a world until its run has ended.
func (w *world) drive(seed uint64) {
	w.t.Helper()
	for n := 1; w.run.Phase != bakeoff.PhaseEnded; n++ {
		if n > maxSteps {
			w.t.Fatalf("seed %d: %s after %d steps", seed, w.run.Phase, maxSteps)
		}
		w.step(n)
	}
	w.end()
	if w.t.Failed() {
		w.t.Fatalf("seed %d", seed)
	}
}

func TestStepLeavesItsArgumentAlone(t *testing.T) {
	p := &bakeoff.Pipeline{Name: "p", Candidates: []bakeoff.Candidate{{Name: "a"}, {Name: "b"}}}
	r := dispatch.NewRun("p-1", p, dispatch.Start{Trigger: bakeoff.TriggerPerson}, time.Now())
	r = dispatch.Step(r, dispatch.Event{Result: &bakeoff.Result{Task: bakeoff.Task{Kind: bakeoff.TaskSnapshot}, Snapshot: &bakeoff.Snapshot{}}}, time.Now())
	before := dispatch.Step(r, dispatch.Event{}, time.Now()) // a copy
	dispatch.Step(r, dispatch.Event{Cancel: "x"}, time.Now())
	if diff := cmp.Diff(before, r); diff != "" {
		t.Error(diff)
	}
}
