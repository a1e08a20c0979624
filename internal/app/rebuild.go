package app

import (
	"context"

	"github.com/bakeoffhq/bakeoff"
)

// rebuild says whether the champion of a pipeline has to be built again to be compared on a snapshot.
func (n *Node) rebuild(ctx context.Context, s bakeoff.Snapshot, pipeline string) (*bakeoff.Rebuild, error) {
	model, _, err := n.store.Model(ctx, pipeline)
	if err != nil || model.Champion() == 0 {
		return nil, err
	}
	v, err := n.store.Version(ctx, pipeline, model.Champion())
	if err != nil {
		return nil, err
	}
	r := bakeoff.RebuildOf(v, s)
	if r != nil {
		n.wanted.add([]bakeoff.Candidate{r.Recipe}) // the file may no longer name its queue
	}
	return r, nil
}
