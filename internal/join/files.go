package join

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/store"
)

const (
	// fileIdle is how long a file on its way is kept when nobody asks for more of it.
	fileIdle = 2 * time.Minute

	// maxIncoming bounds the files that one client hands in at the same time.
	maxIncoming = 64
)

// files are the files that are on their way to or from joined processes, each as a file in a folder.
type files struct {
	dir   string
	store *store.Store

	mu       sync.Mutex // guards the maps
	incoming map[string]*incoming
	outgoing map[bakeoff.Digest]*outgoing
}

func newFiles(dir string, s *store.Store) *files {
	return &files{dir: dir, store: s, incoming: map[string]*incoming{}, outgoing: map[bakeoff.Digest]*outgoing{}}
}

// incoming is a file that a client hands in, as far as it has come.
type incoming struct {
	mu     sync.Mutex // guards the rest
	file   *os.File   // nil once it is stored, or given up
	next   int64
	sum    hash.Hash
	stored bool
	used   time.Time
	gone   bool // from the map
}

// outgoing is an object that clients fetch.
type outgoing struct {
	mu   sync.Mutex // guards the rest
	file *os.File   // nil until it was read from the store
	size int64
	used time.Time
	gone bool // from the map
}

// sweep removes what nobody asks for any more, until ctx ends.
func (f *files) sweep(ctx context.Context) {
	tick := time.NewTicker(fileIdle / 8)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			_ = f.remove(time.Now().Add(-fileIdle)) // what could not be removed ends with the folder
		}
	}
}

// close removes everything.
func (f *files) close() error { return f.remove(time.Now().Add(time.Hour)) }

// remove removes the files that were last used before a moment.
func (f *files) remove(before time.Time) (err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for key, in := range f.incoming {
		if !in.mu.TryLock() {
			continue // somebody is at it
		}
		if in.used.Before(before) {
			err = errors.Join(err, discard(in.file))
			in.file, in.gone = nil, true
			delete(f.incoming, key)
		}
		in.mu.Unlock()
	}
	for key, out := range f.outgoing {
		if !out.mu.TryLock() {
			continue
		}
		if out.used.Before(before) {
			err = errors.Join(err, discard(out.file))
			out.file, out.gone = nil, true
			delete(f.outgoing, key)
		}
		out.mu.Unlock()
	}
	return err
}

// discard closes a file, if there is one, and removes it.
func discard(file *os.File) error {
	if file == nil {
		return nil
	}
	return errors.Join(file.Close(), os.Remove(file.Name()))
}

// read returns a piece of an object from an offset on, and the object's size.
func (f *files) read(ctx context.Context, digest bakeoff.Digest, offset int64) (piece []byte, size int64, err error) {
	out := f.out(digest)
	defer out.mu.Unlock()
	if out.file == nil {
		if err := f.fetch(ctx, digest, out); err != nil {
			return nil, 0, err
		}
	}
	if offset < 0 || offset > out.size {
		return nil, 0, bakeoff.Errorf(bakeoff.CodeInvalid, "read object %s: it has %d bytes, not %d", digest.Short(), out.size, offset)
	}
	piece = make([]byte, min(chunkSize, out.size-offset))
	if _, err := out.file.ReadAt(piece, offset); err != nil && !errors.Is(err, io.EOF) {
		return nil, 0, fmt.Errorf("read object %s: %w", digest.Short(), err)
	}
	return piece, out.size, nil
}

// out returns an object that is on its way out, locked.
func (f *files) out(digest bakeoff.Digest) *outgoing {
	for {
		f.mu.Lock()
		out, ok := f.outgoing[digest]
		if !ok {
			out = &outgoing{}
			out.mu.Lock()
			f.outgoing[digest] = out
		}
		f.mu.Unlock()
		if ok {
			out.mu.Lock()
		}
		if !out.gone {
			out.used = time.Now()
			return out
		}
		out.mu.Unlock()
	}
}

// fetch copies an object from the store into a file, which checks its digest.
func (f *files) fetch(ctx context.Context, digest bakeoff.Digest, out *outgoing) (err error) {
	dir, err := os.MkdirTemp(f.dir, "out-")
	if err != nil {
		return fmt.Errorf("make room for object %s: %w", digest.Short(), err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	path := filepath.Join(dir, "object")
	if err := f.store.GetFile(ctx, digest, path); err != nil {
		return err
	}
	kept := dir + ".object"
	if err := os.Rename(path, kept); err != nil {
		return fmt.Errorf("make room for object %s: %w", digest.Short(), err)
	}
	file, err := os.Open(kept)
	if err != nil {
		return fmt.Errorf("read object %s: %w", digest.Short(), err)
	}
	info, err := file.Stat()
	if err != nil {
		return errors.Join(fmt.Errorf("read object %s: %w", digest.Short(), err), discard(file))
	}
	out.file, out.size = file, info.Size()
	return nil
}

// write adds a piece to a file that a client hands in. A piece that is not the next one is not
// taken: the answer says which is. With the last one the file is stored, if it has its digest.
func (f *files) write(ctx context.Context, who string, ask putAsk, piece []byte) (putAnswer, error) {
	in, err := f.in(who, ask.Digest)
	if err != nil {
		return putAnswer{}, err
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.used = time.Now(); in.gone {
		return putAnswer{}, nil // from the beginning
	}
	if in.stored || ask.Offset != in.next {
		return putAnswer{Next: in.next, Stored: in.stored}, nil
	}
	if in.next+int64(len(piece)) > ask.Size {
		return putAnswer{}, bakeoff.Errorf(bakeoff.CodeInvalid, "hand in %s: there are more than the %d bytes that were announced", ask.Digest.Short(), ask.Size)
	}
	if err := in.add(f.dir, piece); err != nil {
		return putAnswer{}, err
	}
	if in.next == ask.Size {
		err = f.keep(ctx, in, ask.Digest)
	}
	return putAnswer{Next: in.next, Stored: in.stored}, err
}

// in returns the client's file of that digest.
func (f *files) in(who string, digest bakeoff.Digest) (*incoming, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if in, ok := f.incoming[who+"."+string(digest)]; ok {
		return in, nil
	}
	open := 0
	for key := range f.incoming {
		if strings.HasPrefix(key, who+".") {
			open++
		}
	}
	if open >= maxIncoming {
		return nil, bakeoff.Errorf(bakeoff.CodeOverload, "hand in %s: %d files are on their way already", digest.Short(), open)
	}
	in := &incoming{sum: sha256.New(), used: time.Now()}
	f.incoming[who+"."+string(digest)] = in
	return in, nil
}

func (in *incoming) add(dir string, piece []byte) (err error) {
	if in.file == nil {
		in.next, in.sum = 0, sha256.New()
		if in.file, err = os.CreateTemp(dir, "in-"); err != nil {
			return fmt.Errorf("take a file in: %w", err)
		}
	}
	if _, err := in.file.WriteAt(piece, in.next); err != nil {
		return bakeoff.Errorf(bakeoff.CodeUnavailable, "take a file in: %w", err)
	}
	in.sum.Write(piece)
	in.next += int64(len(piece))
	return nil
}

// keep stores a file that has come in whole.
func (f *files) keep(ctx context.Context, in *incoming, digest bakeoff.Digest) error {
	path := in.file.Name()
	got := bakeoff.DigestOfSum(in.sum.Sum(nil))
	var err error
	if got != digest {
		err = bakeoff.Errorf(bakeoff.CodeInvalid, "hand in %s: its content has the digest %s", digest.Short(), got.Short())
	} else if _, err = f.store.PutFile(ctx, path); err == nil {
		in.stored = true
	}
	err = errors.Join(err, discard(in.file))
	if in.file = nil; !in.stored {
		in.next, in.sum = 0, sha256.New()
	}
	return err
}

// get answers with a piece of the training rows of a trial that the caller builds, or of what its
// earlier attempts have printed.
func (g *Gateway) get(ctx context.Context, r request) (any, []byte, error) {
	var ask getAsk
	if _, err := unpack(r.message, &ask); err != nil {
		return nil, nil, err
	}
	k, err := g.begun(ctx, r, ask.hold)
	if err != nil {
		return nil, nil, err
	}
	run, _, err := g.config.Store.Run(ctx, k.task.Run)
	if err != nil {
		return nil, nil, err
	}
	if run.Snapshot == nil || !ask.Digest.Valid() || ask.Digest != run.Snapshot.Train && ask.Digest != k.attempt.Log {
		return nil, nil, bakeoff.Errorf(bakeoff.CodeForbidden, "object %.32q is not for whoever builds %s of run %s", ask.Digest.Short(), k.task.Candidate, k.task.Run)
	}
	piece, size, err := g.files.read(ctx, ask.Digest, ask.Offset)
	return getAnswer{Size: size}, piece, err
}

// put takes a piece of an artifact or of a log in. An object that the store has already is taken in
// like any other: its digest alone proves nothing.
func (g *Gateway) put(ctx context.Context, r request) (any, []byte, error) {
	var ask putAsk
	piece, err := unpack(r.message, &ask)
	if err != nil {
		return nil, nil, err
	}
	if _, err := g.begun(ctx, r, ask.hold); err != nil {
		return nil, nil, err
	}
	if !ask.Digest.Valid() || ask.Size < 0 || ask.Offset < 0 {
		return nil, nil, bakeoff.Errorf(bakeoff.CodeInvalid, "hand in a file: %.32q is not the digest, or %d not the size of one", ask.Digest, ask.Size)
	}
	if most := g.config.MaxUpload; ask.Size > most {
		return nil, nil, bakeoff.Errorf(bakeoff.CodeInvalid, "hand in a file: it has %d bytes, a joined worker may hand in %d", ask.Size, most).
			WithHint("make the artifact smaller")
	}
	answer, err := g.files.write(ctx, r.String(), ask, piece)
	if err == nil && answer.Stored {
		answer.Receipt, err = receipt{Caller: r.String(), Digest: ask.Digest, Size: answer.Next}.seal(g.key)
	}
	return answer, nil, err
}
