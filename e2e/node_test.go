package e2e_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// node is a running `bakeoff up`.
type node struct {
	t    testing.TB
	cmd  *exec.Cmd
	url  string
	at   addresses
	log  *buffer
	says chan string   // the first line that it prints
	done chan struct{} // closed when the process has ended
	err  error         // of its end; read after done
}

// addresses is what a process says of itself when it is ready.
type addresses struct{ URL, NATS string }

// buffer is a writer that may be read meanwhile.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// startNode starts a node in a folder, on a free port, and waits until it is ready. It is ended by
// the test's cleanup unless it has ended before.
func startNode(t testing.TB, dir string, args ...string) *node {
	t.Helper()
	n := newNode(t, dir, args...)
	if !n.ready() {
		<-n.done
		t.Fatalf("the node did not start: %v\n%s", n.err, n.log)
	}
	return n
}

func newNode(t testing.TB, dir string, args ...string) *node {
	t.Helper()
	args = append([]string{"up", "--json", "--drain", "0s"}, args...)
	if !strings.Contains(strings.Join(args, " "), "--listen") {
		args = append(args, "--listen", "127.0.0.1:0")
	}
	return launch(t, program(t, dir, args...))
}

// launch starts a command that prints where it is found, and waits until it has or has ended.
func launch(t testing.TB, c *exec.Cmd) *node {
	t.Helper()
	n := begin(t, c)
	n.await()
	return n
}

// begin starts a command that prints where it is found.
func begin(t testing.TB, c *exec.Cmd) *node {
	t.Helper()
	n := &node{t: t, cmd: c, log: &buffer{}, says: make(chan string, 1), done: make(chan struct{})}
	c.Stderr = n.log
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(n.done)
		r := bufio.NewReader(out)
		line, _ := r.ReadString('\n') // "" from a process that has nothing to say
		n.says <- line
		_, _ = io.Copy(n.log, r) // ends with the process
		n.err = c.Wait()
	}()
	t.Cleanup(n.stop)
	return n
}

// await waits until the process has said where it is, or has ended.
func (n *node) await() {
	n.t.Helper()
	select {
	case line := <-n.says:
		if json.Unmarshal([]byte(line), &n.at) != nil {
			n.at = addresses{}
		}
		n.url = n.at.URL
	case <-time.After(60 * time.Second):
		n.kill()
		n.t.Fatalf("the node said nothing for a minute\n%s", n.log)
	}
}

// ready reports whether the node has said where it is.
func (n *node) ready() bool { return n.url != "" }

// kill ends the node as a power cut would, and waits for it.
func (n *node) kill() {
	_ = n.cmd.Process.Kill() // it may have ended
	<-n.done
}

// stop ends the node in good order and waits for it.
func (n *node) stop() {
	_ = n.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
	select {
	case <-n.done:
	case <-time.After(60 * time.Second):
		n.kill()
		n.t.Errorf("the node did not end within a minute of SIGTERM\n%s", n.log)
	}
	var exit *exec.ExitError
	if errors.As(n.err, &exit) && exit.Exited() { // not by a kill
		n.t.Errorf("the node ended with %v\n%s", n.err, n.log)
	}
	if strings.Contains(n.log.String(), "DATA RACE") {
		n.t.Errorf("the node has a data race\n%s", n.log)
	}
}

// get reads a JSON document of the node's API.
func (n *node) get(path string, answer any) error {
	res, err := http.Get(n.url + path)
	if err != nil {
		return err
	}
	return decode(res, answer)
}

// post sends a JSON document and reads another.
func (n *node) post(path, body string, answer any) error {
	res, err := http.Post(n.url+path, "application/json", strings.NewReader(body))
	if err != nil {
		return err
	}
	return decode(res, answer)
}

func decode(res *http.Response, answer any) error {
	defer func() { _ = res.Body.Close() }() // read to its end, or of no interest
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	if res.StatusCode/100 != 2 {
		return fmt.Errorf("%s: %s", res.Status, text)
	}
	if answer == nil {
		return nil
	}
	return json.Unmarshal(text, answer)
}

func unmarshal(t testing.TB, text []byte, to any) {
	t.Helper()
	if err := json.Unmarshal(text, to); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
}

// until waits for a condition, which it looks at every few milliseconds.
func until(t testing.TB, what string, most time.Duration, holds func() bool) {
	t.Helper()
	deadline := time.Now().Add(most)
	for !holds() {
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s", most, what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// edit replaces text in a file.
func edit(t testing.TB, path string, pairs ...string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(pairs); i += 2 {
		if !bytes.Contains(text, []byte(pairs[i])) {
			t.Fatalf("%s has no %q", path, pairs[i])
		}
		text = bytes.ReplaceAll(text, []byte(pairs[i]), []byte(pairs[i+1]))
	}
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
}
