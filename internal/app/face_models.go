package app

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/client"
	"github.com/bakeoffhq/bakeoff/internal/api"
	"github.com/bakeoffhq/bakeoff/internal/build"
	"github.com/bakeoffhq/bakeoff/internal/predict"
	"github.com/bakeoffhq/bakeoff/internal/registry"
)

// asked is what a caller of the API asks of the registry.
func asked(model string, a api.Act, quiet bool) registry.Act {
	return registry.Act{Model: model, By: a.By, Why: cmp.Or(a.Why, "no reason given"), Quiet: quiet}
}

// Models implements api.Models.
func (f face) Models(ctx context.Context) ([]bakeoff.Model, error) { return f.store.Models(ctx) }

// Model implements api.Models.
func (f face) Model(ctx context.Context, name string) (client.ModelVersions, error) {
	if _, err := f.recorded(ctx, name); err != nil {
		return client.ModelVersions{}, err
	}
	model, _, err := f.store.Model(ctx, name)
	if err != nil {
		return client.ModelVersions{}, err
	}
	versions, err := f.store.Versions(ctx, name)
	return client.ModelVersions{Model: model, Versions: versions}, err
}

// Promote implements api.Models.
func (f face) Promote(ctx context.Context, model string, p client.Promotion, a api.Act) (bakeoff.Model, error) {
	if _, err := f.recorded(ctx, model); err != nil {
		return bakeoff.Model{}, err
	}
	act := asked(model, a, p.Quiet)
	if p.Version != 0 {
		return f.answering(ctx)(f.registry.Promote(ctx, act, p.Version, p.Hold))
	}
	run := p.Run
	if run == "" {
		last, err := f.store.LastVerdict(ctx, model)
		if err != nil {
			return bakeoff.Model{}, err
		}
		if last == nil {
			return bakeoff.Model{}, bakeoff.Errorf(bakeoff.CodeNotFound, "pipeline %s has no run that has ended", model).
				WithHint("`bakeoff run %s` makes one", model)
		}
		run = last.Run
	}
	act.Force = p.Force
	return f.answering(ctx)(f.registry.PromoteTrial(ctx, act, run, p.Candidate, p.Hold))
}

// Rollback implements api.Models.
func (f face) Rollback(ctx context.Context, model string, r client.Rollback, a api.Act) (bakeoff.Model, error) {
	if _, err := f.recorded(ctx, model); err != nil {
		return bakeoff.Model{}, err
	}
	return f.answering(ctx)(f.registry.Rollback(ctx, asked(model, a, r.Quiet), r.To, !r.NoHold))
}

const (
	// swapTime is how long an act of a person waits for this node to answer with what it made the champion.
	swapTime = 2 * time.Second

	swapLook = 5 * time.Millisecond
)

// answering has an act return once this node answers with the new champion or has refused it, so that
// whoever asks next where it is live hears the truth. The act stands however long that takes.
func (f face) answering(ctx context.Context) func(bakeoff.Model, error) (bakeoff.Model, error) {
	return func(m bakeoff.Model, err error) (bakeoff.Model, error) {
		if err == nil && m.Champion() != 0 && f.at.Load() != nil { // else it answers nobody
			awaitSwap(ctx, f.live, m.Name, m.Champion())
		}
		return m, err
	}
}

// awaitSwap waits a little until a live set answers with a version of a model or has refused it; with none
// any more for 0.
func awaitSwap(ctx context.Context, live *predict.Live, model string, version int) {
	ctx, cancel := context.WithTimeout(ctx, swapTime)
	defer cancel()
	look := time.NewTicker(swapLook)
	defer look.Stop()
	for !decided(live.Serving(), model, version) {
		select {
		case <-ctx.Done():
			return
		case <-look.C:
		}
	}
}

// decided reports whether a version is served, or was refused; for 0, whether none is.
func decided(serving []bakeoff.Serving, model string, version int) bool {
	if version == 0 {
		return !slices.ContainsFunc(serving, func(s bakeoff.Serving) bool { return s.Model == model })
	}
	return slices.ContainsFunc(serving, func(s bakeoff.Serving) bool {
		return s.Model == model && (s.Version == version || s.Wanted == version && s.Refused != "")
	})
}

// Artifact implements api.Models.
func (f face) Artifact(ctx context.Context, model string, version int, w io.Writer) (err error) {
	if _, err := f.recorded(ctx, model); err != nil {
		return err
	}
	v, err := f.store.Version(ctx, model, version)
	if err != nil {
		return err
	}
	path, remove, err := f.scratchFile("artifact-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, remove()) }()
	if err := f.store.GetFile(ctx, v.Artifact, path); err != nil { // whole and checked before its first byte leaves
		return fmt.Errorf("read the artifact of %s v%d: %w", model, version, err)
	}
	return copyFile(w, path)
}

// maxCard bounds what a card takes; with a thousand columns it takes a tenth of that.
const maxCard = 16 << 20

// Card implements api.Models.
func (f face) Card(ctx context.Context, model string, version int) (bakeoff.Card, error) {
	var card bakeoff.Card
	if _, err := f.recorded(ctx, model); err != nil {
		return card, err
	}
	v, err := f.store.Version(ctx, model, version)
	if err != nil {
		return card, err
	}
	if err := released(v); err != nil {
		return card, err
	}
	card, err = f.artifactCard(ctx, v.Artifact)
	switch {
	case bakeoff.CodeOf(err) == bakeoff.CodeNotFound && v.Lineage.Recipe.Trainer == bakeoff.TrainerCommand:
		return card, bakeoff.Errorf(bakeoff.CodeNotFound, "%s v%d has no card: a command built it", model, version).
			WithHint("the built-in learners write one; `bakeoff report %s` measures what any model leans on", model)
	case bakeoff.CodeOf(err) == bakeoff.CodeNotFound:
		return card, bakeoff.Errorf(bakeoff.CodeNotFound, "%s v%d has no card: the bakeoff that built it wrote none", model, version).
			WithHint("a version that is built from now on has one")
	case err != nil:
		return card, fmt.Errorf("read the card of %s v%d: %w", model, version, err)
	}
	return card, nil
}

// artifactCard reads the card in an artifact; one without is an error with bakeoff.CodeNotFound.
func (f face) artifactCard(ctx context.Context, artifact bakeoff.Digest) (card bakeoff.Card, err error) {
	path, remove, err := f.scratchFile("artifact-")
	if err != nil {
		return card, err
	}
	defer func() { err = errors.Join(err, remove()) }()
	if err := f.store.GetFile(ctx, artifact, path); err != nil {
		return card, err
	}
	text, err := build.PackedFile(path, bakeoff.CardFile, maxCard)
	if err != nil {
		return card, err
	}
	if err := json.Unmarshal(text, &card); err != nil {
		return card, bakeoff.Errorf(bakeoff.CodeInvalid, "the card is damaged: %w", err)
	}
	return card, nil
}

// Serving implements api.Models.
func (f face) Serving(ctx context.Context) ([]client.Live, error) {
	models, err := f.store.Models(ctx)
	if err != nil {
		return nil, err
	}
	f.tellServed()
	serving := f.roster.Serving()
	all := make([]client.Live, 0, len(models))
	for _, m := range models {
		if m.Dropped() {
			continue
		}
		one := client.Live{Model: m.Name, Version: m.Champion()}
		one.Live, one.Nodes, _ = f.liveOn(m.Name, m.Champion())
		for _, s := range serving {
			if s.Model == m.Name {
				one.Serving = append(one.Serving, s)
			}
		}
		all = append(all, one)
	}
	slices.SortFunc(all, func(a, b client.Live) int { return strings.Compare(a.Model, b.Model) })
	return all, nil
}
