package registry

import (
	"context"
	"fmt"

	"github.com/bakeoffhq/bakeoff"
)

// deploymentMoment is the form of the moment in a deployment's ID, before its microseconds: a key takes
// no full stop.
const deploymentMoment = "20060102T150405"

// deployment returns what is owed to the deploy hooks of a revision after the champion of before has
// moved to v, nil if it has not moved. What the hooks are to do is decided by them: a pipeline without
// hooks is owed nothing, which whoever carries them out finds out.
func deployment(before, after bakeoff.Model, v bakeoff.Version, revision bakeoff.Digest, run string) *bakeoff.Deployment {
	champion := after.Aliases[bakeoff.AliasChampion]
	if after.Champion() == before.Champion() || v.Version != after.Champion() {
		return nil
	}
	at := champion.Moved.UTC()
	return &bakeoff.Deployment{
		ID:       fmt.Sprintf("%s-v%d-%s%06dZ", v.Model, v.Version, at.Format(deploymentMoment), at.Nanosecond()/1000),
		Pipeline: v.Model, Revision: revision, Run: run,
		Version: v, Previous: before.Champion(), By: champion.By, Why: champion.Why, Moved: at,
	}
}

// actDeployment is the deployment of a person's act. The hooks are those of the pipeline's current
// revision, which say where the model is served today; the version's own may be of a time when it
// was served elsewhere, and stand in only where the pipeline's file is not known.
func (r *Registry) actDeployment(ctx context.Context, before, after bakeoff.Model, made *bakeoff.Version) (*bakeoff.Deployment, error) {
	if after.Champion() == before.Champion() {
		return nil, nil
	}
	var v bakeoff.Version
	var err error
	if made != nil {
		v = *made
	} else if v, err = r.store.Version(ctx, after.Name, after.Champion()); err != nil {
		return nil, err
	}
	file, err := r.store.Pipeline(ctx, after.Name, "")
	switch {
	case bakeoff.CodeOf(err) == bakeoff.CodeNotFound:
		file.Revision = v.Lineage.Revision
	case err != nil:
		return nil, err
	}
	return deployment(before, after, v, file.Revision, ""), nil
}
