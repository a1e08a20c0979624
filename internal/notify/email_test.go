package notify_test

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"log"
	"math/big"
	"net"
	"net/mail"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/bakeoffhq/bakeoff"
)

// authority is a certificate for localhost that this process trusts: system roots are read once, from
// SSL_CERT_FILE where it is set.
var authority tls.Certificate

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "authority-")
	if err == nil {
		err = trust(filepath.Join(dir, "ca.pem"))
	}
	if err != nil {
		log.Fatal(err)
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		_ = os.RemoveAll(dir)
		os.Exit(code)
	}))
}

func trust(path string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		DNSNames: []string{"localhost"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return err
	}
	authority = tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		return err
	}
	return os.Setenv("SSL_CERT_FILE", path)
}

// mailServer speaks as much SMTP as a client needs (RFC 5321), and answers some commands as a test says.
type mailServer struct {
	certificate tls.Certificate
	implicit    bool
	clear       bool              // offers no STARTTLS
	replies     map[string]string // by the beginning of a command; "." for the end of a message; "" closes the connection

	mu    sync.Mutex
	mails []string
	auth  []string
}

// start listens until the test ends, and returns a receiver behind it.
func (s *mailServer) start(t *testing.T) bakeoff.Receiver {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				defer func() { _ = conn.Close() }()
				if s.implicit {
					conn = tls.Server(conn, s.tls())
				}
				s.serve(conn)
			})
		}
	})
	t.Cleanup(func() { _ = l.Close(); all.Wait() })
	way := bakeoff.EmailStartTLS
	if s.implicit {
		way = bakeoff.EmailImplicit
	}
	return bakeoff.Receiver{AllowPrivate: true, Email: &bakeoff.Email{
		To: []string{"lead@example.com", "oncall@example.com"}, From: "Bakeoff <bakeoff@example.com>",
		Host: "localhost", Port: l.Addr().(*net.TCPAddr).Port, TLS: way,
	}}
}

func (s *mailServer) tls() *tls.Config {
	return &tls.Config{Certificates: []tls.Certificate{s.certificate}}
}

func (s *mailServer) serve(conn net.Conn) {
	say := func(reply string) { _, _ = fmt.Fprint(conn, reply+"\r\n") }
	in := bufio.NewReader(conn)
	secure := s.implicit
	say("220 mail.test ready")
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		line = strings.TrimSpace(line)
		verb, _, _ := strings.Cut(strings.ToUpper(line), " ")
		reply, special := s.special(line)
		switch {
		case special && reply == "":
			return
		case special:
			say(reply)
		case verb == "EHLO":
			say("250-mail.test")
			if !secure && !s.clear {
				say("250-STARTTLS")
			}
			say("250 AUTH PLAIN LOGIN")
		case verb == "STARTTLS":
			say("220 go on")
			conn = tls.Server(conn, s.tls())
			in, secure = bufio.NewReader(conn), true
		case verb == "AUTH":
			s.note(&s.auth, line)
			say("235 welcome")
		case verb == "DATA":
			say("354 go on")
			if !s.data(in, say) {
				return
			}
		case verb == "QUIT":
			say("221 bye")
			return
		default:
			say("250 ok")
		}
	}
}

// data reads a message. It reports false for one after which the connection ends.
func (s *mailServer) data(in *bufio.Reader, say func(string)) bool {
	var text strings.Builder
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return false
		}
		if line == ".\r\n" {
			break
		}
		text.WriteString(line)
	}
	s.note(&s.mails, text.String())
	reply, special := s.special(".")
	if !special {
		reply = "250 queued"
	}
	if reply != "" {
		say(reply)
	}
	return reply != ""
}

func (s *mailServer) special(line string) (string, bool) {
	for begin, reply := range s.replies {
		if strings.HasPrefix(strings.ToUpper(line), begin) {
			return reply, true
		}
	}
	return "", false
}

func (s *mailServer) note(list *[]string, text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	*list = append(*list, text)
}

func (s *mailServer) received(t *testing.T) []*mail.Message {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []*mail.Message
	for _, text := range s.mails {
		m, err := mail.ReadMessage(strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, m)
	}
	return all
}

func TestMailIsSentEncrypted(t *testing.T) {
	for name, server := range map[string]*mailServer{
		"starttls": {certificate: authority},
		"implicit": {certificate: authority, implicit: true},
	} {
		t.Run(name, func(t *testing.T) {
			to := server.start(t)
			to.Email.Username, to.Email.Password = "kim", token
			note := messages()["promoted"]
			note.Created = time.Now()
			store := newMemory(note)
			if sum := flush(t, newNotifier(t, store, to)); sum.Sent != 1 {
				t.Fatalf("summary %+v", sum)
			}
			got := server.received(t)
			if len(got) != 1 || len(server.auth) != 1 || !strings.HasPrefix(server.auth[0], "AUTH PLAIN ") {
				t.Fatalf("%d mails, authentication %q", len(got), server.auth)
			}
			h := got[0].Header
			if h.Get("Subject") != "boosting is deployed (churn v17)" || h.Get("Message-ID") != "<"+note.ID+"@example.com>" ||
				!strings.Contains(h.Get("To"), "oncall@example.com") || h.Get("Auto-Submitted") != "auto-generated" {
				t.Errorf("header %v", h)
			}
			for _, part := range []string{"boosting is deployed (churn v17)\r\nboosting is ahead of v16", "CANDIDATE", "forest (champion v16)", "Undo: bakeoff rollback churn"} {
				if !strings.Contains(server.mails[0], part) {
					t.Errorf("%q is not in\n%s", part, server.mails[0])
				}
			}
		})
	}
}

func TestMailThatIsNotTaken(t *testing.T) {
	for name, tc := range map[string]struct {
		replies map[string]string
		clear   bool
		change  func(*bakeoff.Receiver)
		state   string
		detail  string
	}{
		"unknown recipient": {
			replies: map[string]string{"RCPT": "550 5.1.1 no such user " + token},
			state:   bakeoff.DeliveryRefused, detail: "the mail server says 550 to a recipient",
		},
		"greylisted": {
			replies: map[string]string{"RCPT": "450 try again later"},
			state:   bakeoff.DeliveryRetrying, detail: "the mail server says 450 to a recipient",
		},
		"spam": {
			replies: map[string]string{".": "554 no"},
			state:   bakeoff.DeliveryRefused, detail: "the mail server says 554 to the message",
		},
		"answer lost": {
			replies: map[string]string{".": ""},
			state:   bakeoff.DeliveryRetrying, detail: "the message may have arrived: its answer was lost; the connection to the mail server broke",
		},
		"broken before the message": {
			replies: map[string]string{"MAIL": ""},
			state:   bakeoff.DeliveryRetrying, detail: "the connection to the mail server broke",
		},
		"busy": {
			replies: map[string]string{"EHLO": "421 too many connections", "HELO": "421 too many connections"},
			state:   bakeoff.DeliveryRetrying, detail: "the mail server says 421",
		},
		"wrong password": {
			replies: map[string]string{"AUTH": "535 5.7.8 " + token},
			change:  func(r *bakeoff.Receiver) { r.Email.Username, r.Email.Password = "kim", token },
			state:   bakeoff.DeliveryRefused, detail: "the mail server says 535; check the user name and the password",
		},
		"no STARTTLS": {
			clear: true,
			state: bakeoff.DeliveryRefused, detail: "the mail server does not offer STARTTLS",
		},
		"in clear, allowed": {
			clear:  true,
			change: func(r *bakeoff.Receiver) { r.Email.TLS = bakeoff.EmailNoTLS },
			state:  bakeoff.DeliverySent,
		},
		"in clear, not allowed": {
			change: func(r *bakeoff.Receiver) { r.Email.TLS, r.AllowPrivate = bakeoff.EmailNoTLS, false },
			state:  bakeoff.DeliveryRefused, detail: "the mail would be sent without TLS",
		},
		"private": {
			change: func(r *bakeoff.Receiver) { r.AllowPrivate = false },
			state:  bakeoff.DeliveryRefused, detail: "the mail server leads to a loopback, private",
		},
		"another's certificate": {
			change: func(r *bakeoff.Receiver) { r.Email.Host = "127.0.0.1" },
			state:  bakeoff.DeliveryRetrying, detail: "the mail server's host shows a certificate that is not valid",
		},
		"no server": {
			change: func(r *bakeoff.Receiver) { r.Email.Port = 1 },
			state:  bakeoff.DeliveryRetrying, detail: "no connection: connection refused",
		},
		"bad address": {
			change: func(r *bakeoff.Receiver) { r.Email.To = []string{"lead@example.com\r\nBcc: all@example.com"} },
			state:  bakeoff.DeliveryRefused, detail: "a recipient's address is not valid",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := &mailServer{certificate: authority, replies: tc.replies, clear: tc.clear}
			to := server.start(t)
			if tc.change != nil {
				tc.change(&to)
			}
			store := newMemory(kept(1))
			flush(t, newNotifier(t, store, to))
			d := store.delivery("churn-1/0")
			if d.State != tc.state || !strings.HasPrefix(d.Detail, tc.detail) || strings.Contains(d.Detail, token) {
				t.Errorf("delivery %+v, want %s: %s", d, tc.state, tc.detail)
			}
		})
	}
}

// A repeat has the Message-ID of the first try, and says that it may be one.
func TestARepeatedMailCanBeRecognised(t *testing.T) {
	server := &mailServer{certificate: authority, replies: map[string]string{".": ""}}
	flush(t, newNotifier(t, newMemory(kept(1)), server.start(t)))
	got := server.received(t)
	if len(got) < 2 {
		t.Fatalf("%d mails", len(got))
	}
	if a, b := got[0].Header.Get("Message-ID"), got[1].Header.Get("Message-ID"); a == "" || a != b {
		t.Errorf("the first is %s, the second %s", a, b)
	}
	if strings.Contains(server.mails[0], "May be a repeat") || !strings.Contains(server.mails[1], "May be a repeat") {
		t.Errorf("mails %q", server.mails)
	}
}
