package store

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/bakeoffhq/bakeoff"
)

// chunk is how much of an object is written and synced at once.
const chunk = 512 << 10

// PutFile stores the content of a file and returns its digest. Storing the same content again
// costs reading it.
func (s *Store) PutFile(ctx context.Context, path string) (bakeoff.Digest, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("store %s: %w", path, err)
	}
	defer f.Close()
	digest, err := s.putObject(ctx, f)
	if err != nil {
		return "", fmt.Errorf("store %s: %w", path, err)
	}
	return digest, nil
}

// PutBytes stores b and returns its digest.
func (s *Store) PutBytes(ctx context.Context, b []byte) (bakeoff.Digest, error) {
	digest, err := s.putObject(ctx, bytes.NewReader(b))
	if err != nil {
		return "", fmt.Errorf("store an object of %d bytes: %w", len(b), err)
	}
	return digest, nil
}

func (s *Store) putObject(ctx context.Context, r io.ReadSeeker) (bakeoff.Digest, error) {
	sum := sha256.New()
	if _, err := io.Copy(sum, r); err != nil {
		return "", err
	}
	digest := bakeoff.DigestOfSum(sum.Sum(nil))
	there, err := s.refresh(ctx, digest)
	if err != nil || there {
		return digest, err
	}
	if _, err := r.Seek(0, io.SeekStart); err != nil {
		return "", err
	}
	return digest, s.writeObject(ctx, digest, r)
}

// GetFile writes the object to a file at path and checks its digest; a file with another content
// than the digest says is removed.
func (s *Store) GetFile(ctx context.Context, digest bakeoff.Digest, path string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("read object %s: %w", digest.Short(), err)
	}
	err = errors.Join(s.copyObject(ctx, digest, f), f.Close())
	if err != nil {
		return errors.Join(err, os.Remove(path))
	}
	return nil
}

// GetBytes returns the object's content.
func (s *Store) GetBytes(ctx context.Context, digest bakeoff.Digest) ([]byte, error) {
	var b bytes.Buffer
	if err := s.copyObject(ctx, digest, &b); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// Verify reads the object and checks its digest.
func (s *Store) Verify(ctx context.Context, digest bakeoff.Digest) error {
	return s.copyObject(ctx, digest, io.Discard)
}

// slowest is the speed below which an object that is being read counts as one that does not come:
// bytes a second.
const slowest = 4 << 20

// copyObject copies an object and checks its digest. The server says nothing of a record that is
// damaged on disk, it leaves it out: whoever reads the object would wait for the rest until ctx ends.
// So the time is bounded by the object's size.
func (s *Store) copyObject(ctx context.Context, digest bakeoff.Digest, w io.Writer) error {
	info, err := s.objects.GetInfo(ctx, string(digest))
	if errors.Is(err, jetstream.ErrObjectNotFound) {
		return bakeoff.Errorf(bakeoff.CodeNotFound, "read object %s: it is not in the store", digest.Short())
	}
	if err != nil {
		return fmt.Errorf("read object %s: %w", digest.Short(), unavailable(err))
	}
	patience := callTimeout + time.Duration(float64(info.Size)/slowest*float64(time.Second))
	within, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	sum := sha256.New()
	err = s.stream(within, digest, io.MultiWriter(w, sum))
	switch {
	case err == nil:
		return checkDigest(digest, sum)
	case errors.Is(err, jetstream.ErrDigestMismatch):
		return bakeoff.Errorf(bakeoff.CodeUnavailable, "read object %s: it is damaged: a piece of it is gone", digest.Short()).
			WithHint("restore the store from a backup")
	case ctx.Err() == nil && (within.Err() != nil || errors.Is(err, os.ErrDeadlineExceeded)): // of the pipe that it comes by
		return bakeoff.Errorf(bakeoff.CodeUnavailable, "read object %s: it does not come whole from the store within %s: it is damaged, or its disk does not answer", digest.Short(), patience.Round(time.Second)).
			WithHint("restore the store from a backup if it is damaged")
	}
	return fmt.Errorf("read object %s: %w", digest.Short(), err)
}

// stream copies an object as it comes.
func (s *Store) stream(ctx context.Context, digest bakeoff.Digest, w io.Writer) error {
	object, err := s.objects.Get(ctx, string(digest))
	if err != nil {
		return unavailable(err)
	}
	_, err = io.Copy(w, object)
	return errors.Join(err, object.Close())
}

func checkDigest(want bakeoff.Digest, sum hash.Hash) error {
	if got := bakeoff.DigestOfSum(sum.Sum(nil)); got != want {
		return bakeoff.Errorf(bakeoff.CodeUnavailable, "read object %s: it is damaged: its content has digest %s", want, got).
			WithHint("restore the store from a backup")
	}
	return nil
}
