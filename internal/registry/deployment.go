package registry

import (
	"cmp"
	"context"
	"fmt"

	"github.com/bakeoffhq/bakeoff"
)

// moveMoment is the form of the moment in a move's ID, before its microseconds: a key takes no full stop.
const moveMoment = "20060102T150405"

// moveID names the move of the champion that made a version live.
func moveID(v bakeoff.Version, champion bakeoff.Alias) string {
	at := champion.Moved.UTC()
	return fmt.Sprintf("%s-v%d-%s%06dZ", v.Model, v.Version, at.Format(moveMoment), at.Nanosecond()/1000)
}

// deployment returns what is owed to the deploy hooks of a revision after the champion of before has
// moved to v, nil if it has not moved. What the hooks are to do is decided by them: a pipeline without
// hooks is owed nothing, which whoever carries them out finds out.
func deployment(before, after bakeoff.Model, v bakeoff.Version, revision bakeoff.Digest, run string) *bakeoff.Deployment {
	champion := after.Aliases[bakeoff.AliasChampion]
	if after.Champion() == before.Champion() || v.Version != after.Champion() {
		return nil
	}
	return &bakeoff.Deployment{
		ID: moveID(v, champion), Pipeline: v.Model, Revision: revision, Run: run,
		Version: v, Previous: before.Champion(), By: champion.By, Why: champion.Why, Moved: champion.Moved.UTC(),
	}
}

// oweMove adds to the change of a person's act what is owed for it if it has moved the champion: to the
// hooks, and a message. Hooks and receivers are those of the pipeline's current revision, which say
// where the model is served today, and who cares; the version's own may be of another time, and
// stand in only where the pipeline's file is not known.
func (r *Registry) oweMove(ctx context.Context, a Act, before bakeoff.Model, c *bakeoff.Change) error {
	after := c.Model
	if after.Champion() == before.Champion() || after.Champion() == 0 {
		return nil
	}
	var v bakeoff.Version
	var err error
	if c.Version != nil {
		v = *c.Version
	} else if v, err = r.store.Version(ctx, after.Name, after.Champion()); err != nil {
		return err
	}
	file, err := r.store.LastPipeline(ctx, after.Name)
	switch {
	case bakeoff.CodeOf(err) == bakeoff.CodeNotFound:
		file.Revision = v.Lineage.Revision
	case err != nil:
		return err
	}
	if !file.Unhooked {
		c.Deploy = deployment(before, after, v, file.Revision, "")
	}
	if !a.Quiet && !file.Untold {
		c.Outbox, err = r.moveNotification(ctx, a, before, after, v, file.Revision)
	}
	return err
}

// moveNotification is the message about what a person made the champion.
func (r *Registry) moveNotification(ctx context.Context, a Act, before, after bakeoff.Model, v bakeoff.Version, revision bakeoff.Digest) (*bakeoff.Notification, error) {
	previous, err := r.reference(ctx, before)
	if err != nil {
		return nil, err
	}
	champion := after.Aliases[bakeoff.AliasChampion]
	return &bakeoff.Notification{
		ID: moveID(v, champion), Pipeline: after.Name, Revision: revision, Created: champion.Moved,
		Move: &bakeoff.Move{
			Champion: *refer(v), Previous: previous, Rollback: champion.Rollback, Hold: after.Hold != nil,
			By: a.By, Why: cmp.Or(a.Why, champion.Why), Moved: champion.Moved, Run: v.Lineage.Run,
		},
	}, nil
}
