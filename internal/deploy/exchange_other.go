//go:build !linux

package deploy

import "errors"

// exchange swaps two names in one step, which only Linux can.
func exchange(string, string) error { return errors.ErrUnsupported }
