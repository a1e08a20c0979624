package wire_test

import (
	"testing"

	"github.com/bakeoffhq/bakeoff/internal/wire"
)

// BenchmarkRead is one row from the bytes of a request to the table that a model scores: by this
// package, and in the usual way, through encoding/json and maps.
func BenchmarkRead(b *testing.B) {
	body := []byte(`{"rows": [{"age": 41, "rate": 1.5, "active": true, "since": "2024-01-02", "city": "Rome"}]}`)
	b.Run("wire", func(b *testing.B) {
		codec := wire.New(version, schema)
		b.ReportAllocs()
		for b.Loop() {
			r, err := codec.Read(wire.Rows, body, 1_000)
			if err != nil {
				b.Fatal(err)
			}
			r.Free()
		}
	})
	b.Run("encoding-json", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := reference(body); err != nil {
				b.Fatal(err)
			}
		}
	})
}
