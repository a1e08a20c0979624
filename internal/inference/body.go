package inference

import (
	"errors"
	"io"
	"net/http"
	"sync"
	"sync/atomic"

	"github.com/bakeoffhq/bakeoff"
)

// smallBody is the size up to which a body is small: it costs little, and its memory is kept.
const smallBody = 64 << 10

// body is the memory of a request and its answer.
type body struct {
	in   []byte
	out  []byte
	held int64 // counted against the bound
}

func (b *body) isLarge() bool { return len(b.in) > smallBody }

// bodies reads bodies with bounded memory: each has its most, and those beyond smallBody together
// have theirs. What counts is what was received, not what a header says will be.
type bodies struct {
	most    int64 // of one
	mostAll int64
	held    atomic.Int64
	pool    sync.Pool // of *body
}

func newBodies(most, mostAll int64) *bodies {
	return &bodies{most: most, mostAll: mostAll, pool: sync.Pool{New: func() any { return &body{in: make([]byte, 0, 4<<10)} }}}
}

// read reads the body of r to its end. The caller frees what it returns.
func (s *bodies) read(w http.ResponseWriter, r *http.Request) (*body, error) {
	if r.ContentLength > s.most {
		w.Header()["Connection"] = []string{"close"} // it is not worth reading
		return nil, &http.MaxBytesError{Limit: s.most}
	}
	in := r.Body
	if r.ContentLength < 0 { // the server itself holds a sender to the length that it has given
		in = http.MaxBytesReader(w, in, s.most)
	}
	b := s.pool.Get().(*body)
	if err := s.fill(b, in); err != nil {
		s.free(b)
		return nil, err
	}
	return b, nil
}

func (s *bodies) fill(b *body, r io.Reader) error {
	for {
		if len(b.in) == cap(b.in) {
			if err := s.grow(b); err != nil {
				return err
			}
		}
		n, err := r.Read(b.in[len(b.in):cap(b.in)])
		b.in = b.in[:len(b.in)+n]
		var tooLarge *http.MaxBytesError
		switch {
		case err == nil:
		case errors.Is(err, io.EOF):
			return nil
		case errors.As(err, &tooLarge):
			return err
		default: // the text of a network error names addresses
			return bakeoff.Errorf(bakeoff.CodeInvalid, "the body did not arrive whole")
		}
	}
}

// grow doubles the room for a body.
func (s *bodies) grow(b *body) error {
	size := int64(2 * cap(b.in))
	if size > smallBody {
		more := size - b.held
		if s.held.Add(more) > s.mostAll {
			s.held.Add(-more)
			return bakeoff.Errorf(bakeoff.CodeOverload, "too many large requests at once").WithHint("try again soon, or send fewer rows at a time")
		}
		b.held = size
	}
	in := make([]byte, len(b.in), size)
	copy(in, b.in)
	b.in = in
	return nil
}

// free hands the memory of a body back.
func (s *bodies) free(b *body) {
	s.held.Add(-b.held)
	b.held = 0
	if cap(b.in) > smallBody || cap(b.out) > smallBody {
		return
	}
	b.in, b.out = b.in[:0], b.out[:0]
	s.pool.Put(b)
}
