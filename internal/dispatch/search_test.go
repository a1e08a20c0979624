package dispatch_test

import (
	"encoding/json"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/dispatch"
)

// searching is a pipeline whose second candidate searches among four settings.
func searching() *bakeoff.Pipeline {
	p := nightly()
	p.Parallel = 2
	p.Candidates[1].Queue = ""
	p.Candidates[1].Search = &bakeoff.Search{
		Method: bakeoff.SearchGrid, Folds: 3,
		Params: []bakeoff.Dimension{{Name: "x", Values: []json.RawMessage{[]byte("1"), []byte("2"), []byte("3")}, Default: []byte("0")}},
	}
	return p
}

// submitSearch has a run of searching driven. A setting takes a minute, and the third is the best.
func (m *memory) submitSearch(t *testing.T, d *dispatch.Dispatcher, s dispatch.Start) {
	t.Helper()
	r := dispatch.NewRun("p-1", searching(), s, time.Now())
	m.mu.Lock()
	m.runs[r.ID], m.revision[r.ID] = r, 1
	m.do = func(task bakeoff.Task) (bakeoff.Result, bool) {
		switch task.Kind {
		case bakeoff.TaskSnapshot:
			return bakeoff.Result{Snapshot: &bakeoff.Snapshot{Schema: bakeoff.Schema{Task: bakeoff.Binary}}}, true
		case bakeoff.TaskSearch:
			go func() {
				time.Sleep(time.Minute)
				mean := []float64{0.5, 0.6, 0.9, 0.8}[task.Setting-1]
				m.results <- bakeoff.Result{Task: task, Attempt: 1, Setting: &bakeoff.SettingScore{Mean: mean, Seconds: 60}}
			}()
		}
		return bakeoff.Result{}, false
	}
	m.mu.Unlock()
	if err := d.Submit(t.Context(), r); err != nil {
		t.Fatal(err)
	}
}

// published are the tasks of trials that were ever handed out.
func (m *memory) published(kind bakeoff.TaskKind) map[string]int {
	m.mu.Lock()
	defer m.mu.Unlock()
	all := map[string]int{}
	for task := range m.tasks {
		if task.Kind == kind {
			all[task.Candidate]++
		}
	}
	return all
}

func TestASearchGoesBeforeItsBuild(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		d, stop := start(t, dispatch.Config{}, m)
		defer stop()
		m.submitSearch(t, d, dispatch.Start{})
		time.Sleep(3*time.Minute + time.Second) // a's build takes the other place, and does not end
		if diff := cmp.Diff(map[string]int{"a": 1}, m.published(bakeoff.TaskBuild)); diff != "" {
			t.Errorf("built while the search goes on: %s", diff)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		r := m.run("p-1")
		if got := m.published(bakeoff.TaskSearch)["b"]; got != 4 || r.Trials[1].State != bakeoff.TrialQueued || r.Trials[1].Search.Best != 3 {
			t.Errorf("%d settings were tried, b is %s with setting %d", got, r.Trials[1].State, r.Trials[1].Search.Best)
		}
		recipe, _ := r.Recipe("b")
		if string(recipe.Params) != `{"x":2}` || recipe.Search != nil || r.Recipes[1].Search == nil {
			t.Errorf("built by %+v, declared as %+v", recipe, r.Recipes[1])
		}
		want := []string{"b searching 0/4", "b searching 1/4", "b searching 2/4", "b searching 3/4"}
		if diff := cmp.Diff(want, m.said(bakeoff.EventProgress)); diff != "" {
			t.Errorf("said (-want +got)\n%s", diff)
		}
		if diff := cmp.Diff(map[string]int{"a": 1, "b": 1}, m.published(bakeoff.TaskBuild)); diff != "" {
			t.Error(diff)
		}
	})
}

// TestADeadlineLeavesTimeToBuildTheBestSoFar ends a search before the deadline, to the second: by three
// builds of half a minute, and three seconds.
func TestADeadlineLeavesTimeToBuildTheBestSoFar(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		d, stop := start(t, dispatch.Config{}, m)
		defer stop()
		m.submitSearch(t, d, dispatch.Start{Deadline: time.Now().Add(4*time.Minute + 3*time.Second)})
		time.Sleep(150*time.Second - time.Second)
		if r := m.run("p-1"); r.Trials[1].State != bakeoff.TrialSearching {
			t.Errorf("too early, b is %s", r.Trials[1].State)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		r := m.run("p-1")
		if s := r.Trials[1].Searched(); r.Trials[1].State != bakeoff.TrialQueued || s.Best != 2 || s.Tried != 2 || !s.CutShort || r.Late {
			t.Errorf("b is %s, its search %+v, late %v", r.Trials[1].State, s, r.Late)
		}
		time.Sleep(time.Minute) // the setting that was out is told, and is not wanted any more
		if again := m.run("p-1").Trials[1]; cmp.Diff(r.Trials[1], again) != "" {
			t.Errorf("a setting that came too late changed %s", cmp.Diff(r.Trials[1], again))
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if r := m.run("p-1"); !r.Late || r.Phase != bakeoff.PhaseEvaluate || !strings.HasPrefix(r.Trials[1].Reason, "deadline passed") {
			t.Errorf("past the deadline: %s, %+v", r.Phase, r.Trials[1])
		}
	})
}
