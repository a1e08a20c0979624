package store

import (
	"context"
	"fmt"
)

// Bytes returns how much the store holds on disk.
func (s *Store) Bytes(ctx context.Context) (int64, error) {
	info, err := s.js.AccountInfo(ctx)
	if err != nil {
		return 0, fmt.Errorf("ask for the size of the store: %w", unavailable(err))
	}
	return int64(info.Store), nil
}
