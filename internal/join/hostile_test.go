package join_test

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/join"
)

// taken is a lease as it comes over the wire, with an attempt begun.
type taken struct {
	Lease string
	Task  bakeoff.Task
	Token uint64
}

// take takes a task and begins it.
func (h *hostile) take(t *testing.T) taken {
	t.Helper()
	var got taken
	h.body(t, "lease", `{"version":"`+version+`","queue":"default","poll":"1"}`, &got)
	if got.Lease == "" {
		t.Fatal("no task")
	}
	h.body(t, "begin", `{"lease":"`+got.Lease+`"}`, &got)
	return got
}

// putAnswer is what a node says of a piece of a file.
type putAnswer struct {
	Next    int64
	Stored  bool
	Receipt string
}

// put hands a small file in.
func (h *hostile) put(t *testing.T, hold, content string) putAnswer {
	t.Helper()
	var a putAnswer
	h.body(t, "put", fmt.Sprintf(`{%s,"digest":"%s","size":%d}`+"\n", hold, bakeoff.DigestOf([]byte(content)), len(content))+content, &a)
	return a
}

// body asks and takes the answer apart, which must not be a refusal.
func (h *hostile) body(t *testing.T, call, message string, into any) {
	t.Helper()
	var a struct {
		Fault any
		Body  json.RawMessage
	}
	if !strings.Contains(message, "\n") {
		message += "\n"
	}
	answer, _, _ := strings.Cut(h.ask(t, call, message), "\n")
	if err := json.Unmarshal([]byte(answer), &a); err != nil || a.Fault != nil {
		t.Fatalf("%s: %s, %v", call, answer, err)
	}
	if err := json.Unmarshal(a.Body, into); err != nil {
		t.Fatal(err)
	}
}

// A client with a token that keeps to the subjects, and to nothing else, gets no further than its
// own trial.
func TestALyingWorkerIsRefused(t *testing.T) {
	t.Parallel()
	n := open(t, setup{maxUpload: 1 << 20})
	run := n.submit(t, "churn-a", "forest")
	other := n.submit(t, "churn-b", "forest")
	const anothers = "another's model"
	model := n.object(t, anothers)
	h, w := connect(t, n, "mallory"), connect(t, n, "w")
	mine := h.take(t)
	theirs := w.take(t)
	if mine.Task.Run == theirs.Task.Run {
		t.Fatal("one task was handed out twice")
	}
	if mine.Task.Run != run.ID {
		run, other = other, run
	}
	hold := fmt.Sprintf(`"lease":"%s","token":%d`, mine.Lease, mine.Token)
	foreign := fmt.Sprintf(`"lease":"%s","token":%d`, theirs.Lease, theirs.Token)
	forged := `"lease":"` + strings.Replace(mine.Lease, ".", "x.", 1) + `","token":1`
	built := `"trial":{"candidate":"forest","state":"built","artifact":"%s"}`
	absent := bakeoff.DigestOf([]byte("never handed in"))
	content := strings.Repeat("x", 1000)
	sent := w.put(t, foreign, "their own model").Receipt
	own := h.put(t, hold, "a model of mine").Receipt
	theirModel, myModel := bakeoff.DigestOf([]byte("their own model")), bakeoff.DigestOf([]byte("a model of mine"))
	shown := `{` + hold + `,` + built + `,"receipts":["%s"]}`
	failed := `{` + hold + `,"trial":{"candidate":"forest","state":"failed",%s}}`
	for what, c := range map[string]struct{ call, message, code string }{
		"the holdout":                      {"get", fmt.Sprintf(`{%s,"digest":"%s"}`, hold, run.Snapshot.Holdout), "forbidden"},
		"the rows of another trial":        {"get", fmt.Sprintf(`{%s,"digest":"%s"}`, hold, other.Snapshot.Train), "forbidden"},
		"another's model":                  {"get", fmt.Sprintf(`{%s,"digest":"%s"}`, hold, model), "forbidden"},
		"rows before an attempt":           {"get", fmt.Sprintf(`{"lease":"%s","digest":"%s"}`, mine.Lease, run.Snapshot.Train), "forbidden"},
		"rows under another's lease":       {"get", fmt.Sprintf(`{%s,"digest":"%s"}`, foreign, other.Snapshot.Train), "forbidden"},
		"rows under a forged lease":        {"get", fmt.Sprintf(`{%s,"digest":"%s"}`, forged, run.Snapshot.Train), "forbidden"},
		"rows from before their beginning": {"get", fmt.Sprintf(`{%s,"digest":"%s","offset":-1}`, hold, run.Snapshot.Train), "invalid"},
		"rows from behind their end":       {"get", fmt.Sprintf(`{%s,"digest":"%s","offset":1000000}`, hold, run.Snapshot.Train), "invalid"},
		"a run without a lease":            {"run", `{"holds":[]}`, "forbidden"},
		"a run under another's lease":      {"run", `{"holds":[{` + foreign + `}]}`, "forbidden"},
		"a result without a lease":         {"end", `{"token":1,` + fmt.Sprintf(built, model) + `}`, "forbidden"},
		"a result under another's lease":   {"end", `{` + foreign + `,` + fmt.Sprintf(built, model) + `}`, "forbidden"},
		"a result with a wrong token":      {"end", fmt.Sprintf(`{"lease":"%s","token":%d,`, mine.Lease, mine.Token+1) + fmt.Sprintf(built, model) + `}`, "conflict"},
		"a result of another candidate":    {"end", `{` + hold + `,"trial":{"candidate":"x","state":"built"}}`, "invalid"},
		"a result that is none":            {"end", `{` + hold + `,"trial":{"candidate":"forest","state":"waiting"}}`, "invalid"},
		"an artifact that was not sent":    {"end", `{` + hold + `,` + fmt.Sprintf(built, absent) + `}`, "invalid"},
		"an artifact without a digest":     {"end", `{` + hold + `,` + fmt.Sprintf(built, "../../etc/passwd") + `}`, "invalid"},
		"an artifact that is another's":    {"end", `{` + hold + `,` + fmt.Sprintf(built, model) + `}`, "invalid"},
		"an artifact that another sent":    {"end", fmt.Sprintf(shown, theirModel, sent), "forbidden"},
		"a receipt for another file":       {"end", fmt.Sprintf(shown, model, own), "invalid"},
		"a forged receipt":                 {"end", fmt.Sprintf(shown, myModel, "x"+own), "forbidden"},
		"a lease for a receipt":            {"end", fmt.Sprintf(shown, myModel, mine.Lease), "forbidden"},
		"a receipt for a lease":            {"extend", `{"lease":"` + own + `"}`, "forbidden"},
		"three receipts":                   {"end", fmt.Sprintf(shown, myModel, own+`","`+own+`","`+own), "invalid"},
		"a log that is another's":          {"end", fmt.Sprintf(failed, `"log":"`+string(run.Snapshot.Holdout)+`"`), "invalid"},
		"a log without a digest":           {"end", fmt.Sprintf(failed, `"log":"../../etc/passwd"`), "invalid"},
		"a failure with another's model":   {"end", fmt.Sprintf(failed, `"artifact":"`+string(model)+`"`), "invalid"},
		"the end of a task not done":       {"done", `{` + hold + `}`, "forbidden"},
		"the end of another's task":        {"done", `{` + foreign + `}`, "forbidden"},
		"giving back another's task":       {"release", `{` + foreign + `}`, "forbidden"},
		"extending another's lease":        {"extend", `{` + foreign + `}`, "forbidden"},
		"a failure that was none":          {"postpone", `{` + hold + `,"failures":9}`, "invalid"},
		"a verdict":                        {"event", `{` + hold + `,"event":{"run":"churn-a","kind":"verdict","message":"promoted"}}`, "forbidden"},
		"a flood of text":                  {"event", `{` + hold + `,"event":{"kind":"log","message":"` + strings.Repeat("x", bakeoff.MaxLogText+1) + `"}}`, "forbidden"},
		"an upload that is too large":      {"put", fmt.Sprintf(`{%s,"digest":"%s","size":%d}`, hold, absent, 1<<20+1), "invalid"},
		"an upload of less than nothing":   {"put", fmt.Sprintf(`{%s,"digest":"%s","size":-1}`, hold, absent), "invalid"},
		"more bytes than announced":        {"put", fmt.Sprintf(`{%s,"digest":"%s","size":10}`, hold, absent) + "\n" + content, "invalid"},
		"bytes of a known digest":          {"put", fmt.Sprintf(`{%s,"digest":"%s","size":%d}`, hold, model, len(anothers)) + "\n" + content[:len(anothers)], "invalid"},
		"bytes of another digest":          {"put", fmt.Sprintf(`{%s,"digest":"%s","size":1000}`, hold, absent) + "\n" + content, "invalid"},
		"an upload without a lease":        {"put", fmt.Sprintf(`{"digest":"%s","size":1000}`, absent) + "\n" + content, "forbidden"},
		"a task of the judge":              {"lease", `{"version":"` + version + `","queue":"judge"}`, "forbidden"},
		"a task of every queue":            {"lease", `{"version":"` + version + `","queue":">"}`, "forbidden"},
		"a task for another version":       {"lease", `{"version":"v0","queue":"default"}`, "invalid"},
		"a call that is none":              {"promote", `{}`, "forbidden"},
		"a model that cannot be":           {"version", `{"model":"a.>","version":1}`, "invalid"},
		"words that are no JSON":           {"hello", `{`, "invalid"},
		"a worker with a million slots":    {"hello", `{"worker":{"slots":1000000}}`, "invalid"},
	} {
		message := c.message
		if !strings.Contains(message, "\n") {
			message += "\n"
		}
		if answer := h.ask(t, c.call, message); !strings.HasPrefix(answer, `{"fault":{"code":"`+c.code+`"`) {
			t.Errorf("%s: %.300s, want %s", what, answer, c.code)
		}
	}
	if err := n.store.Verify(t.Context(), absent); bakeoff.CodeOf(err) != bakeoff.CodeNotFound {
		t.Errorf("an object with a wrong digest is kept: %v", err)
	}
	for _, r := range []bakeoff.Run{run, other} {
		if rs, err := n.store.Results(t.Context(), r.ID); err != nil || len(rs) != 0 {
			t.Errorf("results of %s: %+v, %v", r.ID, rs, err)
		}
	}
	// A file is asked for from its beginning, by a node that was restarted and by one that has it already.
	for digest, size := range map[bakeoff.Digest]int{bakeoff.DigestOf([]byte("long")): 2000, model: len(anothers)} {
		missing := putAnswer{Next: -1}
		h.body(t, "put", fmt.Sprintf(`{%s,"digest":"%s","size":%d,"offset":%d}`+"\n", hold, digest, size, size), &missing)
		if missing != (putAnswer{}) {
			t.Errorf("of a file whose end alone was sent the node says %+v", missing)
		}
	}
	// What is right still works, after all that.
	if a := h.put(t, hold, content); !a.Stored || a.Receipt == "" {
		t.Errorf("of a file that was sent the node says %+v", a)
	}
	if a := h.put(t, hold, anothers); !a.Stored || a.Receipt == "" {
		t.Errorf("of a file that was sent although it was there the node says %+v", a)
	}
	var told bakeoff.Run
	h.body(t, "run", `{"holds":[{`+hold+`}]}`, &told)
	if told.ID != run.ID {
		t.Errorf("told of run %q", told.ID)
	}
}

// A worker that says of somebody else's object that it is the log of its attempt does not get it so.
func TestALogIsWhatItsWorkerHandedIn(t *testing.T) {
	t.Parallel()
	n := open(t, setup{})
	run := n.submit(t, "churn-a", "forest")
	h := connect(t, n, "mallory")
	mine := h.take(t)
	for call, c := range map[string]struct{ more, code string }{
		"postpone": {`"failures":1,"log"`, "invalid"}, "get": {`"digest"`, "forbidden"},
	} {
		answer := h.ask(t, call, fmt.Sprintf(`{"lease":"%s","token":%d,%s:"%s"}`+"\n", mine.Lease, mine.Token, c.more, run.Snapshot.Holdout))
		if !strings.Contains(answer, `"`+c.code+`"`) {
			t.Errorf("%s of the holdout: %.200q", call, answer)
		}
	}
}

// Once a later attempt has begun, the earlier one can do nothing to its task.
func TestALostLeaseDoesNoHarm(t *testing.T) {
	t.Parallel()
	n := open(t, setup{})
	n.submit(t, "churn-a", "forest")
	h := connect(t, n, "w")
	mine := h.take(t)
	if _, _, err := n.store.BeginAttempt(t.Context(), mine.Task, "local", hourAhead()); err != nil {
		t.Fatal(err)
	}
	hold := fmt.Sprintf(`{"lease":"%s","token":%d}`+"\n", mine.Lease, mine.Token)
	for _, call := range []string{"extend", "release", "done", "hasresult", "return", "postpone"} {
		if answer := h.ask(t, call, hold); !strings.HasPrefix(answer, `{"fault":{"code":"conflict"`) || !strings.Contains(answer, `"lost":true`) {
			t.Errorf("%s: %.300s", call, answer)
		}
	}
}

// A clock that is an hour off is shown, and does nothing else.
func TestAnotherClockIsShown(t *testing.T) {
	t.Parallel()
	n := open(t, setup{})
	h := connect(t, n, "w")
	clock, err := json.Marshal(hourAhead())
	if err != nil {
		t.Fatal(err)
	}
	h.body(t, "beat", `{"worker":{"version":"`+version+`","queues":["default"],"slots":1},"clock":`+string(clock)+`}`, &struct{}{})
	ws := n.roster.Workers()
	if len(ws) != 1 || ws[0].Skew < 3590 || ws[0].Skew > 3610 || ws[0].State != bakeoff.WorkerUp || !n.roster.Serves("") {
		t.Errorf("%+v", ws)
	}
}

func TestPredictingNodesGetTheirModels(t *testing.T) {
	t.Parallel()
	n := open(t, setup{guarded: true})
	secret := n.token(t, "edge", bakeoff.ScopePredict)
	artifact := strings.Repeat("weights ", 200_000) // in several pieces
	golden := n.object(t, `{"rows":[{"age":7}],"predictions":[1]}`)
	publish := func(number int) bakeoff.Version {
		t.Helper()
		v := bakeoff.Version{Model: "churn", Version: number, Artifact: n.object(t, fmt.Sprint(artifact, number)), Golden: golden}
		v.Lineage.Snapshot.Holdout = n.object(t, "the holdout")
		m, revision, err := n.store.Model(t.Context(), "churn")
		if err != nil {
			t.Fatal(err)
		}
		m.Latest = number
		m.Aliases = map[string]bakeoff.Alias{bakeoff.AliasChampion: {Model: "churn", Name: bakeoff.AliasChampion, Version: number}}
		if err := n.store.Commit(t.Context(), bakeoff.Change{Model: m, Revision: revision, Version: &v}); err != nil {
			t.Fatal(err)
		}
		return v
	}
	first := publish(1)
	o := n.options(t, "edge-1")
	o.Token = secret
	var m *join.Models
	eventually(t, "it joins", func() bool {
		var err error
		m, err = join.DialModels(t.Context(), o)
		return err == nil
	})
	defer m.Close()

	v, err := m.Version(t.Context(), "churn", 1)
	if err != nil || v.Artifact != first.Artifact || v.Lineage.Snapshot.Holdout != "" {
		t.Errorf("version 1: %+v, %v", v, err)
	}
	if g, err := m.Golden(t.Context(), v); err != nil || len(g.Rows) != 1 || g.Values[0] != 1 {
		t.Errorf("golden answers: %+v, %v", g, err)
	}
	if err := m.GetFile(t.Context(), v.Artifact, filepath.Join(t.TempDir(), "artifact")); err != nil {
		t.Error(err)
	}
	err = m.GetFile(t.Context(), first.Lineage.Snapshot.Holdout, filepath.Join(t.TempDir(), "holdout"))
	if bakeoff.CodeOf(err) != bakeoff.CodeNotFound {
		t.Errorf("an object that is no artifact: %v", err)
	}
	if _, err := m.Version(t.Context(), "churn", 9); bakeoff.CodeOf(err) != bakeoff.CodeNotFound {
		t.Errorf("a version that is not there: %v", err)
	}

	moves := make(chan int, 10)
	stop := fmt.Errorf("seen")
	done := make(chan error, 1)
	go func() {
		done <- m.WatchModels(t.Context(), func(model bakeoff.Model) error {
			moves <- model.Champion()
			if model.Champion() == 2 {
				return stop
			}
			return nil
		})
	}()
	if got := <-moves; got != 1 {
		t.Errorf("champion %d at first", got)
	}
	publish(2)
	if err := n.gateway.Changed("churn"); err != nil {
		t.Fatal(err)
	}
	if got := <-moves; got != 2 {
		t.Errorf("champion %d after the move", got)
	}
	if err := <-done; err != stop {
		t.Errorf("watching ended with %v", err)
	}
	if err := m.Report(t.Context(), []bakeoff.Serving{{Node: "another", Model: "churn", Version: 1, Wanted: 2, Refused: "damaged"}}); err != nil {
		t.Fatal(err)
	}
	live, nodes, why := n.roster.Live("churn", 2)
	if live != 0 || nodes != 1 || len(why) != 1 || why[0] != "edge-1: damaged" {
		t.Errorf("live on %d of %d, refused %v", live, nodes, why)
	}
}
