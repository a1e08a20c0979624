package app

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/client"
)

// TestARunOfAFileIsNoScheduleOfIt applies files over the socket, as `bakeoff run FILE` does: the one that the
// node was given has its new ticks, another has none.
func TestARunOfAFileIsNoScheduleOfIt(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "mine.yaml")
	write(t, path, pipelineText("mine"), 1)
	up, stop := goUp(t, filepath.Join(dir, "store"), Service{Files: []string{path}})
	apply := func(name, path, hour string) client.Pipeline {
		t.Helper()
		text := strings.Replace(pipelineText(name), "0 5 1 1 *", "0 "+hour+" 1 1 *", 1)
		p, err := up.Client.Apply(t.Context(), name, client.PipelineText{Path: path, Text: text})
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	if p := apply("other", filepath.Join(dir, "other.yaml"), "6"); p.Next != nil || p.Revision == "" {
		t.Errorf("a file that the node was not given has the next tick %v, revision %q", p.Next, p.Revision)
	}
	if p := apply("mine", filepath.Join(dir, "copy.yaml"), "6"); p.Next == nil || p.Next.Time.Hour() != 5 {
		t.Errorf("with another file of its name, the next tick is %v", p.Next)
	}
	if p := apply("mine", path, "6"); p.Next == nil || p.Next.Time.Hour() != 6 {
		t.Errorf("with its own file edited, the next tick is %v", p.Next)
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
}

// record is a log that may be read meanwhile.
type record struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (r *record) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.Write(p)
}

func (r *record) count(text string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return strings.Count(r.text.String(), text)
}

// TestAFileThatIsTakenInIsLogged reads an edit, a mistake, and its mending.
func TestAFileThatIsTakenInIsLogged(t *testing.T) {
	path := filepath.Join(t.TempDir(), "p.yaml")
	write(t, path, pipelineText("p"), 1)
	config := DefaultConfig(t.TempDir())
	var log record
	config.Log = slog.New(slog.NewTextHandler(&log, nil))
	n, err := Open(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	}()
	u := &up{Node: n, files: &files{named: []string{path}, lookup: os.LookupEnv}}
	texts := []string{pipelineText("p"), "name: p\ncandidates: nonsense\n", pipelineText("p")}
	for i, text := range texts {
		write(t, path, text, i)
		changes, err := u.files.look()
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range changes {
			if err := u.changed(t.Context(), c); err != nil {
				t.Fatal(err)
			}
		}
	}
	line := `msg="pipeline applied" pipeline=p revision=` + bakeoff.DigestOf([]byte(pipelineText("p"))).Short()
	if n := log.count(line); n != 2 {
		t.Errorf("%d lines of %q", n, line)
	}
}

// TestQueuesThatNobodyServes asks a node what a person should see to.
func TestQueuesThatNobodyServes(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "p.yaml")
	text := pipelineText("p") + "  - {name: big, trainer: logistic_regression, queue: gpu}\n"
	write(t, path, text, 1)
	for _, test := range []struct {
		queues []string
		slots  int
		want   string
	}{
		{[]string{"default"}, 1, "candidate big of p builds on the queue gpu, which this node does not serve: add --queue gpu, or join a worker"},
		{[]string{"default", "gpu"}, 1, ""},
	} {
		config := DefaultConfig(filepath.Join(dir, "store"))
		config.Log, config.Queues, config.Slots = slog.New(slog.NewTextHandler(t.Output(), nil)), test.queues, test.slots
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		got := ""
		err := Up(ctx, config, Service{Listen: Listen{Address: "127.0.0.1:0"}, Files: []string{path}}, func(ctx context.Context, r Running) error {
			defer cancel()
			node, err := r.Client.Node(ctx)
			got = strings.Join(node.Problems, "\n")
			return err
		})
		cancel()
		if err != nil || got != test.want {
			t.Errorf("serving %v, a person is told %q, %v; want %q", test.queues, got, err, test.want)
		}
	}
}
