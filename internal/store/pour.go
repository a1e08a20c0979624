package store

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"hash"
	"io"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"

	"github.com/bakeoffhq/bakeoff"
)

// inFlight is how many chunks of an object are on their way to the disk at once: enough for it never
// to wait for us. The client library has no bound of this size, and the server refuses a stream's
// messages when 128 MB of them wait for a slow disk.
const inFlight = 32

// pour writes an object into the stream of the object store, laid out as the client library does: the
// chunks under an ID of this writing, then the description. Chunks of a writing that did not end are
// swept like those of any other.
type pour struct {
	js   jetstream.JetStream
	info jetstream.ObjectInfo
	sum  hash.Hash
	acks []jetstream.PubAckFuture // of the chunks on their way, oldest first
	ctx  context.Context
	// buffers has one for each chunk on its way: the client library may send it again.
	buffers [inFlight][]byte
}

// writeObject writes an object that is not there yet.
func (s *Store) writeObject(ctx context.Context, digest bakeoff.Digest, r io.Reader) error {
	js, err := jetstream.New(s.js.Conn(), jetstream.WithPublishAsyncTimeout(slowestWrite))
	if err != nil {
		return err
	}
	defer js.CleanupPublisher()
	p := &pour{js: js, sum: sha256.New(), ctx: ctx, info: jetstream.ObjectInfo{
		ObjectMeta: jetstream.ObjectMeta{Name: string(digest), Opts: &jetstream.ObjectMetaOptions{ChunkSize: chunk}},
		Bucket:     objectBucket, NUID: nuid.Next(),
	}}
	if err := p.chunks(r); err != nil {
		return unavailable(err)
	}
	return unavailable(p.describe(metaSubject(digest)))
}

// slowestWrite bounds how long a chunk may wait for its turn and the disk's answer.
const slowestWrite = time.Minute

// chunks writes the content and waits until all of it is on disk.
func (p *pour) chunks(r io.Reader) error {
	for {
		if err := p.wait(inFlight - 1); err != nil {
			return err
		}
		buffer := &p.buffers[p.info.Chunks%inFlight]
		if *buffer == nil {
			*buffer = make([]byte, chunk)
		}
		n, err := io.ReadFull(r, *buffer)
		if n > 0 {
			if err := p.chunk((*buffer)[:n]); err != nil {
				return err
			}
		}
		switch {
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			return p.wait(0)
		case err != nil:
			return err
		}
	}
}

func (p *pour) chunk(b []byte) error {
	_, _ = p.sum.Write(b) // never fails, by its documentation
	ack, err := p.js.PublishAsync(objectChunks+p.info.NUID, b)
	if err != nil {
		return err
	}
	p.acks = append(p.acks, ack)
	p.info.Chunks++
	p.info.Size += uint64(len(b))
	return nil
}

// wait waits until at most so many chunks are on their way.
func (p *pour) wait(left int) error {
	for len(p.acks) > left {
		select {
		case <-p.acks[0].Ok():
		case err := <-p.acks[0].Err():
			return err
		case <-p.ctx.Done():
			return context.Cause(p.ctx)
		}
		p.acks = p.acks[1:]
	}
	return nil
}

// describe writes the description, which makes the object one.
func (p *pour) describe(subject string) error {
	p.info.Digest = jetstream.GetObjectDigestValue(p.sum)
	b, err := json.Marshal(p.info)
	if err != nil {
		return err
	}
	msg := nats.NewMsg(subject)
	msg.Header.Set(headerRollup, rollupSubject)
	msg.Data = b
	ctx, cancel := context.WithTimeout(p.ctx, slowestWrite)
	defer cancel()
	_, err = p.js.PublishMsg(ctx, msg)
	return err
}
