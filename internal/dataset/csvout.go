package dataset

import (
	"errors"
	"io"

	"github.com/bakeoffhq/bakeoff"
)

// WriteCSV writes rows as a trainer of any language reads them: the features, then the target, in
// canonical text; a missing value is an empty cell.
func WriteCSV(w io.Writer, r *Rows, schema bakeoff.Schema) error { return errors.ErrUnsupported }
