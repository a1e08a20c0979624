package predict_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/dataset"
	"github.com/bakeoffhq/bakeoff/internal/predict"
	"github.com/bakeoffhq/bakeoff/internal/wire"
)

// run runs a Live on a source until the test ends, when every version must be closed.
func run(t *testing.T, s *source) *predict.Live {
	t.Helper()
	live := predict.New(s, "here", slog.New(slog.NewTextHandler(t.Output(), nil)))
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- live.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if n := s.opened.Load(); n != 0 {
			t.Errorf("%d versions are open after the end", n)
		}
		if _, err := live.Acquire(context.Background(), "churn", ""); bakeoff.CodeOf(err) != bakeoff.CodeUnavailable && bakeoff.CodeOf(err) != bakeoff.CodeNotFound {
			t.Errorf("after the end: %v", err)
		}
	})
	return live
}

// answer asks a version for one row.
func answer(live *predict.Live, model, ref string, x float64) (float64, error) {
	m, err := live.Acquire(context.Background(), model, ref)
	if err != nil {
		return 0, err
	}
	defer m.Release()
	r, err := m.Codec().Read(wire.Rows, fmt.Appendf(nil, `{"rows": [{"x": %v}]}`, x), 10)
	if err != nil {
		return 0, err
	}
	defer r.Free()
	p := r.Answers()
	if err := m.ScoreInto(context.Background(), r.Table(), p); err != nil {
		return 0, err
	}
	if got := p.Values[0]; got != float64(m.Codec().Version().Version) {
		return 0, fmt.Errorf("version %d answers %v", m.Codec().Version().Version, got)
	}
	return p.Values[0], nil
}

func wantAnswer(t *testing.T, live *predict.Live, model, ref string, want float64) {
	t.Helper()
	if got, err := answer(live, model, ref, 1); err != nil || got != want {
		t.Errorf("%s@%s answers %v, %v; want %v", model, ref, got, err, want)
	}
}

func wantRefusal(t *testing.T, live *predict.Live, model, ref string, code bakeoff.Code, text string) {
	t.Helper()
	_, err := answer(live, model, ref, 1)
	if bakeoff.CodeOf(err) != code || !strings.Contains(err.Error()+": "+bakeoff.HintOf(err), text) {
		t.Errorf("%s@%s: code %q, %v: %s; want %q, %q", model, ref, bakeoff.CodeOf(err), err, bakeoff.HintOf(err), code, text)
	}
}

func TestTheChampionAnswersAndSoDoOtherVersions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSource()
		s.point("churn", map[string]int{"champion": 2, "previous": 1})
		s.point("fraud", map[string]int{})
		s.point("reported", map[string]int{"champion": 9})
		live := run(t, s)
		synctest.Wait()
		if !live.Ready() {
			t.Error("not ready")
		}
		for ref, want := range map[string]float64{"": 2, "champion": 2, "2": 2, "previous": 1, "1": 1, "7": 7} {
			wantAnswer(t, live, "churn", ref, want)
		}
		wantRefusal(t, live, "chum", "", bakeoff.CodeNotFound, `there is no model "chum": did you mean "churn"?`)
		wantRefusal(t, live, "churn", "10", bakeoff.CodeNotFound, "model churn has no version 10: its newest version is 9")
		wantRefusal(t, live, "churn", "0", bakeoff.CodeNotFound, "model churn has no version 0")
		wantRefusal(t, live, "churn", "canary", bakeoff.CodeNotFound, `model churn has no alias "canary": its aliases are ["champion" "previous"]`)
		wantRefusal(t, live, "churn", "9", bakeoff.CodeConflict, "model churn v9 has no artifact")
		wantRefusal(t, live, "fraud", "", bakeoff.CodeNotFound, "model fraud has no champion")
		wantRefusal(t, live, "reported", "", bakeoff.CodeConflict, "model reported v9 has no artifact")
		if diff := cmp.Diff([]string{"churn", "reported"}, live.Names()); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff([]int{1, 2}, live.Versions("churn")); diff != "" {
			t.Error(diff)
		}
	})
}

// TestADroppedModelAnswersNoMore drops a model, with a request under way, and brings it back.
func TestADroppedModelAnswersNoMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSource()
		s.promote("churn", 1)
		live := run(t, s)
		synctest.Wait()
		held, err := live.Acquire(t.Context(), "churn", "")
		if err != nil {
			t.Fatal(err)
		}
		s.drop("churn")
		synctest.Wait()
		for _, ref := range []string{"", "champion", "1"} {
			wantRefusal(t, live, "churn", ref, bakeoff.CodeNotFound, "model churn was taken out of service: `bakeoff promote churn --version N` brings")
		}
		if names, serving := live.Names(), live.Serving(); len(names) != 0 || len(serving) != 0 || !live.Ready() {
			t.Errorf("names %v, serving %v, ready %v", names, serving, live.Ready())
		}
		if n := s.opened.Load(); n != 1 {
			t.Errorf("%d versions are open, want the one that a request holds", n)
		}
		held.Release()
		synctest.Wait()
		if n := s.opened.Load(); n != 0 {
			t.Errorf("%d versions are open, want none", n)
		}
		s.promote("churn", 2)
		synctest.Wait()
		wantAnswer(t, live, "churn", "", 2)
	})
}

func TestWhatIsOpenIsCheckedWithoutOpeningItAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSource()
		s.promote("churn", 1)
		live := run(t, s)
		synctest.Wait()
		s.promote("churn", 2)
		synctest.Wait()
		opens := s.opens.Load()
		for version, want := range map[int]bool{1: true, 2: true, 3: false} {
			v, _ := s.Version(t.Context(), "churn", version)
			golden, _ := s.Golden(t.Context(), v)
			if open, err := live.Check(t.Context(), v, golden); open != want || err != nil {
				t.Errorf("v%d is open: %v, %v", version, open, err)
			}
			golden.Values[0]++
			if open, err := live.Check(t.Context(), v, golden); open && err == nil {
				t.Errorf("v%d gives an answer that it does not have", version)
			}
			v.Artifact = "sha256:y"
			if open, _ := live.Check(t.Context(), v, golden); open {
				t.Errorf("v%d is taken for a version of another artifact", version)
			}
		}
		if n := s.opens.Load() - opens; n != 0 {
			t.Errorf("%d versions were opened", n)
		}
	})
}

func TestOfManyVersionsAFewStayLoaded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSource()
		s.promote("churn", 1)
		live := run(t, s)
		synctest.Wait()
		for n := 2; n <= 8; n++ {
			wantAnswer(t, live, "churn", fmt.Sprint(n), float64(n))
		}
		synctest.Wait()
		if n := s.opened.Load(); n != 5 {
			t.Errorf("%d versions are open, want the champion and 4", n)
		}
		before := s.opens.Load()
		wantAnswer(t, live, "churn", "5", 5)
		wantAnswer(t, live, "churn", "8", 8)
		if s.opens.Load() != before {
			t.Error("a version that was used lately was opened again")
		}
	})
}

func TestAVersionIsOpenedOnceForAllWhoAsk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSource()
		s.promote("churn", 1)
		s.open = func(_ context.Context, v bakeoff.Version) error {
			time.Sleep(time.Second)
			return nil
		}
		live := run(t, s)
		wantRefusal(t, live, "churn", "", bakeoff.CodeUnavailable, "the models are being loaded")
		synctest.Wait()
		wantRefusal(t, live, "churn", "", bakeoff.CodeUnavailable, "model churn v1 is being loaded")
		if live.Ready() {
			t.Error("ready while it loads")
		}
		time.Sleep(2 * time.Second)
		var all sync.WaitGroup
		for range 20 {
			all.Go(func() { wantAnswer(t, live, "churn", "2", 2) })
		}
		all.Wait()
		if n := s.opens.Load(); n != 2 {
			t.Errorf("opened %d times, want 2", n)
		}
	})
}

func TestASwapLetsTheOldFinishAndBackIsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSource()
		s.promote("churn", 1)
		live := run(t, s)
		synctest.Wait()
		old, err := live.Acquire(t.Context(), "churn", "")
		if err != nil {
			t.Fatal(err)
		}
		for n := 2; n <= 8; n++ {
			s.promote("churn", n)
			synctest.Wait()
			wantAnswer(t, live, "churn", "", float64(n))
		}
		var p bakeoff.Predictions
		err = old.ScoreInto(t.Context(), &dataset.Table{Rows: 1, Columns: []dataset.Column{{Name: "x", Kind: bakeoff.KindNumber, Numbers: []float64{1}}}}, &p)
		if err != nil || p.Values[0] != 1 {
			t.Errorf("the request that began before the swap: %v, %v", p, err)
		}
		if n := s.opened.Load(); n != 6 {
			t.Errorf("%d versions are open, want the champion, 4 before it, and the one in use", n)
		}
		old.Release()
		synctest.Wait()
		if n := s.opened.Load(); n != 5 {
			t.Errorf("%d versions are open, want 5", n)
		}
		before := s.opens.Load()
		s.promote("churn", 7)
		synctest.Wait()
		wantAnswer(t, live, "churn", "", 7)
		if s.opens.Load() != before {
			t.Error("going back opened the version again")
		}
	})
}

func TestAChampionThatCannotAnswerGetsNoRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSource()
		var mended atomic.Bool
		s.golden = func(v bakeoff.Version) float64 {
			if v.Version == 2 && !mended.Load() {
				return math.Pi
			}
			return float64(v.Version)
		}
		s.promote("churn", 1)
		live := run(t, s)
		synctest.Wait()
		s.promote("churn", 2)
		synctest.Wait()
		wantAnswer(t, live, "churn", "", 1)
		want := []bakeoff.Serving{{Node: "here", Model: "churn", Version: 1, Wanted: 2, Refused: "check golden answers: golden answer 1 differs"}}
		got := live.Serving()
		got[0].Beat, got[0].Loaded = time.Time{}, time.Time{}
		if diff := cmp.Diff(want, got); diff != "" || !live.Ready() {
			t.Error(live.Ready(), diff)
		}
		before := s.opens.Load()
		time.Sleep(10 * time.Minute)
		if n := s.opens.Load() - before; n < 8 || n > 20 {
			t.Errorf("tried %d times in ten minutes", n)
		}
		mended.Store(true)
		time.Sleep(2 * time.Minute)
		wantAnswer(t, live, "churn", "", 2)
		if r := live.Serving()[0]; r.Refused != "" || r.Version != 2 {
			t.Errorf("%+v", r)
		}
	})
}

func TestARefusedChampionMayBeFollowedByAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSource()
		s.open = func(_ context.Context, v bakeoff.Version) error {
			if v.Version == 1 {
				return errors.New("no such object")
			}
			return nil
		}
		s.promote("churn", 1)
		live := run(t, s)
		synctest.Wait()
		wantRefusal(t, live, "churn", "", bakeoff.CodeUnavailable, "model churn v1 cannot answer: no such object: `bakeoff rollback churn`")
		if !live.Ready() {
			t.Error("one bad model takes the node away")
		}
		s.promote("churn", 2)
		synctest.Wait()
		wantAnswer(t, live, "churn", "", 2)
	})
}

func TestASlowLoadHoldsUpNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSource()
		s.open = func(ctx context.Context, v bakeoff.Version) error {
			if v.Version != 3 {
				return nil
			}
			<-ctx.Done()
			return context.Cause(ctx)
		}
		s.promote("churn", 1)
		s.promote("fraud", 1)
		live := run(t, s)
		synctest.Wait()
		s.promote("churn", 3) // hangs
		s.promote("fraud", 2)
		synctest.Wait()
		wantAnswer(t, live, "churn", "", 1)
		wantAnswer(t, live, "fraud", "", 2)
		wantRefusal(t, live, "churn", "3", bakeoff.CodeUnavailable, "model churn v3 is being loaded")
		s.promote("churn", 4) // does not wait for 3
		synctest.Wait()
		wantAnswer(t, live, "churn", "", 4)
		s.promote("churn", 3)
		time.Sleep(6 * time.Minute)
		if got := live.Serving()[0]; got.Version != 4 || !strings.Contains(got.Refused, "not loaded within 5m0s") {
			t.Errorf("%+v", got)
		}
	})
}

func TestAFailedVersionIsNotTriedForEveryRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSource()
		s.open = func(_ context.Context, v bakeoff.Version) error {
			if v.Version == 2 {
				return errors.New("damaged")
			}
			return nil
		}
		s.promote("churn", 1)
		live := run(t, s)
		synctest.Wait()
		for range 10 {
			wantRefusal(t, live, "churn", "2", bakeoff.CodeUnavailable, "model churn v2 cannot answer: damaged")
		}
		if n := s.opens.Load(); n != 2 {
			t.Errorf("opened %d times", n)
		}
		time.Sleep(6 * time.Second)
		wantRefusal(t, live, "churn", "2", bakeoff.CodeUnavailable, "damaged")
		if n := s.opens.Load(); n != 3 {
			t.Errorf("opened %d times", n)
		}
	})
}

func TestASerialModelKeepsAShortQueueAndSaysNothingOfItsRows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSource()
		s.serial = true
		s.promote("churn", 1)
		live := run(t, s)
		synctest.Wait()
		wantAnswer(t, live, "churn", "", 1)
		_, err := answer(live, "churn", "", -1)
		if bakeoff.CodeOf(err) != bakeoff.CodeUnavailable || strings.Contains(err.Error(), "4111") {
			t.Errorf("a process that dies: %v", err)
		}
		var all sync.WaitGroup
		all.Go(func() {
			if got, err := answer(live, "churn", "", slowFrom+1); got != 1 || err != nil {
				t.Errorf("a slow answer: %v, %v", got, err)
			}
		})
		synctest.Wait()
		began := time.Now()
		for range 70 {
			all.Go(func() {
				if _, err := answer(live, "churn", "", 1); bakeoff.CodeOf(err) != bakeoff.CodeOverload || time.Since(began) > time.Second {
					t.Errorf("behind a slow answer, after %v: %v", time.Since(began), err)
				}
			})
		}
		all.Wait()
		wantAnswer(t, live, "churn", "", 1)
	})
}

// TestEveryAnswerIsOneOfTheTwoWhileTheChampionMoves asks as fast as it can while the champion moves
// back and forth.
func TestEveryAnswerIsOneOfTheTwoWhileTheChampionMoves(t *testing.T) {
	s := newSource()
	s.promote("churn", 1)
	live := run(t, s)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for !live.Ready() && ctx.Err() == nil {
		time.Sleep(time.Millisecond)
	}
	var stop atomic.Bool
	var asked, seen [2]atomic.Int64
	var all sync.WaitGroup
	for i := range 2 {
		all.Go(func() {
			for !stop.Load() {
				got, err := answer(live, "churn", "", 1)
				if err != nil || got != 1 && got != 2 {
					t.Errorf("answer %v, %v", got, err)
					return
				}
				asked[i].Add(1)
				seen[int(got)-1].Add(1)
			}
		})
	}
	for n := range 200 {
		s.promote("churn", 1+n%2)
		time.Sleep(2 * time.Millisecond)
	}
	stop.Store(true)
	all.Wait()
	if asked[0].Load() == 0 || asked[1].Load() == 0 || seen[0].Load() == 0 || seen[1].Load() == 0 {
		t.Errorf("asked %d and %d times, answered by 1 %d times and by 2 %d times", asked[0].Load(), asked[1].Load(), seen[0].Load(), seen[1].Load())
	}
	if n := s.opens.Load(); n != 2 {
		t.Errorf("two versions were opened %d times", n)
	}
}
