package api

import (
	"context"
	"net/http"

	"github.com/bakeoffhq/bakeoff/client"
	"github.com/bakeoffhq/bakeoff/internal/access"
)

// Past is what a node can say of runs that have ended.
type Past interface {
	// Replay judges the last runs of a pipeline again with other rules, of the form PATH=VALUE.
	Replay(ctx context.Context, pipeline string, last int, set []string) (client.Replay, error)
	// Diff says what changed from one ended run to another of the same pipeline; "" for the one before it.
	Diff(ctx context.Context, before, after string) (client.Diff, error)
}

func (a *api) past() {
	handle(a, route{
		id: "replay", method: http.MethodGet, path: "/pipelines/{name}/replay", need: access.Read, time: longTime,
		summary: "How past runs would have ended by other rules",
		about: "Nothing is changed. Each run is judged from its kept answers against the champion of its night, by the rules of its night " +
			"with what `set` says in the place of some of them.",
	}, func(ctx context.Context, in *struct {
		Named
		Last int      `query:"last" minimum:"1" maximum:"1000" default:"60" doc:"how many runs"`
		Set  []string `query:"set,explode" required:"true" minItems:"1" maxItems:"50" doc:"PATH=VALUE of the pipeline file, such as gate.gain=0.5pt; may be repeated"`
	},
	) (client.Replay, error) {
		r, err := a.node.Replay(ctx, in.Name, in.Last, in.Set)
		r.Set, err = list(r.Set, err)
		r.Nights, err = list(r.Nights, err)
		return r, err
	})
	handle(a, route{
		id: "diff-runs", method: http.MethodGet, path: "/runs/{run}/diff", need: access.Read, time: longTime,
		summary: "What changed from another run to this one",
		about:   "Data, pipeline file, parameters and scores. Both runs have ended and are of the same pipeline.",
	}, func(ctx context.Context, in *struct {
		Identified
		With string `query:"with" pattern:"^[a-z0-9][A-Za-z0-9_-]{0,99}$" patternDescription:"the ID of a run" doc:"the earlier run; the one before this one if it is left out"`
	},
	) (client.Diff, error) {
		return a.node.Diff(ctx, in.With, in.Run)
	})
}
