package proc

import (
	"fmt"
	"io"
	"sync"
)

// Log bounds what a child may leave in a log: the first bytes are passed on as they come, of the
// rest the last ones are kept in memory and passed on by Close, after a line that says how many
// bytes between them were dropped. Several goroutines may write to it.
type Log struct {
	mu   sync.Mutex
	to   io.Writer
	head int // bytes that may still be passed on
	tail Tail
	err  error
}

// NewLog returns a Log that passes on to w the first head bytes and the last tail bytes.
func NewLog(w io.Writer, head, tail int) *Log {
	return &Log{to: w, head: head, tail: Tail{limit: tail}}
}

// Write takes all of b. An error of the underlying writer is returned by this and every later
// call, and by Close.
func (l *Log) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err != nil {
		return 0, l.err
	}
	now := b[:min(len(b), l.head)]
	l.head -= len(now)
	if _, l.err = l.to.Write(now); l.err != nil {
		return 0, l.err
	}
	_, _ = l.tail.Write(b[len(now):]) // keeps in memory: never fails
	return len(b), nil
}

// Close passes on the kept end. Nothing may be written after it. The underlying writer stays open.
func (l *Log) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err != nil {
		return l.err
	}
	if n := l.tail.Dropped(); n > 0 {
		if _, l.err = fmt.Fprintf(l.to, "\n[%d bytes dropped here]\n", n); l.err != nil {
			return l.err
		}
	}
	_, l.err = l.to.Write(l.tail.Bytes())
	return l.err
}

// Dropped returns how many bytes were not kept.
func (l *Log) Dropped() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.tail.Dropped()
}

// Tail keeps the last bytes that were written to it. Several goroutines may use it.
type Tail struct {
	limit int

	mu      sync.Mutex
	kept    []byte // at most 2*limit, so that a write moves each byte once on average
	written int64
}

// NewTail returns a Tail that keeps limit bytes.
func NewTail(limit int) *Tail { return &Tail{limit: limit} }

// Write never fails.
func (t *Tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := len(b)
	t.written += int64(n)
	if n >= t.limit {
		t.kept = append(t.kept[:0], b[n-t.limit:]...)
		return n, nil
	}
	if len(t.kept)+n > 2*t.limit {
		t.kept = append(t.kept[:0], t.kept[len(t.kept)-(t.limit-n):]...)
	}
	t.kept = append(t.kept, b...)
	return n, nil
}

// Bytes returns a copy of the kept bytes.
func (t *Tail) Bytes() []byte {
	t.mu.Lock()
	defer t.mu.Unlock()
	return append([]byte(nil), t.last()...)
}

// Dropped returns how many bytes were written and are not kept.
func (t *Tail) Dropped() int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.written - int64(len(t.last()))
}

func (t *Tail) last() []byte { return t.kept[max(0, len(t.kept)-t.limit):] }
