//go:build unix

package proc_test

import (
	"testing"

	"github.com/bakeoffhq/bakeoff/internal/proc"
)

// BenchmarkRun is the life of a child that does nothing, with the look for what it has left behind.
func BenchmarkRun(b *testing.B) {
	for b.Loop() {
		if exit, err := proc.Run(b.Context(), proc.Command{Argv: []string{"/bin/true"}}); err != nil || !exit.OK() {
			b.Fatal(exit, err)
		}
	}
}

// BenchmarkSweep is a look at every process of the machine, which finds none.
func BenchmarkSweep(b *testing.B) {
	for b.Loop() {
		if n, err := proc.Sweep("a mark that nobody has"); n != 0 || err != nil {
			b.Fatal(n, err)
		}
	}
}
