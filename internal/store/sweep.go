package store

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/bakeoffhq/bakeoff"
)

const (
	// grace is how long an object may be there, or have been asked for, before a record names it.
	grace = time.Hour

	// freshFor is how long an object that is stored once more needs no new date.
	freshFor = 10 * time.Minute
)

// The client library's names within the stream of the object store.
const (
	objectBucket  = "objects"
	objectStream  = "OBJ_objects"
	objectMetas   = "$O.objects.M."
	objectChunks  = "$O.objects.C."
	headerRollup  = "Nats-Rollup"
	rollupSubject = "sub"
)

func metaSubject(digest bakeoff.Digest) string {
	return objectMetas + base64.URLEncoding.EncodeToString([]byte(digest))
}

func cutKey(key string) (kind, rest string) {
	kind, rest, _ = strings.Cut(key, ".")
	return kind, rest
}

func versionKey(model string, n int) string { return "version." + model + "." + strconv.Itoa(n) }

// forget takes every message of the keys out of a bucket's stream, so that nothing is left of
// them, not even a mark that they were deleted.
func (s *Store) forget(ctx context.Context, bucket, keys string) error {
	stream, err := s.js.Stream(ctx, "KV_"+bucket)
	if err != nil {
		return unavailable(err)
	}
	return unavailable(stream.Purge(ctx, jetstream.WithPurgeSubject("$KV."+bucket+"."+keys)))
}

// refresh reports whether an object is there, and gives it a new date if its own is old: a
// collection leaves it alone for another hour. Either that or the removal comes first, and the
// other sees it.
func (s *Store) refresh(ctx context.Context, digest bakeoff.Digest) (bool, error) {
	info, err := s.objects.GetInfo(ctx, string(digest))
	if errors.Is(err, jetstream.ErrObjectNotFound) {
		return false, nil
	}
	if err != nil {
		return false, unavailable(err)
	}
	if time.Since(info.ModTime) < freshFor {
		return true, nil
	}
	return s.redate(ctx, digest)
}

func (s *Store) redate(ctx context.Context, digest bakeoff.Digest) (bool, error) {
	stream, err := s.js.Stream(ctx, objectStream)
	if err != nil {
		return false, unavailable(err)
	}
	o, err := readObject(ctx, stream, metaSubject(digest))
	if err != nil || o == nil || o.info.Deleted {
		return false, err
	}
	err = s.writeMeta(ctx, o, o.info)
	if conflict(err) { // removed, or dated by somebody else
		return s.refresh(ctx, digest)
	}
	return err == nil, unavailable(err)
}

// object is an entry of the object store with its place in the stream.
type object struct {
	subject  string
	sequence uint64
	stored   time.Time // or asked for, the last time
	info     jetstream.ObjectInfo
}

// readObject returns nil for an object that is not there any more.
func readObject(ctx context.Context, stream jetstream.Stream, subject string) (*object, error) {
	msg, err := stream.GetLastMsgForSubject(ctx, subject)
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, unavailable(err)
	}
	o := &object{subject: subject, sequence: msg.Sequence, stored: msg.Time}
	if err := json.Unmarshal(msg.Data, &o.info); err != nil {
		return nil, fmt.Errorf("read an object's description: %w", err)
	}
	return o, nil
}

// writeMeta replaces an object's description unless it has changed since it was read.
func (s *Store) writeMeta(ctx context.Context, o *object, info jetstream.ObjectInfo) error {
	b, err := json.Marshal(info)
	if err != nil {
		return err
	}
	msg := nats.NewMsg(o.subject)
	msg.Header.Set(headerRollup, rollupSubject)
	msg.Data = b
	_, err = s.js.PublishMsg(ctx, msg, jetstream.WithExpectLastSequencePerSubject(o.sequence))
	return err
}

// objects sweeps: it removes every object that no record holds and that is old enough.
func (c *collection) objects(ctx context.Context) error {
	held, err := c.held(ctx)
	if err != nil {
		return err
	}
	stream, err := c.store.js.Stream(ctx, objectStream)
	if err != nil {
		return unavailable(err)
	}
	unused, chunksOf, err := c.unused(ctx, stream, held)
	if err != nil {
		return err
	}
	for _, o := range unused {
		if err := c.remove(ctx, stream, o); err != nil {
			return fmt.Errorf("remove object %s: %w", o.info.Name, err)
		}
	}
	return c.torn(ctx, stream, chunksOf)
}

// held returns every digest that a record of any bucket needs or may need, and the objects that
// earlier states of decisions are kept in.
func (c *collection) held(ctx context.Context) (map[bakeoff.Digest]bool, error) {
	held := map[bakeoff.Digest]bool{}
	names, err := c.bucketNames(ctx)
	if err != nil {
		return nil, err
	}
	for _, bucket := range names {
		err := c.store.scan(ctx, bucket, func(key string, value []byte) error {
			return c.hold(ctx, held, bucket, key, value)
		})
		if err != nil {
			return nil, err
		}
	}
	return held, c.holdHistory(ctx, held)
}

// bucketNames asks the server, so that a bucket which is added later is not forgotten here.
func (c *collection) bucketNames(ctx context.Context) ([]string, error) {
	var buckets []string
	streams := c.store.js.StreamNames(ctx)
	for name := range streams.Name() {
		if bucket, ok := strings.CutPrefix(name, "KV_"); ok {
			buckets = append(buckets, bucket)
		}
	}
	return buckets, unavailable(streams.Err())
}

// hold notes what a record holds. A dry run passes over what a real one would have removed.
func (c *collection) hold(ctx context.Context, held map[bakeoff.Digest]bool, bucket, key string, value []byte) error {
	run, _ := cutKey(key)
	if (bucket == "runs" || bucket == "trials") && c.gone[run] {
		return nil
	}
	if bucket == "decisions" && c.released[key] {
		if stored, ok := standIn(value); ok {
			held[stored] = true
		}
		return nil
	}
	refs, err := c.store.references(ctx, bucket, key, value)
	if err != nil {
		return err
	}
	for _, digest := range slices.Concat(refs.must, refs.may) {
		held[digest] = true
	}
	return nil
}

// holdHistory keeps the objects that stand for earlier states of a decision.
func (c *collection) holdHistory(ctx context.Context, held map[bakeoff.Digest]bool) error {
	w, err := c.store.decisions.WatchAll(ctx, jetstream.IncludeHistory(), jetstream.IgnoreDeletes())
	if err != nil {
		return unavailable(err)
	}
	defer func() { _ = w.Stop() }() // the subscription ends with the connection at the latest
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case entry, ok := <-w.Updates():
			if !ok {
				return errors.New("read the history of decisions: the connection was closed")
			}
			if entry == nil {
				return nil
			}
			if stored, ok := standIn(entry.Value()); ok {
				held[stored] = true
			}
		}
	}
}

// unused returns the objects that may go, and whose chunks are whose.
func (c *collection) unused(ctx context.Context, stream jetstream.Stream, held map[bakeoff.Digest]bool) ([]*object, map[string]bool, error) {
	info, err := stream.Info(ctx, jetstream.WithSubjectFilter(objectMetas+">"))
	if err != nil {
		return nil, nil, unavailable(err)
	}
	var unused []*object
	chunksOf := map[string]bool{}
	for _, subject := range slices.Sorted(maps.Keys(info.State.Subjects)) {
		o, err := readObject(ctx, stream, subject)
		if err != nil {
			return nil, nil, err
		}
		if o == nil {
			continue
		}
		chunksOf[o.info.NUID] = true
		if !held[bakeoff.Digest(o.info.Name)] && o.stored.Before(c.before) {
			unused = append(unused, o)
		}
	}
	return unused, chunksOf, nil
}

// remove takes an object away unless it was asked for since it was looked at. First it is marked
// as deleted, which is when it is gone; then the space is given back, the mark's too.
func (c *collection) remove(ctx context.Context, stream jetstream.Stream, o *object) error {
	if c.dryRun {
		c.count(o)
		return nil
	}
	if !o.info.Deleted {
		gone := o.info
		gone.Deleted = true
		gone.Size, gone.Chunks, gone.Digest = 0, 0, ""
		err := c.store.writeMeta(ctx, o, gone)
		if conflict(err) {
			return nil
		}
		if err != nil {
			return unavailable(err)
		}
		c.count(o)
	}
	if err := stream.Purge(ctx, jetstream.WithPurgeSubject(objectChunks+o.info.NUID)); err != nil {
		return unavailable(err)
	}
	mark, err := readObject(ctx, stream, o.subject)
	if err != nil || mark == nil || !mark.info.Deleted {
		return err
	}
	return unavailable(stream.Purge(ctx, jetstream.WithPurgeSubject(o.subject), jetstream.WithPurgeSequence(mark.sequence+1)))
}

func (c *collection) count(o *object) {
	if o.info.Deleted {
		return
	}
	c.collected.Objects++
	c.collected.Bytes += int64(o.info.Size)
}

// torn removes the chunks of objects that were not written to their end: a process that is killed
// while it stores something leaves them.
func (c *collection) torn(ctx context.Context, stream jetstream.Stream, chunksOf map[string]bool) error {
	info, err := stream.Info(ctx, jetstream.WithSubjectFilter(objectChunks+">"))
	if err != nil {
		return unavailable(err)
	}
	for _, subject := range slices.Sorted(maps.Keys(info.State.Subjects)) {
		if chunksOf[strings.TrimPrefix(subject, objectChunks)] {
			continue
		}
		last, err := stream.GetLastMsgForSubject(ctx, subject)
		if errors.Is(err, jetstream.ErrMsgNotFound) || err == nil && !last.Time.Before(c.before) {
			continue
		}
		if err != nil {
			return unavailable(err)
		}
		c.collected.Objects++
		c.collected.Bytes += int64(info.State.Subjects[subject]-1)*chunk + int64(len(last.Data))
		if c.dryRun {
			continue
		}
		if err := stream.Purge(ctx, jetstream.WithPurgeSubject(subject)); err != nil {
			return unavailable(err)
		}
	}
	return nil
}
