package build

import (
	"bytes"
	"context"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/bakeoffhq/bakeoff"
)

const (
	// echoEvery is how often what a trainer prints is told, if it prints anything: each time is a
	// synced write to the store.
	echoEvery = time.Second
	// echoMost bounds what is told of an attempt, in bytes.
	echoMost = 1 << 20
	// echoTime bounds each telling, and that of the rest once the trainer has ended.
	echoTime = 2 * time.Second

	echoCut = "[only the first 1 MiB is shown live; the log has the rest once the build has ended]\n"
)

// echo tells what a trainer prints while it prints it. It never keeps the trainer waiting, and no
// build fails of it: what could not be told is told with what follows, and the log has it all.
type echo struct {
	tell  func(ctx context.Context, text string) error
	ended chan struct{} // closed by close
	done  sync.WaitGroup

	waited bool // owned by run: the line that has not ended has been waited for

	mu    sync.Mutex // guards the rest
	text  []byte     // not told yet
	taken int        // bytes of the attempt so far
	open  bool       // the last line of them has not ended
	cut   bool       // there was more
}

// startEcho returns an echo that tells until close, or until ctx ends.
func startEcho(ctx context.Context, tell func(ctx context.Context, text string) error) *echo {
	e := &echo{tell: tell, ended: make(chan struct{})}
	e.done.Go(func() { e.run(ctx) })
	return e
}

// close tells the rest. Nothing may be written after it.
func (e *echo) close() {
	close(e.ended)
	e.done.Wait()
}

// Write takes all of p and never fails.
func (e *echo) Write(p []byte) (int, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	now := p[:min(len(p), echoMost-e.taken)]
	e.taken += len(now)
	e.text = append(e.text, now...)
	if len(now) > 0 {
		e.open = now[len(now)-1] != '\n'
	}
	if len(now) == len(p) || e.cut {
		return len(p), nil
	}
	e.cut = true
	if e.open {
		e.text = append(e.text, '\n')
	}
	e.text = append(e.text, echoCut...)
	return len(p), nil
}

func (e *echo) run(ctx context.Context) {
	e.whileItPrints(ctx)
	ctx, cancel := context.WithTimeout(ctx, echoTime)
	defer cancel()
	for e.next(ctx, true) {
	}
}

// whileItPrints tells a piece at a time until the trainer has ended.
func (e *echo) whileItPrints(ctx context.Context) {
	tick := time.NewTicker(echoEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-e.ended:
			return
		case <-tick.C:
		}
		select {
		case <-e.ended: // while a piece was told, which may take longer than a tick
			return
		default:
			e.next(ctx, false)
		}
	}
}

// next tells a piece, and reports whether there was one and it was heard.
func (e *echo) next(ctx context.Context, last bool) bool {
	e.mu.Lock()
	n := e.piece(last)
	piece := strings.ToValidUTF8(string(e.text[:n]), "?")
	e.mu.Unlock()
	if n == 0 {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, echoTime)
	defer cancel()
	if e.tell(ctx, piece) != nil {
		return false
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.text = append(e.text[:0], e.text[n:]...)
	return true
}

// piece returns how many bytes are told next: whole lines, or part of one that is too long or did
// not end within echoEvery, as a row of dots does not. The last piece ends wherever the text does.
func (e *echo) piece(last bool) int {
	n := min(len(e.text), bakeoff.MaxLogText)
	if n == 0 || last && n == len(e.text) {
		return n
	}
	if lines := bytes.LastIndexByte(e.text[:n], '\n') + 1; lines > 0 {
		e.waited = false
		return lines
	}
	if n < bakeoff.MaxLogText && !e.waited {
		e.waited = true
		return 0
	}
	e.waited = false
	return wholeRunes(e.text[:n])
}

// wholeRunes returns the length of b without a character at its end of which bytes are missing.
func wholeRunes(b []byte) int {
	for i := len(b) - 1; i >= max(0, len(b)-utf8.UTFMax); i-- {
		if utf8.RuneStart(b[i]) {
			if !utf8.FullRune(b[i:]) {
				return i
			}
			break
		}
	}
	return len(b)
}
