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

func (s sealed) seal(key []byte) (string, error) {
	b, err := json.Marshal(s)
	if err != nil {
		return "", fmt.Errorf("seal a lease: %w", err)
	}
	text := base64.RawURLEncoding.EncodeToString(b)
	return text + "." + mark(key, text), nil
}

// unseal returns what a lease says if it was sealed with the key.
func unseal(key []byte, lease string) (s sealed, err error) {
	text, given, _ := strings.Cut(lease, ".")
	if !hmac.Equal([]byte(given), []byte(mark(key, text))) {
		return s, bakeoff.Errorf(bakeoff.CodeForbidden, "this is not a lease of this node")
	}
	b, err := base64.RawURLEncoding.DecodeString(text)
	if err == nil {
		err = json.Unmarshal(b, &s)
	}
	if err != nil {
		return s, fmt.Errorf("read a lease: %w", err)
	}
	return s, nil
}

func mark(key []byte, text string) string {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil))
}
