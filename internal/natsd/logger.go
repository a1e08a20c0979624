package natsd

import (
	"fmt"
	"log/slog"
	"sync"
)

// logger passes the server's warnings and errors on to slog and remembers the last one, which is
// all that the server leaves when it does not start.
type logger struct {
	log *slog.Logger

	mu      sync.Mutex // guards message
	message string
}

func (l *logger) Noticef(string, ...any) {}
func (l *logger) Debugf(string, ...any)  {}
func (l *logger) Tracef(string, ...any)  {}

func (l *logger) Warnf(format string, v ...any)  { l.log.Warn(fmt.Sprintf(format, v...)) }
func (l *logger) Errorf(format string, v ...any) { l.keep(fmt.Sprintf(format, v...)) }
func (l *logger) Fatalf(format string, v ...any) { l.keep(fmt.Sprintf(format, v...)) }

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
