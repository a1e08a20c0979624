package join

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/bakeoffhq/bakeoff"
)

// sealed is what a lease says that was handed to a client.
type sealed struct {
	Caller string       `json:"caller"`
	Task   bakeoff.Task `json:"task"`
	ID     string       `json:"id"` // as of store.Lease
	At     time.Time    `json:"at"` // when it was handed out
}

func (s sealed) seal(key []byte) (string, error) { return seal(key, "", s) }

// unseal returns what a lease says if it was sealed with the key.
func unseal(key []byte, lease string) (s sealed, err error) {
	if !opens(key, "", lease, &s) {
		return sealed{}, bakeoff.Errorf(bakeoff.CodeForbidden, "this is not a lease of this node")
	}
	return s, nil
}

// seal writes v so that opens can tell that it is from who has the key.
func seal(key []byte, kind string, v any) (string, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return "", fmt.Errorf("seal %T: %w", v, err)
	}
	text := base64.RawURLEncoding.EncodeToString(b)
	return text + "." + mark(key, kind+text), nil
}

// opens reports whether text was sealed with the key as one of the kind, and reads it.
func opens(key []byte, kind, sealed string, into any) bool {
	text, given, _ := strings.Cut(sealed, ".")
	if !hmac.Equal([]byte(given), []byte(mark(key, kind+text))) {
		return false
	}
	b, err := base64.RawURLEncoding.DecodeString(text)
	return err == nil && json.Unmarshal(b, into) == nil
}

func mark(key []byte, text string) string {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil))
}
