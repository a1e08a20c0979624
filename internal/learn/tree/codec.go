package tree

import "errors"

// AppendBinary appends the binary form of the ensemble to b. The same model gives the same bytes.
func (e *Ensemble) AppendBinary(b []byte) ([]byte, error) { return b, errors.ErrUnsupported }

// Decode reads the binary form of an ensemble.
func Decode(b []byte) (*Ensemble, error) { return nil, errors.ErrUnsupported }
