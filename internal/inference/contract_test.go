package inference_test

import (
	"bufio"
	"bytes"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bakeoffhq/bakeoff/internal/inference"
)

var update = flag.Bool("update", false, "write the answers of the contract files anew")

// The lines between the exchanges of a contract file, and between request and answer.
const (
	between = "\n==========\n"
	within  = "\n----------\n"
)

// TestContract sends the requests of the files in testdata and compares the answers to the byte.
func TestContract(t *testing.T) {
	s := newSource()
	s.add("churn", train(t, small))
	s.add("churn", train(t, small))
	s.add("sum", train(t, pair))
	several := serve(t, s, inference.Options{MaxRows: 3, MaxBody: 1 << 10, Version: "1.4.0"})
	s = newSource()
	s.add("sum", train(t, pair))
	one := serve(t, s, inference.Options{Version: "1.4.0"})
	none := serve(t, newSource(), inference.Options{})
	for file, handler := range map[string]http.Handler{
		"plain.txt": several, "tensors.txt": several, "mlflow.txt": several, "one.txt": one, "none.txt": none,
	} {
		t.Run(file, func(t *testing.T) { contract(t, filepath.Join("testdata", file), handler) })
	}
}

func contract(t *testing.T, path string, handler http.Handler) {
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	exchanges := strings.Split(strings.TrimSuffix(string(text), "\n"), between)
	for i, exchange := range exchanges {
		request, want, _ := strings.Cut(exchange, within)
		got := exchangeOf(t, handler, request)
		if diff := cmp.Diff(want, got); diff != "" && !*update {
			t.Errorf("%s\n-want +got:\n%s", request, diff)
		}
		exchanges[i] = request + within + got
	}
	if *update {
		if err := os.WriteFile(path, []byte(strings.Join(exchanges, between)+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// exchangeOf sends a request as it is in a file and returns the answer in the same form.
func exchangeOf(t *testing.T, handler http.Handler, text string) string {
	t.Helper()
	head, body, _ := strings.Cut(text, "\n\n")
	for line := range strings.Lines(head) {
		if line[0] == '#' {
			head = strings.TrimPrefix(head, line)
		}
	}
	first, rest, _ := strings.Cut(head, "\n")
	if rest != "" {
		rest += "\n"
	}
	raw := fmt.Sprintf("%s HTTP/1.1\nHost: x\nContent-Length: %d\n%s\n%s", first, len(body), rest, body)
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(raw)))
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	var out bytes.Buffer
	fmt.Fprintln(&out, w.Code)
	header := w.Header()
	header.Del("Content-Length")
	for _, name := range slices.Sorted(func(yield func(string) bool) {
		for name := range header {
			if !yield(name) {
				return
			}
		}
	}) {
		fmt.Fprintf(&out, "%s: %s\n", name, strings.Join(header[name], ", "))
	}
	return out.String() + "\n" + strings.TrimSuffix(w.Body.String(), "\n")
}
