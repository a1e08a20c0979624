package e2e_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/client"
)

// load sends a request again and again, at moments that do not depend on the answers, and measures
// from those moments, so that a stall counts for every request that it delays. Nothing is sent twice:
// a connection that breaks is a failed request.
type load struct {
	addr        string
	request     []byte
	rate        float64 // requests a second
	connections int
	check       func(status int, body []byte) error
}

// run sends until ctx ends, and returns how long each answer took, sorted.
func (l load) run(ctx context.Context, t *testing.T) []time.Duration {
	t.Helper()
	var next atomic.Int64
	var all sync.WaitGroup
	took := make([][]time.Duration, l.connections)
	start := time.Now()
	for i := range l.connections {
		all.Go(func() {
			c := &caller{addr: l.addr}
			defer c.close()
			for {
				due := start.Add(time.Duration(float64(next.Add(1)-1) / l.rate * 1e9))
				select {
				case <-ctx.Done():
					return
				case <-time.After(time.Until(due)):
				}
				status, body, err := c.ask(l.request)
				if err == nil {
					err = l.check(status, body)
				}
				if err != nil {
					t.Errorf("%v after the start a request failed: %v", time.Since(start).Round(time.Millisecond), err)
					return
				}
				took[i] = append(took[i], time.Since(due))
			}
		})
	}
	all.Wait()
	merged := slices.Concat(took...)
	slices.Sort(merged)
	return merged
}

// percentile returns the value under which a share of sorted values lies.
func percentile(sorted []time.Duration, share float64) time.Duration {
	return sorted[min(int(share*float64(len(sorted))), len(sorted)-1)]
}

// caller is a connection that is kept for as long as the server likes.
type caller struct {
	addr    string
	c       net.Conn // nil before the first request, and after one that was to be the last
	answers *bufio.Reader
	body    []byte
}

func (c *caller) close() {
	if c.c != nil {
		_ = c.c.Close() // all is read
		c.c = nil
	}
}

func (c *caller) ask(request []byte) (status int, body []byte, err error) {
	if c.c == nil {
		if c.c, err = net.Dial("tcp", c.addr); err != nil {
			return 0, nil, err
		}
		c.answers = bufio.NewReader(c.c)
	}
	if err := c.c.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		return 0, nil, err
	}
	if _, err = c.c.Write(request); err != nil {
		return 0, nil, err
	}
	return c.answer()
}

// answer reads an answer that has a length. It costs the machine, which the load shares with the
// node, less than net/http's client.
func (c *caller) answer() (status int, body []byte, err error) {
	length, last := 0, false
	for first := true; ; first = false {
		line, err := c.answers.ReadSlice('\n')
		if err != nil {
			return 0, nil, err
		}
		line = bytes.TrimRight(line, "\r\n")
		if len(line) == 0 {
			break
		}
		name, value, _ := bytes.Cut(line, []byte(": "))
		switch {
		case first:
			_, rest, _ := bytes.Cut(line, []byte(" "))
			status, err = strconv.Atoi(string(rest[:min(3, len(rest))]))
		case bytes.EqualFold(name, []byte("content-length")):
			length, err = strconv.Atoi(string(value))
		case bytes.EqualFold(name, []byte("connection")):
			last = bytes.EqualFold(value, []byte("close"))
		}
		if err != nil {
			return 0, nil, err
		}
	}
	c.body = slices.Grow(c.body[:0], length)[:length]
	if _, err := io.ReadFull(c.answers, c.body); err != nil {
		return 0, nil, err
	}
	if last {
		c.close()
	}
	return status, c.body, nil
}

// rawPost returns a request as it goes over the line.
func rawPost(path string, body []byte) []byte {
	return fmt.Appendf(nil, "POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", path, len(body), body)
}

// churnStore writes the demo's pipeline into a folder, runs it, and has a second of its candidates
// promoted beside its champion: the model churn has versions 1 and 2, and 2 is the champion. Without
// -long it takes a part of the rows, and small models.
func churnStore(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("../examples/churn")); err != nil {
		t.Fatal(err)
	}
	if !*long {
		data, file := filepath.Join(dir, "telco_churn.csv"), filepath.Join(dir, "churn.yaml")
		text, err := os.ReadFile(data)
		if err != nil {
			t.Fatal(err)
		}
		lines := bytes.SplitAfterN(text, []byte("\n"), 1001)
		if err := os.WriteFile(data, bytes.Join(lines[:1000], nil), 0o600); err != nil {
			t.Fatal(err)
		}
		edit(t, file, "trainer: random_forest}", "trainer: random_forest, params: {trees: 10}}",
			"trainer: gradient_boosting}", "trainer: gradient_boosting, params: {iterations: 10}}", "{roc_auc: 0.80}", "{roc_auc: 0.5}")
	}
	if out, err := program(t, dir, "run", "churn.yaml").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	out, err := program(t, dir, "promote", "churn", "--candidate", "forest", "--force", "--reason", "a second version").CombinedOutput()
	if err != nil && bytes.Contains(out, []byte("champion of churn already")) { // the forest was the best
		out, err = program(t, dir, "promote", "churn", "--candidate", "logistic", "--force", "--reason", "a second version").CombinedOutput()
	}
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return dir
}

// churnRequest returns the first row of the demo's data as a request for a prediction.
func churnRequest(t *testing.T, c *client.Client) []byte {
	t.Helper()
	model, err := c.Model(t.Context(), "churn")
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile("../examples/churn/telco_churn.csv")
	if err != nil {
		t.Fatal(err)
	}
	lines := csv.NewReader(bytes.NewReader(text))
	names, err := lines.Read()
	if err != nil {
		t.Fatal(err)
	}
	values, err := lines.Read()
	if err != nil {
		t.Fatal(err)
	}
	row := map[string]any{}
	for _, column := range model.Versions[0].Lineage.Snapshot.Schema.Columns {
		value := values[slices.Index(names, column.Name)]
		row[column.Name] = value
		if column.Kind == bakeoff.KindInteger || column.Kind == bakeoff.KindNumber {
			row[column.Name] = json.Number(value)
		}
	}
	body, err := json.Marshal(map[string]any{"rows": []any{row}})
	if err != nil {
		t.Fatal(err)
	}
	return body
}

// answers returns what a node says to a request for a prediction, version by version from 1.
func (n *node) answers(t *testing.T, body []byte, versions int) (all []string) {
	t.Helper()
	for v := range versions {
		c := &caller{addr: n.addr()}
		status, answer, err := c.ask(rawPost(fmt.Sprintf("/predict/churn/versions/%d", v+1), body))
		if err != nil || status != http.StatusOK {
			t.Fatalf("status %d, %v: %s", status, err, answer)
		}
		all = append(all, string(answer))
		c.close()
	}
	return all
}

// addr returns where the node listens.
func (n *node) addr() string { return strings.TrimPrefix(n.url, "http://") }
