package dataset

import (
	"context"
	"errors"

	"github.com/bakeoffhq/bakeoff"
)

// Rows are the rows of a frozen part, with their labels and identities.
type Rows struct {
	Table    *Table
	Labels   bakeoff.Labels
	Identity []uint64 // one per row
}

// ReadParquet reads a frozen part. Labels are coded by schema.Classes; a label that is not among
// them, which only the holdout can have, gets code -1.
func ReadParquet(ctx context.Context, path string, schema bakeoff.Schema) (*Rows, error) {
	return nil, errors.ErrUnsupported
}

// ReadIdentities reads the identity column alone, to find rows that a contestant was trained on.
func ReadIdentities(path string) ([]uint64, error) { return nil, errors.ErrUnsupported }
