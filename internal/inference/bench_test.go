package inference_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"

	"github.com/bakeoffhq/bakeoff/internal/inference"
	"github.com/bakeoffhq/bakeoff/internal/learn"
)

// sink takes an answer and forgets it.
type sink struct {
	header http.Header
	status int
}

func (s *sink) Header() http.Header         { return s.header }
func (s *sink) Write(b []byte) (int, error) { return len(b), nil }
func (s *sink) WriteHeader(status int)      { s.status = status }

// request returns a body of so many rows of the demo's holdout.
func request(tb testing.TB, rows []map[string]any) []byte {
	tb.Helper()
	body, err := json.Marshal(map[string]any{"rows": rows})
	if err != nil {
		tb.Fatal(err)
	}
	return body
}

// BenchmarkPredict measures the handler alone, from the bytes of a body to those of the answer.
func BenchmarkPredict(b *testing.B) {
	for _, learner := range []string{learn.LogisticRegression, learn.GradientBoosting, learn.RandomForest} {
		s := newSource()
		m, holdout := churn(b, learner)
		s.add("churn", m)
		handler := serve(b, s, inference.Options{})
		for _, n := range []int{1, 1_000} {
			body := request(b, holdout.Table.ToRows(0, n))
			b.Run(fmt.Sprintf("%s/rows=%d", learner, n), func(b *testing.B) {
				w := &sink{header: http.Header{}}
				reader := bytes.NewReader(nil)
				r := httptest.NewRequest(http.MethodPost, "/predict/churn", nil)
				r.Header.Set("Content-Type", "application/json")
				r.ContentLength = int64(len(body))
				b.ReportAllocs()
				for b.Loop() {
					reader.Reset(body)
					r.Body = io.NopCloser(reader)
					handler.ServeHTTP(w, r)
				}
				if w.status != 0 {
					b.Fatalf("status %d", w.status)
				}
			})
		}
	}
}

// BenchmarkPredictOverHTTP measures single-row requests over loopback, with connections that are
// kept, as a client sees it.
func BenchmarkPredictOverHTTP(b *testing.B) {
	s := newSource()
	m, holdout := churn(b, learn.LogisticRegression)
	s.add("churn", m)
	server := httptest.NewServer(serve(b, s, inference.Options{}))
	defer server.Close()
	asked := raw("/predict/churn", request(b, holdout.Table.ToRows(0, 1)))
	b.SetParallelism(8)
	b.RunParallel(func(pb *testing.PB) {
		c, err := net.Dial("tcp", server.Listener.Addr().String())
		if err != nil {
			b.Error(err)
			return
		}
		defer func() { _ = c.Close() }()
		answers := bufio.NewReader(c)
		for pb.Next() {
			if _, err := c.Write(asked); err != nil {
				b.Error(err)
				return
			}
			if _, _, err := readAnswer(answers, nil); err != nil {
				b.Error(err)
				return
			}
		}
	})
}

// raw returns a request as it goes over the wire.
func raw(path string, body []byte) []byte {
	return fmt.Appendf(nil, "POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", path, len(body), body)
}

// readAnswer reads an answer with a length, into body if it has the room, and costs a load
// generator less than net/http's client.
func readAnswer(r *bufio.Reader, body []byte) (status int, _ []byte, err error) {
	length := 0
	for first := true; ; first = false {
		line, err := r.ReadSlice('\n')
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
		}
		if err != nil {
			return 0, nil, err
		}
	}
	if cap(body) < length {
		body = make([]byte, length)
	}
	body = body[:length]
	_, err = io.ReadFull(r, body)
	return status, body, err
}
