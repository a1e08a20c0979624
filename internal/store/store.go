// Package store turns the product's records, tasks, events and artifacts into streams, key-value
// buckets and objects of JetStream, and back. Beside it, only natsd and join know NATS.
//
// Every change of a record is a compare-and-set. A record that outgrows a message is kept as an
// object of which the bucket holds the digest.
package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sync/errgroup"

	"github.com/bakeoffhq/bakeoff"
)

const (
	// callTimeout bounds one exchange with the server.
	callTimeout = 10 * time.Second

	// longestSilence is how long a listing waits for what is left of it.
	longestSilence = 2 * time.Second

	// historyOfDecisions is how many earlier states of a decision are kept.
	historyOfDecisions = 64

	// spillAt is the size from which a record is kept as an object.
	spillAt = 256 << 10

	eventsAge  = 14 * 24 * time.Hour
	eventsSize = 256 << 20
)

// Store holds everything durable. Its methods may be called from several goroutines.
type Store struct {
	js jetstream.JetStream

	pipelines  jetstream.KeyValue // NAME, NAME.revision.DIGEST, NAME.identity, NAME.removed
	runs       jetstream.KeyValue // RUN
	trials     jetstream.KeyValue // RUN.KIND.WHAT.attempt, RUN.KIND.WHAT.result
	ticks      jetstream.KeyValue // NAME.at.TICK, NAME.cursor, NAME.pause
	tokens     jetstream.KeyValue // NAME
	deliveries jetstream.KeyValue // NOTIFICATION.RECEIVER, DEPLOYMENT.hook.N
	decisions  jetstream.KeyValue // model.NAME, version.NAME.N, verdict.NAME.RUN, outbox.ID, deploy.ID
	objects    jetstream.ObjectStore
	tasks      jetstream.Stream

	upkeep sync.Mutex // held by a backup or a collection: neither while the other is under way
}

// Open makes sure that the streams and buckets exist.
func Open(ctx context.Context, nc *nats.Conn) (*Store, error) {
	js, err := jetstream.New(nc, jetstream.WithDefaultTimeout(callTimeout))
	if err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	s := &Store{js: js}
	if err := s.create(ctx); err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	return s, nil
}

func (s *Store) create(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	for name, bucket := range map[string]*jetstream.KeyValue{
		"pipelines": &s.pipelines, "runs": &s.runs, "trials": &s.trials, "deliveries": &s.deliveries,
		"ticks": &s.ticks, "tokens": &s.tokens,
	} {
		g.Go(func() (err error) {
			*bucket, err = s.js.CreateOrUpdateKeyValue(ctx, jetstream.KeyValueConfig{Bucket: name, History: 1})
			return named(err, "bucket "+name)
		})
	}
	g.Go(func() error { return named(s.createDecisions(ctx), "bucket decisions") })
	g.Go(func() (err error) {
		s.objects, err = s.js.CreateOrUpdateObjectStore(ctx, jetstream.ObjectStoreConfig{Bucket: objectBucket})
		return named(err, "object store")
	})
	g.Go(func() error { return named(s.createTasks(ctx), "stream tasks") })
	g.Go(func() error {
		_, err := s.js.CreateOrUpdateStream(ctx, jetstream.StreamConfig{
			Name: "events", Subjects: []string{"event.>"}, MaxAge: eventsAge, MaxBytes: eventsSize,
		})
		return named(err, "stream events")
	})
	return g.Wait()
}

// createDecisions allows atomic batches on the bucket's stream, which the bucket's own
// configuration cannot say.
func (s *Store) createDecisions(ctx context.Context) error {
	stream, err := s.js.Stream(ctx, "KV_decisions")
	if err == nil && stream.CachedInfo().Config.AllowAtomicPublish {
		s.decisions, err = s.js.KeyValue(ctx, "decisions")
		return err
	}
	s.decisions, err = s.js.CreateOrUpdateKeyValue(ctx, jetstream.KeyValueConfig{Bucket: "decisions", History: historyOfDecisions})
	if err != nil {
		return err
	}
	stream, err = s.js.Stream(ctx, "KV_decisions")
	if err != nil {
		return err
	}
	config := stream.CachedInfo().Config
	config.AllowAtomicPublish = true
	_, err = s.js.UpdateStream(ctx, config)
	return err
}

func named(err error, what string) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", what, err)
}

// spilled stands in a bucket for a record that is kept as an object.
type spilled struct {
	Object bakeoff.Digest `json:"$object"`
}

// encode turns a record into the value of a key, spilling it if it is large.
func (s *Store) encode(ctx context.Context, record any) ([]byte, error) {
	b, err := json.Marshal(record)
	if err != nil || len(b) < spillAt {
		return b, err
	}
	digest, err := s.PutBytes(ctx, b)
	if err != nil {
		return nil, err
	}
	return json.Marshal(spilled{Object: digest})
}

// decode is the inverse of encode.
func (s *Store) decode(ctx context.Context, value []byte, record any) error {
	if len(value) < 128 { // a spilled record's stand-in has 84 bytes
		var ref spilled
		if json.Unmarshal(value, &ref) == nil && ref.Object.Valid() {
			var err error
			if value, err = s.GetBytes(ctx, ref.Object); err != nil {
				return err
			}
		}
	}
	return json.Unmarshal(value, record)
}

// get reads a record. A missing one has code NotFound.
func (s *Store) get(ctx context.Context, bucket jetstream.KeyValue, key string, record any) (revision uint64, err error) {
	entry, err := bucket.Get(ctx, key)
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		return 0, bakeoff.Errorf(bakeoff.CodeNotFound, "read %s of %s: %w", key, bucket.Bucket(), err)
	}
	if err != nil {
		return 0, fmt.Errorf("read %s of %s: %w", key, bucket.Bucket(), unavailable(err))
	}
	if err := s.decode(ctx, entry.Value(), record); err != nil {
		return 0, fmt.Errorf("read %s of %s: %w", key, bucket.Bucket(), err)
	}
	return entry.Revision(), nil
}

// put writes a record if its key still has the revision; 0 means that it must not exist. A
// conflict has code Conflict.
func (s *Store) put(ctx context.Context, bucket jetstream.KeyValue, key string, record any, revision uint64) (uint64, error) {
	value, err := s.encode(ctx, record)
	if err != nil {
		return 0, fmt.Errorf("write %s of %s: %w", key, bucket.Bucket(), err)
	}
	if revision == 0 {
		revision, err = bucket.Create(ctx, key, value)
	} else {
		revision, err = bucket.Update(ctx, key, value, revision)
	}
	if conflict(err) {
		return 0, bakeoff.Errorf(bakeoff.CodeConflict, "write %s of %s: somebody else changed it first: %w", key, bucket.Bucket(), err)
	}
	if err != nil {
		return 0, fmt.Errorf("write %s of %s: %w", key, bucket.Bucket(), unavailable(err))
	}
	return revision, nil
}

func conflict(err error) bool {
	var api jetstream.JetStreamError
	return errors.As(err, &api) && api.APIError() != nil && api.APIError().ErrorCode == jetstream.JSErrCodeStreamWrongLastSequence
}

// The server's codes for a write that it could not store.
const (
	errBatchIncomplete jetstream.ErrorCode = 10176 // a message of the batch was not stored
	errNoResources     jetstream.ErrorCode = 10023
	errNoStorage       jetstream.ErrorCode = 10047
	errStoreFailed     jetstream.ErrorCode = 10077
)

// unavailable explains a write or read that got no answer, and a write that was not stored: with
// an embedded server that is a disk which takes no writes.
func unavailable(err error) error {
	what := ""
	var api jetstream.JetStreamError
	switch {
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, nats.ErrTimeout):
		what = "the store does not answer"
	case errors.As(err, &api) && api.APIError() != nil &&
		slices.Contains([]jetstream.ErrorCode{errBatchIncomplete, errNoResources, errNoStorage, errStoreFailed}, api.APIError().ErrorCode):
		what = "the store takes no writes"
	default:
		return err
	}
	return bakeoff.Errorf(bakeoff.CodeUnavailable, "%s: %w", what, err).
		WithHint("its disk may be full or failing; free some space and start again: nothing that was acknowledged is lost")
}

// list calls each with the value of every key that matches the filters, in the order in which
// they were last written; with one that is written meanwhile perhaps twice.
//
// A watch ends its listing by a count of messages, in which one that is written again meanwhile
// takes the place of another. So the end is where nothing is left to come, as each message says. What
// is left and then removed never comes: after a silence the listing is begun anew.
func (s *Store) list(ctx context.Context, bucket jetstream.KeyValue, each func(key string, value []byte) error, filters ...string) error {
	written := slices.Clone(filters) // the watch rewrites what it is given
	w, err := bucket.WatchFiltered(ctx, filters)
	if err != nil {
		return fmt.Errorf("list %s: %w", bucket.Bucket(), unavailable(err))
	}
	defer func() { _ = w.Stop() }() // the subscription ends with the connection at the latest
	left, counted := uint64(0), false
	silence := time.NewTimer(longestSilence)
	defer silence.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-silence.C:
			return s.list(ctx, bucket, each, written...)
		case entry, ok := <-w.Updates():
			if !ok && ctx.Err() != nil {
				return ctx.Err()
			}
			if !ok {
				return fmt.Errorf("list %s: the connection was closed", bucket.Bucket())
			}
			silence.Reset(longestSilence)
			if entry == nil {
				counted = true
			} else if left = entry.Delta(); entry.Operation() == jetstream.KeyValuePut {
				if err := each(entry.Key(), entry.Value()); err != nil {
					return fmt.Errorf("list %s: %s: %w", bucket.Bucket(), entry.Key(), err)
				}
			}
			if counted && left == 0 {
				return nil
			}
		}
	}
}

// all reads every record that matches the filters.
func all[T any](ctx context.Context, s *Store, bucket jetstream.KeyValue, filters ...string) ([]T, error) {
	values, ok := s.few(ctx, bucket, filters)
	if !ok {
		var err error
		if values, err = s.many(ctx, bucket, filters); err != nil {
			return nil, err
		}
	}
	records := make([]T, len(values))
	for i, value := range values {
		if err := s.decode(ctx, value, &records[i]); err != nil {
			return nil, fmt.Errorf("read a record of %s: %w", bucket.Bucket(), err)
		}
	}
	return records, nil
}

// many is few for any number of keys.
func (s *Store) many(ctx context.Context, bucket jetstream.KeyValue, filters []string) ([][]byte, error) {
	var values [][]byte
	places := map[string]int{}
	err := s.list(ctx, bucket, func(key string, value []byte) error {
		if i, again := places[key]; again {
			values[i] = value
			return nil
		}
		places[key] = len(values)
		values = append(values, value)
		return nil
	}, filters...)
	return values, err
}
