package join

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/bakeoffhq/bakeoff"
)

// pollEvery is how often a predicting node looks for changes of which it was not told.
const pollEvery = 5 * time.Second

// Models is a predicting node's connection to the node that it has joined. Its methods may be called
// from several goroutines.
type Models struct {
	*link
	told chan struct{} // holds one token when something has changed

	mu        sync.Mutex // guards artifacts
	artifacts map[bakeoff.Digest]versionAsk
}

// DialModels joins a node in order to predict with its models.
func DialModels(ctx context.Context, o Options) (*Models, error) {
	l, err := connect(o)
	if err != nil {
		return nil, err
	}
	m := &Models{link: l, told: make(chan struct{}, 1), artifacts: map[bakeoff.Digest]versionAsk{}}
	_, err = l.nc.Subscribe(changed, func(*nats.Msg) {
		select {
		case m.told <- struct{}{}:
		default:
		}
	})
	if err != nil {
		m.Close()
		return nil, fmt.Errorf("listen for changes of models: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, 2*askTime)
	defer cancel()
	if _, err := m.Models(ctx); err != nil {
		m.Close()
		return nil, err
	}
	return m, nil
}

// Name returns the name of this node as the other one knows it.
func (m *Models) Name() string { return m.options.Name }

// Close ends the connection.
func (m *Models) Close() { m.link.close() }

// Models returns every model, by name.
func (m *Models) Models(ctx context.Context) ([]bakeoff.Model, error) {
	var a modelsAnswer
	_, err := m.call(ctx, callModels, struct{}{}, nil, &a)
	return a.Models, err
}

// WatchModels calls each, from one goroutine, with every model's record and with each change, until
// ctx ends or each returns an error, which it then returns. A change that nobody told of is found
// within 5 s.
func (m *Models) WatchModels(ctx context.Context, each func(bakeoff.Model) error) error {
	seen := map[string]string{}
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		models, err := m.Models(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		for _, model := range models {
			state, err := json.Marshal(model)
			if err != nil {
				return fmt.Errorf("watch models: %w", err)
			}
			if seen[model.Name] == string(state) {
				continue
			}
			seen[model.Name] = string(state)
			if err := each(model); err != nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-m.closed:
			return m.gone()
		case <-m.told:
		case <-tick.C:
		}
	}
}

// Version returns one version of a model.
func (m *Models) Version(ctx context.Context, model string, n int) (v bakeoff.Version, err error) {
	ask := versionAsk{Model: model, Version: n}
	if _, err := m.call(ctx, callVersion, ask, nil, &v); err != nil {
		return v, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.artifacts[v.Artifact] = ask
	return v, nil
}

// Golden returns the golden answers of a version.
func (m *Models) Golden(ctx context.Context, v bakeoff.Version) (*bakeoff.Golden, error) {
	var g bakeoff.Golden
	if _, err := m.call(ctx, callGolden, versionAsk{Model: v.Model, Version: v.Version}, nil, &g); err != nil {
		return nil, err
	}
	return &g, nil
}

// GetFile writes the artifact of a version that was asked for before to a new file at path, and
// checks its digest.
func (m *Models) GetFile(ctx context.Context, artifact bakeoff.Digest, path string) error {
	m.mu.Lock()
	ask, ok := m.artifacts[artifact]
	m.mu.Unlock()
	if !ok {
		return bakeoff.Errorf(bakeoff.CodeNotFound, "fetch artifact %s: it is of no version that was asked for", artifact.Short())
	}
	return fetch(artifact, path, func(offset int64) ([]byte, int64, error) {
		ask.Offset = offset
		var a getAnswer
		piece, err := m.call(ctx, callArtifact, ask, nil, &a)
		return piece, a.Size, err
	})
}

// Report tells the node what this one serves. It asks once; what was not heard is told again.
func (m *Models) Report(ctx context.Context, serving []bakeoff.Serving) error {
	message, err := pack(servingReport{Serving: serving}, nil)
	if err != nil {
		return err
	}
	_, err = m.once(ctx, callServing, message, beatEvery, nil)
	return err
}
