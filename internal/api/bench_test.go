package api_test

import (
	"testing"

	"github.com/bakeoffhq/bakeoff/internal/access"
	"github.com/bakeoffhq/bakeoff/internal/api"
)

// BenchmarkRegister is what a command without a running node waits for.
func BenchmarkRegister(b *testing.B) {
	for b.Loop() {
		api.Register(access.NewMux(), &fake{}, api.Options{})
	}
}
