package join

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/bakeoffhq/bakeoff"
)

// maxReports bounds the models in one report of a predicting node.
const maxReports = 10000

// models tells every model.
func (g *Gateway) models(ctx context.Context, _ request) (any, []byte, error) {
	ms, err := g.config.Store.Models(ctx)
	return modelsAnswer{Models: ms}, nil, err
}

func (g *Gateway) askedVersion(ctx context.Context, r request) (v bakeoff.Version, ask versionAsk, err error) {
	if _, err := unpack(r.message, &ask); err != nil {
		return v, ask, err
	}
	if !bakeoff.ValidName(ask.Model) || ask.Version < 1 {
		return v, ask, bakeoff.Errorf(bakeoff.CodeInvalid, "%.64q cannot name a model, or it has no version %d", ask.Model, ask.Version)
	}
	v, err = g.config.Store.Version(ctx, ask.Model, ask.Version)
	return v, ask, err
}

// version tells a version, but not where the holdout lies that it was judged on.
func (g *Gateway) version(ctx context.Context, r request) (any, []byte, error) {
	v, _, err := g.askedVersion(ctx, r)
	v.Lineage.Snapshot.Holdout = ""
	return v, nil, err
}

func (g *Gateway) golden(ctx context.Context, r request) (any, []byte, error) {
	v, _, err := g.askedVersion(ctx, r)
	if err != nil {
		return nil, nil, err
	}
	b, err := g.config.Store.GetBytes(ctx, v.Golden)
	if err != nil {
		return nil, nil, fmt.Errorf("read the golden answers of %s v%d: %w", v.Model, v.Version, err)
	}
	return json.RawMessage(b), nil, nil
}

// artifact answers with a piece of a version's artifact.
func (g *Gateway) artifact(ctx context.Context, r request) (any, []byte, error) {
	v, ask, err := g.askedVersion(ctx, r)
	if err != nil {
		return nil, nil, err
	}
	piece, size, err := g.files.read(ctx, v.Artifact, ask.Offset)
	return getAnswer{Size: size}, piece, err
}

// serving hears what a predicting node serves.
func (g *Gateway) serving(_ context.Context, r request) (any, []byte, error) {
	var report servingReport
	if _, err := unpack(r.message, &report); err != nil {
		return nil, nil, err
	}
	if len(report.Serving) > maxReports {
		return nil, nil, bakeoff.Errorf(bakeoff.CodeInvalid, "a report on %d models", len(report.Serving))
	}
	for _, s := range report.Serving {
		if !bakeoff.ValidName(s.Model) || len(s.Refused) > maxReason {
			continue
		}
		s.Node = r.name
		g.config.Roster.Served(s)
	}
	return nil, nil, nil
}
