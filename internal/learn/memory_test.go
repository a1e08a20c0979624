package learn_test

import (
	"bytes"
	"runtime"
	"testing"

	"github.com/bakeoffhq/bakeoff/internal/learn"
)

// The memory that a model tells is that by which the heap grows when many of it are decoded.
func TestMemoryIsWhatTheHeapGrowsBy(t *testing.T) {
	eachFit(t, func(t *testing.T, learner string, s set) {
		m := train(t, s.request(learner))
		var file bytes.Buffer
		if err := m.Encode(&file); err != nil {
			t.Fatal(err)
		}
		decode := func() *learn.Model {
			m, err := learn.Decode(file.Bytes())
			if err != nil {
				t.Fatal(err)
			}
			return m
		}
		told := decode().Memory()
		copies := make([]*learn.Model, 1+int(4<<20/told))
		before := heap()
		for i := range copies {
			copies[i] = decode()
		}
		grown := float64(heap()-before) / float64(len(copies))
		if ratio := float64(told) / grown; ratio < 0.75 || ratio > 1.1 { // what the heap gives is rounded up
			t.Errorf("told %d bytes, the heap has grown by %.0f", told, grown)
		}
		runtime.KeepAlive(copies)
	})
}

// heap returns the bytes that are in use.
func heap() int64 {
	runtime.GC()
	runtime.GC() // what the first has found to be finalised
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
