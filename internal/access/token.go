package access

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"

	"github.com/bakeoffhq/bakeoff"
)

// secretPrefix lets people, and programs that look for secrets in the wrong places, know one.
const secretPrefix = "bakeoff_"

// NewSecret returns a secret of 256 random bits, and the hash by which it is stored.
func NewSecret() (secret string, hash bakeoff.Digest) {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails, by its documentation
	secret = secretPrefix + base64.RawURLEncoding.EncodeToString(b[:])
	return secret, bakeoff.DigestOf([]byte(secret))
}

// Find returns the token that secret belongs to. How long it takes says nothing of how near the secret
// was: hashes are compared, every one of them, in constant time.
func Find(tokens []bakeoff.Token, secret string) (bakeoff.Token, bool) {
	hash := []byte(bakeoff.DigestOf([]byte(secret)))
	var found bakeoff.Token
	ok := false
	for _, t := range tokens {
		if subtle.ConstantTimeCompare([]byte(t.Hash), hash) == 1 {
			found, ok = t, true
		}
	}
	return found, ok
}
