package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/synadia-io/orbit.go/jetstreamext"

	"github.com/bakeoffhq/bakeoff"
)

// Policy says what a collection keeps. A run or version is kept if any of the rules keeps it. A
// field that is zero has its default; less than zero keeps nothing by that rule.
type Policy struct {
	KeepRuns     int           // a pipeline's last runs, whole; by default 100
	KeepVersions int           // a model's last versions, with artifact and golden answers; by default 20
	KeepFor      time.Duration // runs and versions younger than this; by default 30 days
	Now          time.Time     // what ages are counted from; by default the present
}

func (p Policy) withDefaults() Policy {
	p.KeepRuns = max(0, cmp.Or(p.KeepRuns, 100))
	p.KeepVersions = max(0, cmp.Or(p.KeepVersions, 20))
	p.KeepFor = max(0, cmp.Or(p.KeepFor, 30*24*time.Hour))
	if p.Now.IsZero() {
		p.Now = time.Now()
	}
	return p
}

// Collected says what a collection removed, or would remove.
type Collected struct {
	Runs     int   `json:"runs"`
	Versions int   `json:"versions"` // of which the artifact was let go; their records stay
	Objects  int   `json:"objects"`
	Bytes    int64 `json:"bytes"` // of the objects
}

// Collect removes what the policy does not keep, or with dryRun only counts it. It may be called
// while a node works on the store. While a backup or another collection is under way, the error
// has code Busy. A collection that was interrupted is completed by the next one.
//
// Of a run, the verdict stays for ever; its record, its trials' records and all objects that only
// it refers to go. An open run is not touched, nor one whose promotion waits for a person's word. Of a
// version, the record stays, marked as released; its artifact, golden answers and fingerprint go. A
// version with an alias, or with a deployment that is still owed, is not touched.
//
// Of a pipeline that was removed and has no champion any more, the last runs and versions are kept only
// as long as they are young: none come after them that could take their place.
//
// Then the objects go that no record refers to, and what is left of objects that were not written
// to their end. An object may be there before the record that names it: none is removed that was
// stored or asked for within the last hour, or since the oldest open run was asked for, or since
// the collection began.
func (s *Store) Collect(ctx context.Context, p Policy, dryRun bool) (Collected, error) {
	if !s.upkeep.TryLock() {
		return Collected{}, busy("collect")
	}
	defer s.upkeep.Unlock()
	p = p.withDefaults()
	c := &collection{store: s, policy: p, dryRun: dryRun, alive: map[string]bool{}, waits: map[string]bool{}, gone: map[string]bool{}, released: map[string]bool{}, before: earlier(time.Now(), p.Now.Add(-grace))}
	for _, step := range []func(context.Context) error{c.lookAround, c.runs, c.versions, c.objects} {
		if err := step(ctx); err != nil {
			return c.collected, fmt.Errorf("collect: %w", err)
		}
	}
	return c.collected, nil
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// collection is one collection under way.
type collection struct {
	store     *Store
	policy    Policy
	dryRun    bool
	before    time.Time       // objects that were asked for after it are not touched
	alive     map[string]bool // pipelines that are there, and those whose champion still is
	waits     map[string]bool // runs that have left a promotion for a person to decide about
	gone      map[string]bool // runs that are removed
	released  map[string]bool // keys of versions that are released
	collected Collected
}

func (c *collection) young(t time.Time) bool { return c.policy.Now.Sub(t) < c.policy.KeepFor }

// lookAround finds out which pipelines go on, and what waits for a person.
func (c *collection) lookAround(ctx context.Context) error {
	files, err := c.store.Pipelines(ctx)
	if err != nil {
		return err
	}
	models, err := c.store.Models(ctx)
	for _, f := range files {
		c.alive[f.Name] = true
	}
	for _, m := range models {
		c.alive[m.Name] = c.alive[m.Name] || m.Champion() != 0
		if m.Pending != nil {
			c.waits[m.Pending.Run] = true
		}
	}
	return err
}

// byNumber is how many of a pipeline's last runs or versions are kept whatever their age.
func (c *collection) byNumber(pipeline string, policy int) int {
	if !c.alive[pipeline] {
		return 0
	}
	return policy
}

// runs removes the runs that are not kept. It reads all of them: the open ones among them say from
// when on objects may be in use.
func (c *collection) runs(ctx context.Context) error {
	ended := map[string][]bakeoff.Run{}
	err := c.store.scan(ctx, "runs", func(key string, value []byte) error {
		if strings.Contains(key, ".") { // a run's own further records
			return nil
		}
		var r bakeoff.Run
		if err := c.store.decode(ctx, value, &r); err != nil {
			return err
		}
		if r.Phase != bakeoff.PhaseEnded {
			c.before = earlier(c.before, r.Created)
			return nil
		}
		ended[r.Pipeline] = append(ended[r.Pipeline], bakeoff.Run{ID: key, Created: r.Created})
		return nil
	})
	if err != nil {
		return err
	}
	for name, runs := range ended {
		slices.SortFunc(runs, func(a, b bakeoff.Run) int { return b.Created.Compare(a.Created) })
		for _, r := range runs[min(c.byNumber(name, c.policy.KeepRuns), len(runs)):] {
			if c.young(r.Created) || c.waits[r.ID] {
				continue
			}
			if err := c.removeRun(ctx, r.ID); err != nil {
				return err
			}
		}
	}
	return nil
}

// removeRun removes a run's records, its own last: until it is gone the run can be removed again.
func (c *collection) removeRun(ctx context.Context, id string) error {
	c.gone[id] = true
	c.collected.Runs++
	if c.dryRun {
		return nil
	}
	for _, of := range []struct{ bucket, keys string }{{"trials", id + ".>"}, {"runs", id + ".>"}, {"runs", id}} {
		if err := c.store.forget(ctx, of.bucket, of.keys); err != nil {
			return fmt.Errorf("remove run %s from %s: %w", id, of.bucket, err)
		}
	}
	return nil
}

// versions releases the versions that are not kept.
func (c *collection) versions(ctx context.Context) error {
	deploying := map[string]bool{}
	of := map[string][]bakeoff.Version{}
	var names []string
	err := c.store.scan(ctx, "decisions", func(key string, value []byte) error {
		kind, name := cutKey(key)
		switch kind {
		case "model":
			names = append(names, name)
		case "version":
			var v bakeoff.Version
			err := c.store.decode(ctx, value, &v)
			of[v.Model] = append(of[v.Model], v)
			return err
		case "deploy":
			var d bakeoff.Deployment
			err := c.store.decode(ctx, value, &d)
			deploying[versionKey(d.Version.Model, d.Version.Version)] = true
			return err
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, name := range names {
		old := of[name]
		slices.SortFunc(old, func(a, b bakeoff.Version) int { return b.Version - a.Version })
		old = slices.DeleteFunc(old[min(c.byNumber(name, c.policy.KeepVersions), len(old)):], func(v bakeoff.Version) bool {
			return c.young(v.Created) || !v.Released.IsZero() || deploying[versionKey(v.Model, v.Version)]
		})
		for batch := range slices.Chunk(old, releaseAtOnce) {
			if err := c.release(ctx, name, batch); err != nil {
				return fmt.Errorf("release versions of %s: %w", name, err)
			}
		}
	}
	return nil
}

const (
	releaseAtOnce = 100

	// maxReleases bounds how often a release is tried again because the model was changed meanwhile.
	maxReleases = 10
)

// release marks versions in one batch with their model's record, so that none of them gets an
// alias at the same time. Those that have one are passed over.
func (c *collection) release(ctx context.Context, model string, vs []bakeoff.Version) error {
	var err error
	for range maxReleases {
		m, revision, readErr := c.store.Model(ctx, model)
		if readErr != nil {
			return readErr
		}
		free := slices.DeleteFunc(slices.Clone(vs), func(v bakeoff.Version) bool { return aliased(m, v.Version) })
		if len(free) == 0 {
			return nil
		}
		if !c.dryRun {
			err = c.store.markReleased(ctx, m, revision, free, c.policy.Now)
		}
		if conflict(err) {
			continue
		}
		if err != nil {
			return unavailable(err)
		}
		c.collected.Versions += len(free)
		for _, v := range free {
			c.released[versionKey(v.Model, v.Version)] = true
		}
		return nil
	}
	return err
}

func aliased(m bakeoff.Model, version int) bool {
	for _, alias := range m.Aliases {
		if alias.Version == version {
			return true
		}
	}
	return false
}

// markReleased is a batch whose last write leaves the model as it is: it holds only if the model
// has not changed since its revision.
func (s *Store) markReleased(ctx context.Context, m bakeoff.Model, revision uint64, vs []bakeoff.Version, now time.Time) error {
	batch, err := jetstreamext.NewBatchPublisher(s.js)
	if err != nil {
		return err
	}
	for _, v := range vs {
		v.Released = now.UTC()
		value, err := s.encode(ctx, v)
		if err == nil {
			err = batch.Add(subject(versionKey(v.Model, v.Version)), value)
		}
		if err != nil {
			return errors.Join(err, batch.Discard())
		}
	}
	value, err := s.encode(ctx, m)
	if err != nil {
		return errors.Join(err, batch.Discard())
	}
	_, err = batch.Commit(ctx, subject("model."+m.Name), value, jetstreamext.WithBatchExpectLastSequencePerSubject(revision))
	return err
}

// mustHold makes sure that the objects of a change are there and stay: a new version's are asked
// for, so that no collection under way takes them, and a released version cannot become champion.
// A release changes the model's record, so that what is read here still holds when the change does.
func (s *Store) mustHold(ctx context.Context, c bakeoff.Change) error {
	if c.Version != nil {
		return s.refreshVersion(ctx, *c.Version)
	}
	if c.Verdict != nil {
		return nil
	}
	for _, name := range slices.Sorted(maps.Keys(c.Model.Aliases)) {
		v, err := s.Version(ctx, c.Model.Name, c.Model.Aliases[name].Version)
		if err == nil && !v.Released.IsZero() { // one that is not there is for whoever serves it to tell
			return bakeoff.Errorf(bakeoff.CodeConflict, "version %d of %s has no artifact any more: retention let go of it on %s", v.Version, v.Model, v.Released.Format(time.DateOnly)).
				WithHint("`bakeoff models %s` lists the versions", v.Model)
		}
	}
	return nil
}

func (s *Store) refreshVersion(ctx context.Context, v bakeoff.Version) error {
	seen := cmp.Or(v.Lineage.Snapshot.Fingerprint, v.Lineage.Snapshot.Train)
	for _, digest := range []bakeoff.Digest{v.Artifact, v.Golden, seen} {
		if digest == "" {
			continue
		}
		there, err := s.refresh(ctx, digest)
		if err != nil {
			return err
		}
		if !there {
			return bakeoff.Errorf(bakeoff.CodeNotFound, "object %s of version %d is not in the store", digest.Short(), v.Version)
		}
	}
	return nil
}
