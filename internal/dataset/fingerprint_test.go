package dataset_test

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/cespare/xxhash/v2"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/dataset"
)

// identitiesFrom returns n identities that follow from a seed.
func identitiesFrom(seed uint64, n int) []uint64 {
	random := rand.New(rand.NewPCG(seed, 1))
	ids := make([]uint64, n)
	for i := range ids {
		ids[i] = random.Uint64()
	}
	return ids
}

func fingerprint(tb testing.TB, ids []uint64) *dataset.Fingerprint {
	tb.Helper()
	f, err := dataset.NewFingerprint(ids)
	if err != nil {
		tb.Fatal(err)
	}
	return f
}

// reread returns a fingerprint as it comes back from its bytes.
func reread(tb testing.TB, f *dataset.Fingerprint) *dataset.Fingerprint {
	tb.Helper()
	again, err := dataset.ReadFingerprint(f.Bytes())
	if err != nil {
		tb.Fatal(err)
	}
	return again
}

// Sets of every small size, and of some of the sizes at which the filter changes its layout.
func TestFingerprintHasEveryRowThatItWasMadeOf(t *testing.T) {
	sizes := []int{2047, 11500, 100_000}
	for n := range 300 {
		sizes = append(sizes, n)
	}
	for _, n := range sizes {
		ids := identitiesFrom(uint64(n), n)
		f := reread(t, fingerprint(t, ids))
		for _, id := range ids {
			if !f.Has(id) {
				t.Fatalf("of %d rows it does not have %d", n, id)
			}
		}
	}
}

func TestFingerprintTakesFewOtherRowsForItsOwn(t *testing.T) {
	for _, n := range []int{0, 1, 5, 1000, 100_000} {
		f := fingerprint(t, identitiesFrom(1, n))
		const asked = 1 << 20
		wrong := 0
		for _, id := range identitiesFrom(2, asked) {
			if f.Has(id) {
				wrong++
			}
		}
		// 16 are expected; the promise is one of a thousand.
		if wrong > 64 {
			t.Errorf("of %d rows it takes %d of %d others for its own", n, wrong, asked)
		}
	}
}

// Keys that follow one another, as a database numbers its rows, are hashed like any other.
func TestFingerprintOfKeysInARow(t *testing.T) {
	ids := make([]uint64, 11511)
	for i := range ids {
		ids[i] = uint64(i)
	}
	f, wrong := fingerprint(t, ids), 0
	for i := range uint64(1 << 20) {
		if has := f.Has(i); !has && i < 11511 {
			t.Fatalf("it does not have %d", i)
		} else if has && i >= 11511 {
			wrong++
		}
	}
	if wrong > 64 {
		t.Errorf("it takes %d others for its own", wrong)
	}
}

func TestFingerprintFollowsFromTheSetAlone(t *testing.T) {
	ids := identitiesFrom(3, 5000)
	want := fingerprint(t, ids).Bytes()
	others := slices.Concat(ids[:100], ids, ids[4000:]) // some twice, some three times
	rand.New(rand.NewPCG(1, 1)).Shuffle(len(others), func(i, j int) { others[i], others[j] = others[j], others[i] })
	before := slices.Clone(others)
	if got := fingerprint(t, others).Bytes(); !bytes.Equal(got, want) {
		t.Error("another order and repeated rows make other bytes")
	}
	if !slices.Equal(others, before) {
		t.Error("the identities were changed")
	}
	// The bytes are a format: another version of the program must make the same of the same rows.
	if got := bakeoff.DigestOf(want); got != "sha256:505c7fcc4404909485b01606533cd260ecf229ed99c166c540e25fc733eae1f2" {
		t.Errorf("the bytes have the digest %s", got)
	}
	if got := reread(t, fingerprint(t, ids)).Bytes(); !bytes.Equal(got, want) {
		t.Error("bytes read and written again are others")
	}
}

func TestFingerprintIsSmall(t *testing.T) {
	for n, most := range map[int]float64{1000: 3.5, 5631: 3, 100_000: 2.6, 1_000_000: 2.4} {
		if a := float64(len(fingerprint(t, identitiesFrom(4, n)).Bytes())) / float64(n); a > most {
			t.Errorf("%d rows take %.2f bytes each", n, a)
		} else {
			t.Logf("%d rows take %.2f bytes each", n, a)
		}
	}
}

func TestWriteFingerprintOfFrozenRows(t *testing.T) {
	f := freeze(t, dataset.Source{Path: telco, Target: "churn", Split: byHash(1)})
	path := filepath.Join(t.TempDir(), "fingerprint")
	digest, size, err := dataset.WriteFingerprint(f.trainPath, path)
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if digest != bakeoff.DigestOf(b) || size != int64(len(b)) {
		t.Errorf("%s of %d bytes, the file is %s of %d", digest, size, bakeoff.DigestOf(b), len(b))
	}
	print, err := dataset.ReadFingerprint(b)
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range f.train.Identity {
		if !print.Has(id) {
			t.Errorf("it does not have %d", id)
		}
	}
	if slices.ContainsFunc(f.holdout.Identity, print.Has) {
		t.Error("it has a row that is held out")
	}
	if _, _, err := dataset.WriteFingerprint(path, filepath.Join(t.TempDir(), "f")); err == nil {
		t.Error("the fingerprint of a file that is no frozen part")
	}
}

func TestDamagedFingerprintsAreRefused(t *testing.T) {
	whole := fingerprint(t, identitiesFrom(5, 1000)).Bytes()
	for name, damage := range map[string]func([]byte) []byte{
		"empty":           func([]byte) []byte { return nil },
		"cut":             func(b []byte) []byte { return b[:len(b)/2] },
		"a bit":           func(b []byte) []byte { b[200] ^= 1; return b },
		"another file":    func([]byte) []byte { return bytes.Repeat([]byte("PAR1"), 100) },
		"no segments":     func(b []byte) []byte { return sealed(put(b, 20, 0)) },
		"odd segments":    func(b []byte) []byte { return sealed(put(b, 16, 100)) },
		"huge segments":   func(b []byte) []byte { return sealed(put(b, 16, 1<<31)) },
		"many segments":   func(b []byte) []byte { return sealed(put(b, 20, 1<<32-1)) },
		"overflow":        func(b []byte) []byte { return sealed(put(put(b, 20, 1<<32-2), 16, 1<<18)) },
		"places missing":  func(b []byte) []byte { return sealed(b[:len(b)-10]) },
		"places too many": func(b []byte) []byte { return sealed(append(b, make([]byte, 8)...)) },
	} {
		t.Run(name, func(t *testing.T) {
			b := damage(slices.Clone(whole))
			bounded(t, len(b), func() {
				if _, err := dataset.ReadFingerprint(b); err == nil {
					t.Error("no error")
				}
			})
		})
	}
}

// put writes a number into bytes.
func put(b []byte, at int, v uint32) []byte {
	binary.LittleEndian.PutUint32(b[at:], v)
	return b
}

// sealed gives bytes the checksum that belongs to them, in place of the last eight.
func sealed(b []byte) []byte {
	body := b[:len(b)-8]
	return binary.LittleEndian.AppendUint64(slices.Clone(body), xxhash.Sum64(body))
}

// FuzzFingerprint gives any bytes, with the right checksum or not, to what reads fingerprints: an
// error, or a fingerprint that answers every question and is written as it was read.
func FuzzFingerprint(f *testing.F) {
	for _, n := range []int{0, 1, 50} {
		f.Add(fingerprint(f, identitiesFrom(6, n)).Bytes(), uint64(n))
	}
	f.Add([]byte("bkprint1"), uint64(0))
	f.Fuzz(func(t *testing.T, b []byte, id uint64) {
		if len(b) >= 8 {
			b = sealed(b)
		}
		bounded(t, len(b), func() {
			print, err := dataset.ReadFingerprint(b)
			if err != nil {
				return
			}
			for i := range uint64(100) {
				_ = print.Has(id + i*0x9e3779b97f4a7c15)
			}
			if !bytes.Equal(print.Bytes(), b) {
				t.Error("it is written otherwise than it was read")
			}
		})
	})
}

func BenchmarkFingerprint(b *testing.B) {
	ids := identitiesFrom(7, 1_000_000)
	b.ReportAllocs()
	for b.Loop() {
		fingerprint(b, ids)
	}
}
