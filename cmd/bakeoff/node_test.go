package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// patience bounds how long a script waits for something that is to come by itself.
const patience = time.Minute

// awaitUp waits until a node answers and sets URL, ADDRESS, PORT, ADMIN and NATS to where: awaitup [STORE].
func awaitUp(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) > 1 {
		ts.Fatalf("usage: awaitup [STORE]")
	}
	store := ".bakeoff"
	if len(args) == 1 {
		store = args[0]
	}
	path := filepath.Join(ts.MkAbs(store), "node.json")
	for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		if answers(ts, path) {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("no node within %v in %s", patience, store)
		}
	}
}

// answers reports whether the node answers whose addresses stand in a file, and sets the variables.
func answers(ts *testscript.TestScript, path string) bool {
	var a struct {
		Socket, URL, NATS string
		Admin             string `json:"admin_url"`
	}
	text, err := os.ReadFile(path)
	if err != nil || json.Unmarshal(text, &a) != nil {
		return false
	}
	conn, err := net.Dial("unix", a.Socket)
	if err != nil {
		return false // of a node that has ended
	}
	ts.Check(conn.Close())
	u, err := url.Parse(a.URL)
	ts.Check(err)
	for key, value := range map[string]string{"URL": a.URL, "ADDRESS": u.Host, "PORT": u.Port(), "ADMIN": a.Admin, "NATS": a.NATS} {
		ts.Setenv(key, value)
	}
	return true
}

// await runs the program again and again until its stdout matches: await REGEXP ARG...
func await(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: await REGEXP ARG...")
	}
	want := regexp.MustCompile(args[0])
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		_ = ts.Exec("bakeoff", args[1:]...) // it may fail until it matches, and then, too
		if want.MatchString(ts.ReadFile("stdout")) {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("no match for %q within %v", want, patience)
		}
	}
}

// gone waits until the process has ended whose number stands in a file: gone FILE.
func gone(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: gone FILE")
	}
	pid := strings.TrimSpace(ts.ReadFile(args[0]))
	for deadline := time.Now().Add(patience); ts.Exec("kill", "-0", pid) == nil; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			ts.Fatalf("process %s is there still", pid)
		}
	}
}

// ask sends a request and writes the status, Retry-After and the body to the script's stdout:
// ask URL [BODY]. TOKEN is sent if it is set, and CERT is trusted. A body of "@zeros N" is N zero
// bytes, one of "@rows N" N rows. A post is what has a body.
func ask(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 || len(args) > 2 {
		ts.Fatalf("usage: ask URL [BODY]")
	}
	request, err := http.NewRequest(http.MethodGet, args[0], nil)
	if len(args) == 2 {
		request, err = http.NewRequest(http.MethodPost, args[0], body(ts, args[1]))
	}
	ts.Check(err)
	if len(args) == 2 { // what curl -d sends
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	if token := ts.Getenv("TOKEN"); token != "" {
		request.Header.Set("Authorization", "Bearer "+strings.TrimSpace(token))
	}
	client := asker(ts)
	defer client.CloseIdleConnections()
	answer, err := client.Do(request)
	ts.Check(err)
	defer func() { _ = answer.Body.Close() }() // read to its end
	text, err := io.ReadAll(answer.Body)
	ts.Check(err)
	fmt.Fprintf(ts.Stdout(), "%s\n", answer.Status)
	if after := answer.Header.Get("Retry-After"); after != "" {
		fmt.Fprintf(ts.Stdout(), "Retry-After: %s\n", after)
	}
	fmt.Fprintf(ts.Stdout(), "%s\n", text)
}

func asker(ts *testscript.TestScript) *http.Client {
	transport := &http.Transport{}
	if cert := ts.Getenv("CERT"); cert != "" {
		pool := x509.NewCertPool()
		pool.AppendCertsFromPEM([]byte(ts.ReadFile(cert)))
		transport.TLSClientConfig = &tls.Config{RootCAs: pool}
	}
	return &http.Client{Transport: transport, Timeout: patience}
}

func body(ts *testscript.TestScript, text string) io.Reader {
	kind, count, ok := strings.Cut(text, " ")
	if !ok || !strings.HasPrefix(kind, "@") {
		return strings.NewReader(text)
	}
	n, err := strconv.ParseInt(count, 10, 64)
	ts.Check(err)
	if kind == "@zeros" {
		return io.LimitReader(zeros{}, n)
	}
	var b bytes.Buffer
	b.WriteString(`{"rows": [`)
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(`{"x": 1, "colour": "red"}`)
	}
	b.WriteString(`]}`)
	return &b
}

// zeros never ends.
type zeros struct{}

func (zeros) Read(b []byte) (int, error) {
	clear(b)
	return len(b), nil
}

// slow holds connections whose requests never end, half of them in their headers, half in their
// bodies, and asks meanwhile: slow COUNT URL [BODY].
func slow(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: slow COUNT URL [BODY]")
	}
	n, err := strconv.Atoi(args[0])
	ts.Check(err)
	u, err := url.Parse(args[1])
	ts.Check(err)
	head := fmt.Sprintf("POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: 100\r\n", u.Path, u.Host)
	for i := range n {
		conn, err := net.Dial("tcp", u.Host)
		ts.Check(err)
		defer func() { _ = conn.Close() }() // the node may have closed it
		_, err = io.WriteString(conn, head+strings.Repeat("\r\n{", i%2))
		ts.Check(err)
	}
	started := time.Now()
	ask(ts, false, args[1:])
	if took := time.Since(started); took > 2*time.Second {
		ts.Fatalf("the answer took %v beside %d slow connections", took, n)
	}
}

// certificate writes a certificate of this machine, signed by itself, and its key: certificate CERT KEY.
func certificate(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: certificate CERT KEY")
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	ts.Check(err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "a node"}, NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	ts.Check(err)
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	ts.Check(err)
	ts.Check(errors.Join(
		os.WriteFile(ts.MkAbs(args[0]), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600),
		os.WriteFile(ts.MkAbs(args[1]), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}), 0o600),
	))
}

// setFrom sets a variable to what a file holds, without the newline: setfrom NAME FILE.
func setFrom(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: setfrom NAME FILE")
	}
	ts.Setenv(args[0], strings.TrimSpace(ts.ReadFile(args[1])))
}

// guess asks with one wrong token after the other until the node has had enough: guess URL. The
// last answer is the script's stdout.
func guess(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: guess URL")
	}
	for i := range 100 {
		ts.Setenv("TOKEN", fmt.Sprintf("wrong-%d", i))
		ask(ts, false, []string{args[0], `{"rows": []}`})
	}
}
