package app

import (
	"context"
	"time"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/client"
	"github.com/bakeoffhq/bakeoff/internal/api"
)

// Remove implements api.Pipelines. The record goes last: until then, a removal that was cut short can be
// asked for again.
func (f face) Remove(ctx context.Context, name string, withModel bool, a api.Act) (client.PipelineRemoval, error) {
	removal := client.PipelineRemoval{Pipeline: name}
	file, err := f.recorded(ctx, name)
	if err != nil {
		return removal, err
	}
	there := file.Removed == nil
	switch {
	case there:
		err = f.endSchedule(ctx, name)
	case !withModel:
		err = file.Removed.Refusal(name)
	}
	if err != nil {
		return removal, err
	}
	if err := f.leaveModel(ctx, &removal, withModel, a); err != nil {
		return removal, err
	}
	if there {
		file.Removed = &bakeoff.Removal{By: a.By, At: time.Now().UTC()}
		if err := f.store.RemovePipeline(ctx, file); err != nil {
			return removal, err
		}
		f.config.Log.Info("pipeline removed", "pipeline", name, "by", a.By)
	}
	removal.Removed = *file.Removed
	return removal, nil
}

// endSchedule ends the ticks of a pipeline that may be removed.
func (f face) endSchedule(ctx context.Context, name string) error {
	if err := f.mayRemove(ctx, name); err != nil {
		return err
	}
	f.unfollow(name)
	return f.scheduler.Forget(ctx, name)
}

// mayRemove refuses to remove a pipeline that would come back, or that a run is open of.
func (f face) mayRemove(ctx context.Context, name string) error {
	if path := f.follows(name); path != "" && f.declares(path, name) {
		return bakeoff.Errorf(bakeoff.CodeConflict, "the node applies pipeline %s from %s", name, path).
			WithHint("delete that file, or what it says of %s, first", name)
	}
	open, err := f.openOf(ctx)
	if err != nil {
		return err
	}
	if runs := open(name); len(runs) > 0 {
		return bakeoff.Errorf(bakeoff.CodeConflict, "run %s of pipeline %s is open", runs[len(runs)-1], name).
			WithHint("`bakeoff cancel %s` ends it; then remove the pipeline", name)
	}
	return nil
}

// declares reports whether a file is that of a pipeline now. One that is there and cannot be read is: it
// was when it was applied, and may be again.
func (f face) declares(path, name string) bool {
	if !exists(path) {
		return false
	}
	file, _, err := LoadPipeline(path, f.config.LookupEnv)
	return err != nil || file.Name == name
}

// leaveModel says what becomes of a removed pipeline's champion: it is served on, or taken out of service.
// With the model goes what waits to be its first champion.
func (f face) leaveModel(ctx context.Context, r *client.PipelineRemoval, withModel bool, a api.Act) error {
	model, _, err := f.store.Model(ctx, r.Pipeline)
	if err != nil {
		return err
	}
	champion, err := f.championOf(ctx, model)
	if err != nil || champion == nil && (!withModel || model.Pending == nil) {
		return err
	}
	if !withModel {
		r.Champion = champion
		return nil
	}
	if _, err := f.registry.Drop(ctx, asked(r.Pipeline, a, true)); err != nil {
		return err
	}
	if f.at.Load() != nil { // else it answers nobody
		awaitSwap(ctx, f.live, r.Pipeline, 0)
	}
	r.Dropped = champion
	f.config.Log.Info("model taken out of service", "model", r.Pipeline, "version", model.Champion(), "by", a.By)
	return nil
}
