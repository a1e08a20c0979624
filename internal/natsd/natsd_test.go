package natsd_test

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/natsd"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m, goleak.IgnoreTopFunction(serverTicker)) }

// serverTicker is a goroutine that the server keeps for the whole process.
const serverTicker = "github.com/nats-io/nats-server/v2/server/ats.init.func1"

// The settings that keep acknowledged writes through a power cut, and no port open.
func TestOptionsAreDurableAndClosed(t *testing.T) {
	o := natsd.Options("dir", natsd.Listen{})
	if !o.JetStream || !o.SyncAlways {
		t.Error("writes are not synced before they are acknowledged")
	}
	if o.JetStreamMaxStore <= 0 {
		t.Error("the store's limit would be frozen at what is free at start")
	}
	if !o.DontListen || !o.NoSigs {
		t.Error("the server would open a port or take our signals")
	}
}

func TestSecondHolderIsToldWhoTheFirstIs(t *testing.T) {
	dir := t.TempDir()
	first, err := natsd.Start(context.Background(), dir, slog.Default())
	if err != nil {
		t.Fatal(err)
	}
	_, err = natsd.Start(context.Background(), dir, slog.Default())
	if bakeoff.CodeOf(err) != bakeoff.CodeBusy {
		t.Errorf("second start: %v, want busy", err)
	}
	if err == nil || !strings.Contains(err.Error(), "pid "+strconv.Itoa(os.Getpid())) {
		t.Errorf("%v does not name the holder", err)
	}
	if err := first.Stop(); err != nil {
		t.Fatal(err)
	}
	again, err := natsd.Start(context.Background(), dir, slog.Default())
	if err != nil {
		t.Fatalf("start after the holder stopped: %v", err)
	}
	if err := again.Stop(); err != nil {
		t.Fatal(err)
	}
}

func TestAFolderThatCannotBeWritten(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := natsd.Start(context.Background(), filepath.Join(file, "store"), slog.Default())
	if bakeoff.CodeOf(err) != bakeoff.CodeUnavailable || bakeoff.HintOf(err) == "" {
		t.Errorf("start below a file: %v, want unavailable with a hint", err)
	}
}
