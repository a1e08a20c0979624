package notify

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/textproto"
	"strings"
	"sync"
	"time"

	"github.com/wneessen/go-mail"
	"github.com/wneessen/go-mail/smtp"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/outbound"
)

// mailTimeout bounds one try, from the first look-up of the server's name.
const mailTimeout = 30 * time.Second

// The ports of a mail server by how its connection is secured (RFC 8314).
const (
	portSubmission  = 587
	portSubmissions = 465
)

// mail tries once to hand a message to a mail server.
func (n *Notifier) mail(ctx context.Context, to bakeoff.Receiver, m message) outbound.Outcome {
	e := to.Email
	if e.TLS == bakeoff.EmailNoTLS && !to.AllowPrivate {
		return outbound.Refused("the mail would be sent without TLS", "use starttls or implicit, or set allow_private: true beside it")
	}
	letter, fault := compileMail(e, m)
	if fault != "" {
		return outbound.Refused(fault, "correct it in the file")
	}
	ctx, cancel := context.WithTimeout(ctx, mailTimeout)
	defer cancel()
	line := &mailLine{dial: n.client.Dialer(to.AllowPrivate), email: e}
	client, err := mail.NewClient(e.Host, line.options()...)
	if err != nil { // quotes settings
		return outbound.Refused("the mail server's settings are not valid", "check host and port in the file")
	}
	defer line.close() // the client leaves a connection open that failed before the message
	stop := context.AfterFunc(ctx, line.close)
	defer stop()
	err = client.DialAndSendWithContext(ctx, letter)
	if letter.IsDelivered() { // how the connection ended does not matter then
		return outbound.Outcome{State: bakeoff.DeliverySent}
	}
	if ctx.Err() != nil {
		o := outbound.Broken(ctx.Err(), "the mail server", mailTimeout)
		o.Lost = lostMail(err)
		return o
	}
	return judgeMail(err)
}

// compileMail writes the mail. Its Message-ID is the same for every try, so that mail servers and
// readers recognise a repeat.
func compileMail(e *bakeoff.Email, m message) (letter *mail.Msg, fault string) {
	letter = mail.NewMsg()
	if letter.From(e.From) != nil {
		return nil, "the sender's address is not valid"
	}
	if letter.To(e.To...) != nil {
		return nil, "a recipient's address is not valid"
	}
	domain := "bakeoff.invalid"
	if from := letter.GetFrom(); len(from) == 1 {
		domain = from[0].Address[strings.LastIndexByte(from[0].Address, '@')+1:]
	}
	letter.SetMessageIDWithValue(m.note.ID + "@" + domain)
	letter.SetDate()
	letter.SetGenHeader("Auto-Submitted", "auto-generated") // no answers of those on holiday (RFC 3834)
	letter.Subject(m.subject())
	letter.SetBodyString(mail.TypeTextPlain, m.letter())
	return letter, ""
}

// A mailLine opens the connection to a mail server and lets go of it. The client looks at no context
// once it is connected: whoever owns the line closes it when the context ends.
type mailLine struct {
	dial  outbound.Dialer
	email *bakeoff.Email

	mu     sync.Mutex
	conn   net.Conn // guarded by mu
	closed bool     // guarded by mu
}

func (l *mailLine) options() []mail.Option {
	e := l.email
	port, policy := cmp.Or(e.Port, portSubmission), mail.TLSMandatory
	options := []mail.Option{mail.WithTimeout(mailTimeout), mail.WithDialContextFunc(l.open)}
	switch e.TLS {
	case bakeoff.EmailImplicit:
		port = cmp.Or(e.Port, portSubmissions)
		options = append(options, mail.WithSSL())
	case bakeoff.EmailNoTLS:
		policy = mail.NoTLS
	}
	options = append(options, mail.WithPort(port), mail.WithTLSPolicy(policy))
	if e.Username != "" {
		// A password goes in clear only through TLS, or to this machine: the library sees to it.
		options = append(options, mail.WithUsername(e.Username), mail.WithPassword(e.Password),
			mail.WithOpportunisticSMTPAuth(mail.SMTPAuthPlain, mail.SMTPAuthLogin, mail.SMTPAuthSCRAMSHA256, mail.SMTPAuthCramMD5))
	}
	return options
}

// open connects by the guarded dialer.
func (l *mailLine) open(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := l.dial(ctx, network, address)
	if err != nil {
		return nil, err
	}
	l.keep(conn)
	if l.email.TLS != bakeoff.EmailImplicit {
		return conn, nil
	}
	secure := tls.Client(conn, &tls.Config{ServerName: l.email.Host, MinVersion: tls.VersionTLS12})
	if err := secure.HandshakeContext(ctx); err != nil {
		return nil, err
	}
	return secure, nil
}

func (l *mailLine) keep(conn net.Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.conn = conn; l.closed {
		_ = conn.Close()
	}
}

// close ends the connection. It may be called again.
func (l *mailLine) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed = true; l.conn != nil {
		_ = l.conn.Close()
	}
}

// lostMail reports whether a server may have taken the message although its answer did not come.
func lostMail(err error) bool {
	var sent *mail.SendError
	return errors.As(err, &sent) && sent.Reason == mail.ErrSMTPDataClose && sent.ErrorCode() == 0
}

// judgeMail says what an error of the mail library means: a server's 5xx is final, its 4xx and a
// network that fails are not (RFC 5321, section 4.2.1). What the server says is not shown: it may
// quote anything.
func judgeMail(err error) outbound.Outcome {
	var sent *mail.SendError
	var reply *textproto.Error
	switch {
	case errors.As(err, &sent) && sent.ErrorCode() != 0:
		return judgeReply(sent.ErrorCode(), mailSteps[sent.Reason])
	case errors.As(err, &sent):
		o := outbound.Outcome{State: bakeoff.DeliveryRetrying, Detail: "the connection to the mail server broke"}
		o.Lost = lostMail(err)
		return o
	case errors.As(err, &reply):
		return judgeReply(reply.Code, "")
	case errors.Is(err, smtp.ErrUnencrypted), errors.Is(err, mail.ErrNoSupportedAuthDiscovered):
		return outbound.Refused("the mail server offers no way to log in that hides the password", "use tls: starttls or implicit")
	case strings.Contains(err.Error(), "does not support SMTP AUTH"): // the library has no value for these two
		return outbound.Refused("the mail server knows no log in", "leave the user name and the password out, or use another port")
	case strings.Contains(err.Error(), "does not support STARTTLS"):
		return outbound.Refused("the mail server does not offer STARTTLS", "use tls: implicit if its port speaks TLS from the first byte")
	}
	return outbound.Broken(err, "the mail server", mailTimeout)
}

var mailSteps = map[mail.SendErrReason]string{
	mail.ErrSMTPMailFrom:  " to the sender",
	mail.ErrSMTPRcptTo:    " to a recipient",
	mail.ErrSMTPData:      " to the message",
	mail.ErrSMTPDataClose: " to the message",
}

// judgeReply judges a reply code of the server.
func judgeReply(code int, to string) outbound.Outcome {
	detail := fmt.Sprintf("the mail server says %d%s", code, to)
	switch {
	case code == 535 || code == 534 || code == 530:
		return outbound.Refused(detail, "check the user name and the password")
	case code >= 500:
		return outbound.Refused(detail, "the mail server's own log may say why")
	}
	return outbound.Outcome{State: bakeoff.DeliveryRetrying, Detail: detail}
}
