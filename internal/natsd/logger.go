package natsd

import (
	"fmt"
	"log/slog"
	"strings"
	"sync"
)

// logger passes the server's warnings and errors on to slog and remembers the last one, which is
// all that the server leaves when it does not start.
type logger struct {
	log *slog.Logger

	mu        sync.Mutex // guards what follows
	message   string
	started   bool
	recovered map[string]bool // streams of which an index was older than the messages
}

func (l *logger) Noticef(string, ...any) {}
func (l *logger) Debugf(string, ...any)  {}
func (l *logger) Tracef(string, ...any)  {}

func (l *logger) Warnf(format string, v ...any) {
	message := fmt.Sprintf(format, v...)
	if !l.recovering(message) {
		l.log.Warn(message)
	}
}

func (l *logger) Errorf(format string, v ...any) { l.keep(fmt.Sprintf(format, v...)) }
func (l *logger) Fatalf(format string, v ...any) { l.keep(fmt.Sprintf(format, v...)) }

// recovering notes what the server says of each stream after a process was killed: that an index is
// older than the messages, which are read again. Nothing is lost, and nobody has to see to it.
func (l *logger) recovering(message string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	stream, what, ok := strings.Cut(strings.TrimPrefix(message, "Filestore ["), "] Recovering ")
	if l.started || !ok || !strings.HasSuffix(what, " state from index errored: prior state file") {
		return false
	}
	if l.recovered == nil {
		l.recovered = map[string]bool{}
	}
	l.recovered[stream] = true
	return true
}

// up says that the server has started: once, and what it read again for that.
func (l *logger) up() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.started = true
	switch n := len(l.recovered); n {
	case 0:
	case 1:
		l.log.Info("recovered after a crash: 1 stream read again")
	default:
		l.log.Info(fmt.Sprintf("recovered after a crash: %d streams read again", n))
	}
}

func (l *logger) keep(message string) {
	l.mu.Lock()
	l.message = message
	l.mu.Unlock()
	l.log.Error(message)
}

// last returns the last error, or words that say that there was none.
func (l *logger) last() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.message == "" {
		return "it gave no reason"
	}
	return l.message
}
