package store

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/bakeoffhq/bakeoff"
)

// maxRounds bounds how often a bucket is looked at again for keys that came while it was read.
const maxRounds = 8

// scan calls each with the value of every key of a bucket, and misses none that was there when it
// began: what a listing that goes by the number of messages may do while others write.
//
// A key that is written meanwhile is read as it is then, and a key that came meanwhile is read,
// too: whatever a value that is read was written after, is read. The bucket decisions is read as
// it was at one moment instead, at which no batch was torn.
func (s *Store) scan(ctx context.Context, bucket string, each func(key string, value []byte) error) error {
	stream, err := s.js.Stream(ctx, "KV_"+bucket)
	if err != nil {
		return fmt.Errorf("read %s: %w", bucket, unavailable(err))
	}
	moment := uint64(math.MaxUint64)
	rounds := maxRounds
	if bucket == "decisions" {
		rounds = 1
		if moment, err = betweenBatches(ctx, stream); err != nil {
			return fmt.Errorf("read %s: %w", bucket, err)
		}
	}
	seen := map[string]bool{}
	for range rounds {
		info, err := stream.Info(ctx, jetstream.WithSubjectFilter("$KV."+bucket+".>"))
		if err != nil {
			return fmt.Errorf("read %s: %w", bucket, unavailable(err))
		}
		before := len(seen)
		for _, subject := range slices.Sorted(maps.Keys(info.State.Subjects)) {
			if seen[subject] {
				continue
			}
			seen[subject] = true
			key := strings.TrimPrefix(subject, "$KV."+bucket+".")
			if err := readKey(ctx, stream, subject, moment, func(value []byte) error { return each(key, value) }); err != nil {
				return fmt.Errorf("read %s of %s: %w", key, bucket, err)
			}
		}
		if len(seen) == before {
			return nil
		}
	}
	return nil
}

// batchPause is how long the rest of a batch that is being written is given before one looks again.
const batchPause = time.Millisecond

// betweenBatches returns the sequence of the last message of a stream, or of the batch that it is
// the beginning of: the server shows the messages of a batch one after the other.
func betweenBatches(ctx context.Context, stream jetstream.Stream) (uint64, error) {
	info, err := stream.Info(ctx)
	if err != nil {
		return 0, unavailable(err)
	}
	if info.State.LastSeq == 0 {
		return 0, nil
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	for last := info.State.LastSeq; ; {
		msg, err := stream.GetMsg(ctx, last)
		switch {
		case errors.Is(err, jetstream.ErrMsgNotFound) && last <= info.State.LastSeq:
			return last, nil // removed since
		case errors.Is(err, jetstream.ErrMsgNotFound): // the batch is not there to its end
			select {
			case <-ctx.Done():
				return 0, unavailable(ctx.Err())
			case <-time.After(batchPause):
			}
		case err != nil:
			return 0, unavailable(err)
		case msg.Header.Get("Nats-Batch-Id") == "" || msg.Header.Get("Nats-Batch-Commit") != "":
			return last, nil
		default:
			last++
		}
	}
}

// readKey calls each with the value that a subject had at the moment, a sequence, unless it had
// none or it was deleted.
func readKey(ctx context.Context, stream jetstream.Stream, subject string, moment uint64, each func([]byte) error) error {
	msg, err := stream.GetLastMsgForSubject(ctx, subject)
	if err == nil && msg.Sequence > moment {
		msg, err = messageAt(ctx, stream, subject, moment)
	}
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return nil
	}
	if err != nil {
		return unavailable(err)
	}
	if deleted(msg) {
		return nil
	}
	return each(msg.Data)
}

// messageAt goes through a subject's history, which is short, from its beginning.
func messageAt(ctx context.Context, stream jetstream.Stream, subject string, moment uint64) (*jetstream.RawStreamMsg, error) {
	var found *jetstream.RawStreamMsg
	for next := uint64(1); ; {
		msg, err := stream.GetMsg(ctx, next, jetstream.WithGetMsgSubject(subject))
		if err == nil && msg.Sequence <= moment {
			found, next = msg, msg.Sequence+1
			continue
		}
		if err != nil && !errors.Is(err, jetstream.ErrMsgNotFound) {
			return nil, err
		}
		if found == nil {
			return nil, jetstream.ErrMsgNotFound
		}
		return found, nil
	}
}

func deleted(msg *jetstream.RawStreamMsg) bool {
	op := msg.Header.Get("KV-Operation")
	return op == "DEL" || op == "PURGE" || msg.Header.Get("Nats-Marker-Reason") != ""
}

var (
	digestText = regexp.MustCompile(`"sha256:[0-9a-f]{64}"`)

	// heldByName finds the objects that a run or a version names, in JSON as we write it: not the
	// digest of a pipeline's text or of a description.
	heldByName = regexp.MustCompile(`"(?:train|holdout|artifact|log|golden|answers|fingerprint)":"sha256:[0-9a-f]{64}"`)
	keptByName = regexp.MustCompile(`"(?:train|artifact|golden|fingerprint)":"sha256:[0-9a-f]{64}"`)
)

// references are the objects that a record refers to.
type references struct {
	// must are those without which it is damaged.
	must []bakeoff.Digest
	// may are those that it may need if they are there, and digests of other things.
	may []bakeoff.Digest
}

// references finds what a value of a bucket refers to. A verdict names artifacts and does not hold
// them: it outlives them. A version holds its artifact, its golden answers and the fingerprint of
// the rows that it has seen until it is released; one from before there were fingerprints, the rows.
func (s *Store) references(ctx context.Context, bucket, key string, value []byte) (references, error) {
	var refs references
	object, apart := standIn(value)
	if apart {
		refs.must = append(refs.must, object)
	}
	kind, _ := cutKey(key)
	if bucket == "decisions" && (kind == "verdict" || kind == "outbox" || kind == "model") {
		return refs, nil
	}
	if apart {
		var err error
		if value, err = s.GetBytes(ctx, object); err != nil {
			return refs, fmt.Errorf("record %s of %s: %w", key, bucket, err)
		}
	}
	switch {
	case bucket == "runs" || bucket == "trials":
		refs.must = append(refs.must, digests(heldByName, value)...)
		refs.may = digests(digestText, value)
	case bucket == "decisions" && kind == "version":
		var v bakeoff.Version
		if err := json.Unmarshal(value, &v); err != nil {
			return refs, fmt.Errorf("record %s of %s: %w", key, bucket, err)
		}
		if v.Released.IsZero() {
			refs.must = append(refs.must, digests(keptByName, value)...)
		}
		if v.Lineage.Snapshot.Fingerprint != "" {
			refs.must = slices.DeleteFunc(refs.must, func(d bakeoff.Digest) bool { return d == v.Lineage.Snapshot.Train })
		}
	default:
		refs.may = digests(digestText, value)
	}
	return refs, nil
}

// standIn returns the object that a value stands for, if it is that of a spilled record.
func standIn(value []byte) (bakeoff.Digest, bool) {
	if len(value) >= 128 {
		return "", false
	}
	var ref spilled
	if json.Unmarshal(value, &ref) != nil || !ref.Object.Valid() {
		return "", false
	}
	return ref.Object, true
}

func digests(form *regexp.Regexp, value []byte) []bakeoff.Digest {
	var ds []bakeoff.Digest
	for _, found := range form.FindAll(value, -1) {
		quoted := found[bytes.LastIndexByte(found[:len(found)-1], '"')+1:]
		ds = append(ds, bakeoff.Digest(bytes.TrimSuffix(quoted, []byte{'"'})))
	}
	return ds
}
