package registry

import (
	"context"
	"time"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/advice"
)

// adviseEvery is how often a pipeline's last runs are looked at for advice.
const adviseEvery = 7 * 24 * time.Hour

// advise returns what is to be said beside a run's verdict, and the model that remembers when. The
// model is written with the verdict and its message, or none of them is: so nothing is told twice, and
// nothing is passed over. A pipeline's first run begins the week. A run that nobody is told of says
// nothing; and no verdict waits for advice that cannot be had.
func (r *Registry) advise(ctx context.Context, run bakeoff.Run, m bakeoff.Model) ([]string, bakeoff.Model) {
	at := now()
	if run.Quiet || at.Sub(m.Advised) < adviseEvery {
		return nil, m
	}
	first := m.Advised.IsZero()
	m.Advised = at
	if first {
		return nil, m
	}
	reports, err := r.store.LastVerdicts(ctx, run.Pipeline, advice.Enough)
	if err != nil {
		r.log.WarnContext(ctx, "no advice: past verdicts cannot be read", "run", run.ID, "error", err)
		return nil, m
	}
	return advice.Of(reports), m
}
