package join

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/bakeoffhq/bakeoff"
)

// GetFile writes the training rows of a trial that this worker builds, or what its earlier attempts
// have printed, to a new file at path, and checks the digest.
func (c *Client) GetFile(ctx context.Context, digest bakeoff.Digest, path string) error {
	l := c.heldLease(func(l *Lease) bool {
		return l.attempt.Log == digest || l.run.Snapshot != nil && l.run.Snapshot.Train == digest
	})
	if l == nil {
		return lost(bakeoff.Task{})
	}
	return fetch(digest, path, func(offset int64) ([]byte, int64, error) {
		var a getAnswer
		piece, err := c.call(ctx, callGet, getAsk{hold: l.hold(), Digest: digest, Offset: offset}, nil, &a)
		return piece, a.Size, err
	})
}

// heldLease returns a lease under which an attempt has begun and that fits, or nil.
func (c *Client) heldLease(fits func(*Lease) bool) *Lease {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, l := range c.leases {
		l.mu.Lock()
		ok := l.token > 0 && !l.gone && fits(l)
		l.mu.Unlock()
		if ok {
			return l
		}
	}
	return nil
}

// fetch writes an object to a new file, piece by piece. A file with another content than the digest
// says is removed.
func fetch(digest bakeoff.Digest, path string, next func(offset int64) (piece []byte, size int64, err error)) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("fetch object %s: %w", digest.Short(), err)
	}
	err = errors.Join(fetchInto(digest, f, next), f.Close())
	if err != nil {
		return errors.Join(fmt.Errorf("fetch object %s: %w", digest.Short(), err), os.Remove(path))
	}
	return nil
}

func fetchInto(digest bakeoff.Digest, w io.Writer, next func(offset int64) ([]byte, int64, error)) error {
	sum := sha256.New()
	for offset := int64(0); ; {
		piece, size, err := next(offset)
		if err != nil {
			return err
		}
		if _, err := io.MultiWriter(w, sum).Write(piece); err != nil {
			return err
		}
		offset += int64(len(piece))
		if offset == size {
			break
		}
		if len(piece) == 0 || offset > size {
			return fmt.Errorf("it has %d bytes, %d were announced", offset, size)
		}
	}
	if got := bakeoff.DigestOfSum(sum.Sum(nil)); got != digest {
		return bakeoff.Errorf(bakeoff.CodeUnavailable, "what came has the digest %s", got.Short())
	}
	return nil
}

// PutFile hands the content of a file in, under any of the leases that this worker holds, and
// returns its digest.
func (c *Client) PutFile(ctx context.Context, path string) (digest bakeoff.Digest, err error) {
	f, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("hand in %s: %w", path, err)
	}
	defer f.Close()
	sum := sha256.New()
	size, err := io.Copy(sum, f)
	if err != nil {
		return "", fmt.Errorf("hand in %s: %w", path, err)
	}
	digest = bakeoff.DigestOfSum(sum.Sum(nil))
	if err := c.send(ctx, f, digest, size); err != nil {
		return "", fmt.Errorf("hand in %s: %w", path, err)
	}
	return digest, nil
}

// send sends a file piece by piece, each from where the node says that it misses bytes: a node that
// was restarted misses all of them.
func (c *Client) send(ctx context.Context, f io.ReaderAt, digest bakeoff.Digest, size int64) error {
	buffer := make([]byte, chunkSize)
	for offset := int64(0); ; {
		l := c.heldLease(func(*Lease) bool { return true })
		if l == nil {
			return lost(bakeoff.Task{})
		}
		n, err := f.ReadAt(buffer[:min(chunkSize, size-offset)], offset)
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		ask := putAsk{hold: l.hold(), Digest: digest, Size: size, Offset: offset}
		var a putAnswer
		_, err = c.call(ctx, callPut, ask, buffer[:n], &a)
		switch {
		case errors.Is(err, bakeoff.ErrLeaseLost):
			if l.hold() == ask.hold {
				l.end()
			}
			continue // under another one
		case err != nil:
			return err
		case a.Stored:
			c.keepReceipt(digest, a.Receipt)
			return nil
		case a.Next < 0 || a.Next > size:
			return fmt.Errorf("the node asks for byte %d of %d", a.Next, size)
		}
		offset = a.Next
	}
}

// keepReceipt remembers that a file was handed in, with every lease that is held now: which of their
// results will name it is not known here. It ends with the last of them.
func (c *Client) keepReceipt(digest bakeoff.Digest, receipt string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, l := range c.leases {
		l.mu.Lock()
		l.proofs[digest] = receipt
		l.mu.Unlock()
	}
}
