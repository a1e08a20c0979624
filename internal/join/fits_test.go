package join_test

import (
	"context"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/build"
	"github.com/bakeoffhq/bakeoff/internal/join"
	"github.com/bakeoffhq/bakeoff/internal/roster"
	"github.com/bakeoffhq/bakeoff/internal/worker"
)

// What a joined process has in place of a node's own parts.
var (
	_ worker.Store    = (*join.Client)(nil)
	_ worker.Lease    = (*join.Lease)(nil)
	_ build.Store     = (*join.Client)(nil)
	_ build.Pipelines = (*join.Client)(nil)
	_ join.Roster     = (*roster.Roster)(nil)

	_ interface { // of what serving models asks for, all but opening an artifact
		Models(context.Context) ([]bakeoff.Model, error)
		WatchModels(context.Context, func(bakeoff.Model) error) error
		Version(context.Context, string, int) (bakeoff.Version, error)
		Golden(context.Context, bakeoff.Version) (*bakeoff.Golden, error)
	} = (*join.Models)(nil)
)
