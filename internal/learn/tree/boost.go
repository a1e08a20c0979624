package tree

import (
	"context"
	"errors"

	"github.com/bakeoffhq/bakeoff"
)

// Boost fits gradient boosting to the rows of d and their labels.
func Boost(ctx context.Context, d Data, y bakeoff.Labels, p BoostParams, o Options) (*Ensemble, error) {
	return nil, errors.ErrUnsupported
}
