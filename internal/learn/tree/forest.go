package tree

import (
	"context"
	"errors"

	"github.com/bakeoffhq/bakeoff"
)

// Forest fits a random forest to the rows of d and their labels.
func Forest(ctx context.Context, d Data, y bakeoff.Labels, p ForestParams, o Options) (*Ensemble, error) {
	return nil, errors.ErrUnsupported
}
