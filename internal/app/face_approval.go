package app

import (
	"context"
	"fmt"
	"time"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/client"
	"github.com/bakeoffhq/bakeoff/internal/api"
)

// Approve implements api.Models.
func (f face) Approve(ctx context.Context, model string, r client.Answer, a api.Act) (bakeoff.Model, error) {
	if _, err := f.recorded(ctx, model); err != nil {
		return bakeoff.Model{}, err
	}
	return f.answering(ctx)(f.registry.Approve(ctx, asked(model, a, false), r.Run))
}

// Reject implements api.Models.
func (f face) Reject(ctx context.Context, model string, r client.Answer, a api.Act) (bakeoff.Model, error) {
	if _, err := f.recorded(ctx, model); err != nil {
		return bakeoff.Model{}, err
	}
	return f.registry.Reject(ctx, asked(model, a, false), r.Run)
}

// Acts implements api.Models.
func (f face) Acts(ctx context.Context, model string, limit int) ([]bakeoff.Act, error) {
	if _, err := f.recorded(ctx, model); err != nil {
		return nil, err
	}
	return f.store.Acts(ctx, model, limit)
}

// waiting are the promotions that wait for a person's word, in sentences.
func (f face) waiting(ctx context.Context) ([]string, error) {
	models, err := f.store.Models(ctx)
	var all []string
	for _, m := range models {
		if p := m.Pending; p != nil {
			all = append(all, fmt.Sprintf("%s of run %s waits for approval until %s, then: %s; `bakeoff approve %s` or `bakeoff reject %s` decides",
				p.Candidate, p.Run, p.Until.Format(time.RFC3339), p.Then, m.Name, m.Name))
		}
	}
	return all, err
}
