package bakeoff

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"regexp"
	"time"
)

// Digest names content by its SHA-256: "sha256:" and 64 lower-case hexadecimal digits.
type Digest string

// DigestOf returns the digest of b.
func DigestOf(b []byte) Digest {
	sum := sha256.Sum256(b)
	return DigestOfSum(sum[:])
}

// DigestOfSum returns the digest whose SHA-256 sum is sum, as a hash.Hash hands it out.
func DigestOfSum(sum []byte) Digest { return Digest("sha256:" + hex.EncodeToString(sum)) }

var digestForm = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)

// Valid reports whether d has the form of a digest.
func (d Digest) Valid() bool { return digestForm.MatchString(string(d)) }

// Short returns the first twelve hexadecimal digits, for people.
func (d Digest) Short() string {
	if !d.Valid() {
		return string(d)
	}
	return string(d)[len("sha256:"):][:12]
}

// NewRunID returns an ID for a run that no tick asked for: the pipeline's name, the time in UTC
// with milliseconds, and four random characters. The caller makes it, so that a request that is
// sent twice starts one run.
func NewRunID(pipeline string, now time.Time) string {
	const letters = "0123456789abcdefghjkmnpqrstvwxyz" // 32, so that a random byte is not biased
	var b [4]byte
	_, _ = rand.Read(b[:]) // never fails, by its documentation
	for i := range b {
		b[i] = letters[b[i]%32]
	}
	t := now.UTC()
	return fmt.Sprintf("%s-%s%03dZ-%s", pipeline, t.Format("20060102T150405"), t.Nanosecond()/1e6, b[:])
}
