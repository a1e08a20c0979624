package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/bakeoffhq/bakeoff"
)

// backupOrder lists the buckets that a backup holds in the order in which it reads them: see Backup.
var backupOrder = []string{"ticks", "runs", "trials", "decisions", "deliveries", "tokens", "pipelines"}

// Backup writes a backup to w while others go on writing to the store; program is the version of
// bakeoff that is noted in it. A damaged or missing object is an error that names it and a record
// that refers to it; what was written to w until an error is not a backup. While a collection is
// under way, the error has code Busy.
//
// Not in it are the tasks, which follow from the runs that are open, and the events, which are for
// watching.
//
// The buckets are read one after the other, so that each is as it was at a slightly later moment
// than the one before. The order makes the whole a state that a crash could have left, from which
// a node goes on as after one:
//
//   - ticks first, before runs: a tick that is claimed again finds its run. The other way round, a
//     tick could be settled whose run is not there.
//   - runs next: a trial's result or a verdict that a run does not know of yet is what is left when
//     its driver is killed between a step's record and the run's. A trial's records without a run
//     are left out.
//   - decisions after trials, all as they were at one moment: a batch is in it whole or not at all.
//   - deliveries after decisions: what was delivered meanwhile is not sent again, what is owed is.
//   - pipelines last, since a revision is kept before a run of it exists.
//   - then the objects that these records refer to: an object is stored before the record that
//     names it, and none is removed while a backup is made.
//
// A run that was asked for and ended within those moments is there by its verdict alone, as one
// that retention has removed.
func (s *Store) Backup(ctx context.Context, w io.Writer, program string) (Summary, error) {
	if !s.upkeep.TryLock() {
		return Summary{}, busy("back up")
	}
	defer s.upkeep.Unlock()
	a, err := newArchiveWriter(w, manifest{Format: archiveFormat, Bakeoff: program, Time: time.Now().UTC()})
	if err != nil {
		return Summary{}, fmt.Errorf("back up: %w", err)
	}
	b := &backup{store: s, to: a, must: map[bakeoff.Digest]string{}, may: map[bakeoff.Digest]bool{}, runs: map[string]bool{}}
	for _, bucket := range backupOrder {
		if err := b.records(ctx, bucket); err != nil {
			return Summary{}, fmt.Errorf("back up: %w", err)
		}
	}
	if err := b.objects(ctx); err != nil {
		return Summary{}, fmt.Errorf("back up: %w", err)
	}
	total, err := a.close()
	if err != nil {
		return Summary{}, fmt.Errorf("back up: %w", err)
	}
	return total, nil
}

// busy says that the one thing has to wait for the other.
func busy(what string) error {
	return bakeoff.Errorf(bakeoff.CodeBusy, "%s: a backup or a collection of this store is under way", what).
		WithHint("try again when it has ended")
}

// backup is one backup that is being made.
type backup struct {
	store *Store
	to    *archiveWriter
	must  map[bakeoff.Digest]string // the objects that records need, and one that does
	may   map[bakeoff.Digest]bool   // digests in records that may be those of objects
	runs  map[string]bool
}

func (b *backup) records(ctx context.Context, bucket string) error {
	return b.store.scan(ctx, bucket, func(key string, value []byte) error {
		run, _, _ := strings.Cut(key, ".")
		if bucket == "trials" && !b.runs[run] {
			return nil
		}
		if bucket == "runs" {
			b.runs[key] = true
		}
		if !keyForm.MatchString(key) {
			return fmt.Errorf("the key %q has no place in a backup", key)
		}
		refs, err := b.store.references(ctx, bucket, key, value)
		if err != nil {
			return err
		}
		for _, digest := range refs.must {
			b.must[digest] = cmp.Or(b.must[digest], bucket+"/"+key)
		}
		for _, digest := range refs.may {
			b.may[digest] = true
		}
		return b.to.bytes(recordPrefix+bucket+"/"+key, value)
	})
}

// objects writes what the records refer to, in the order of the digests.
func (b *backup) objects(ctx context.Context) error {
	all := maps.Clone(b.may)
	for digest := range b.must {
		all[digest] = true
	}
	for _, digest := range slices.Sorted(maps.Keys(all)) {
		if err := b.object(ctx, digest); err != nil {
			return err
		}
	}
	return nil
}

func (b *backup) object(ctx context.Context, digest bakeoff.Digest) error {
	user, needed := b.must[digest]
	info, err := b.store.objects.GetInfo(ctx, string(digest))
	if errors.Is(err, jetstream.ErrObjectNotFound) && !needed {
		return nil // the digest of something else, or of an object that nobody needs any more
	}
	if err == nil {
		name := objectPrefix + strings.TrimPrefix(string(digest), "sha256:")
		err = b.to.entry(name, int64(info.Size), func(w io.Writer) error { return b.store.copyObject(ctx, digest, w) })
	}
	if b.to.out.err != nil {
		return fmt.Errorf("write the archive: %w", b.to.out.err)
	}
	if err == nil || ctx.Err() != nil {
		return err
	}
	return bakeoff.Errorf(bakeoff.CodeUnavailable, "object %s, which %s refers to: %w", digest, cmp.Or(user, "a record"), unavailable(err)).
		WithHint("the store has lost it; restore an earlier backup, or remove what refers to it")
}
