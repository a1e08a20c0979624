package dataset

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/bits"
	"os"
	"slices"

	"github.com/FastFilter/xorfilter"
	"github.com/cespare/xxhash/v2"

	"github.com/bakeoffhq/bakeoff"
)

// Fingerprint remembers which rows a model was trained on, by their identities, and nothing else of
// them: whoever knows a whole row can ask whether it was among them, and nobody can read one out of
// it. It is a binary fuse filter with 16 bits (Graf and Lemire, Binary Fuse Filters, 2022): a row that
// is in it is always found, one that is not is taken for one that is in 1 of 65,536 cases, and it
// takes about 2.3 bytes a row.
type Fingerprint struct {
	filter xorfilter.BinaryFuse[uint16]
}

// maxFingerprintRows is how many rows a fingerprint can tell apart: the filter counts places in 32 bits.
const maxFingerprintRows = 1 << 31

// NewFingerprint returns the fingerprint of some rows. It depends on the set of their identities
// alone: not on their order, nor on how often one occurs.
func NewFingerprint(identities []uint64) (*Fingerprint, error) {
	keys := slices.Clone(identities)
	slices.Sort(keys)
	keys = slices.Compact(keys)
	if len(keys) > maxFingerprintRows {
		return nil, bakeoff.Errorf(bakeoff.CodeInvalid, "%d rows are too many for a fingerprint, of at most %d", len(keys), maxFingerprintRows)
	}
	filter, err := xorfilter.NewBinaryFuse[uint16](keys)
	if err != nil {
		return nil, fmt.Errorf("make a fingerprint of %d rows: %w", len(keys), err)
	}
	return &Fingerprint{filter: *filter}, nil
}

// Has reports whether a row of this identity is among those of the fingerprint: never no where it is,
// and yes where it is not in 1 of 65,536 cases.
func (f *Fingerprint) Has(identity uint64) bool { return f.filter.Contains(identity) }

// A fingerprint is written as these bytes, numbers with the lowest byte first:
//
//	8  fingerprintMagic
//	8  the seed of the hashes
//	4  how many places a segment has: a power of two
//	4  how many segments there are, the last two aside
//	2  for every place of every segment
//	8  a checksum of all that
const (
	fingerprintMagic = "bkprint1"
	fingerprintHead  = 24
	fingerprintTail  = 8
	maxSegment       = 1 << 18
)

var errNoFingerprint = errors.New("the file is damaged, or no fingerprint")

// Bytes returns the fingerprint as ReadFingerprint takes it.
func (f *Fingerprint) Bytes() []byte {
	places := f.filter.Fingerprints
	b := make([]byte, 0, fingerprintHead+2*len(places)+fingerprintTail)
	b = append(b, fingerprintMagic...)
	b = binary.LittleEndian.AppendUint64(b, f.filter.Seed)
	b = binary.LittleEndian.AppendUint32(b, f.filter.SegmentLength)
	b = binary.LittleEndian.AppendUint32(b, f.filter.SegmentCount)
	for _, v := range places {
		b = binary.LittleEndian.AppendUint16(b, v)
	}
	return binary.LittleEndian.AppendUint64(b, xxhash.Sum64(b))
}

// ReadFingerprint is the inverse of Bytes. It takes no more memory than b has, whatever b says, and
// what it returns can be asked: damaged bytes are an error, never a panic.
func ReadFingerprint(b []byte) (*Fingerprint, error) {
	body := len(b) - fingerprintTail
	if body < fingerprintHead || string(b[:len(fingerprintMagic)]) != fingerprintMagic ||
		binary.LittleEndian.Uint64(b[body:]) != xxhash.Sum64(b[:body]) {
		return nil, errNoFingerprint
	}
	f := xorfilter.BinaryFuse[uint16]{
		Seed:          binary.LittleEndian.Uint64(b[8:]),
		SegmentLength: binary.LittleEndian.Uint32(b[16:]),
		SegmentCount:  binary.LittleEndian.Uint32(b[20:]),
	}
	// The filter looks into its places without looking at their number: all of them must be there. A row
	// has one in each of three segments that follow one another.
	total := (uint64(f.SegmentCount) + 2) * uint64(f.SegmentLength)
	switch {
	case bits.OnesCount32(f.SegmentLength) != 1 || f.SegmentLength > maxSegment,
		f.SegmentCount == 0 || total > math.MaxUint32, 2*total != uint64(body-fingerprintHead):
		return nil, errNoFingerprint
	}
	f.SegmentLengthMask = f.SegmentLength - 1
	f.SegmentCountLength = f.SegmentCount * f.SegmentLength
	f.Fingerprints = make([]uint16, total)
	for i := range f.Fingerprints {
		f.Fingerprints[i] = binary.LittleEndian.Uint16(b[fingerprintHead+2*i:])
	}
	return &Fingerprint{filter: f}, nil
}

// WriteFingerprint writes the fingerprint of a frozen part to a file and returns the digest and the
// number of its bytes, which follow from the part's identities alone.
func WriteFingerprint(partPath, path string) (bakeoff.Digest, int64, error) {
	identities, err := ReadIdentities(partPath)
	if err != nil {
		return "", 0, err
	}
	f, err := NewFingerprint(identities)
	if err != nil {
		return "", 0, err
	}
	b := f.Bytes()
	if err := os.WriteFile(path, b, 0o600); err != nil {
		return "", 0, fmt.Errorf("write fingerprint: %w", err)
	}
	return bakeoff.DigestOf(b), int64(len(b)), nil
}
