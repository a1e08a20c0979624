package app

import (
	"log/slog"
	"os"
	"os/exec"
	"testing"
)

// A process that a killed node has left behind is ended when the store is opened again, and no other.
func TestWhatAKilledNodeHasLeftBehindIsEnded(t *testing.T) {
	t.Parallel()
	dir, log := t.TempDir(), slog.New(slog.NewTextHandler(t.Output(), nil))
	mark, err := sweepStore(dir, log)
	if err != nil {
		t.Fatal(err)
	}
	other, err := sweepStore(t.TempDir(), log)
	if err != nil || other == mark {
		t.Fatalf("another store's mark is %q beside %q (%v)", other, mark, err)
	}
	left, neighbour := sleeper(t, mark), sleeper(t, other)
	again, err := sweepStore(dir, log)
	if err != nil || again != mark {
		t.Errorf("the mark is %q, and was %q (%v)", again, mark, err)
	}
	if state, err := left.Process.Wait(); err != nil || state.Success() {
		t.Errorf("what was left behind ended with %v (%v)", state, err)
	}
	if err := neighbour.Process.Kill(); err != nil {
		t.Errorf("a process of another store: %v", err)
	}
	_ = neighbour.Wait()
}

func sleeper(t *testing.T, mark string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command("/bin/sleep", "20")
	cmd.Env = append(os.Environ(), "BAKEOFF_ATTEMPT="+mark+".0123")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd
}
