package store

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/bakeoffhq/bakeoff"
)

// secretPrefix marks a secret of ours, for whoever finds one where it does not belong.
const secretPrefix = "bko_"

// CreateToken keeps a new token and returns its secret, of 256 random bits, which is told this once
// and not kept. A token of that name has code Conflict.
func (s *Store) CreateToken(ctx context.Context, t bakeoff.Token) (secret string, err error) {
	if err := checkToken(t); err != nil {
		return "", err
	}
	secret = secretPrefix + randomText()
	t.Hash, t.Created = bakeoff.DigestOf([]byte(secret)), time.Now().UTC()
	_, err = s.put(ctx, s.tokens, t.Name, t, 0)
	if bakeoff.CodeOf(err) == bakeoff.CodeConflict {
		return "", bakeoff.Errorf(bakeoff.CodeConflict, "there is a token %s already", t.Name).
			WithHint("choose another name, or delete that one first")
	}
	if err != nil {
		return "", fmt.Errorf("create token %s: %w", t.Name, err)
	}
	return secret, nil
}

// randomText returns 256 random bits in letters, digits, hyphens and underscores.
func randomText() string {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails, by its documentation
	return base64.RawURLEncoding.EncodeToString(b[:])
}

func checkToken(t bakeoff.Token) error {
	if !bakeoff.ValidName(t.Name) {
		return bakeoff.Errorf(bakeoff.CodeInvalid, "%q cannot name a token", t.Name).
			WithHint("use 1 to 63 lower-case letters, digits, hyphens and underscores, the first a letter or a digit")
	}
	scopes := []bakeoff.Scope{bakeoff.ScopePredict, bakeoff.ScopeRead, bakeoff.ScopeAdmin, bakeoff.ScopeWork}
	if !slices.Contains(scopes, t.Scope) {
		return bakeoff.Errorf(bakeoff.CodeInvalid, "unknown scope %q of token %s", t.Scope, t.Name).
			WithHint("use predict, read, admin or work")
	}
	if len(t.Queues) > 0 && t.Scope != bakeoff.ScopeWork {
		return bakeoff.Errorf(bakeoff.CodeInvalid, "token %s has queues and the scope %s", t.Name, t.Scope).
			WithHint("only tokens of the scope work serve queues")
	}
	for _, q := range t.Queues {
		if !bakeoff.ValidName(q) || q == bakeoff.QueueJudge {
			return bakeoff.Errorf(bakeoff.CodeInvalid, "token %s: no token serves the queue %q", t.Name, q).
				WithHint("name queues of candidates; the queue judge is the node's own")
		}
	}
	return nil
}

// Tokens returns every token, by name.
func (s *Store) Tokens(ctx context.Context) ([]bakeoff.Token, error) {
	ts, err := all[bakeoff.Token](ctx, s, s.tokens, "*")
	slices.SortFunc(ts, func(a, b bakeoff.Token) int { return strings.Compare(a.Name, b.Name) })
	return ts, err
}

// DeleteToken makes a token worthless. One that does not exist has code NotFound.
func (s *Store) DeleteToken(ctx context.Context, name string) error {
	var t bakeoff.Token
	revision, err := s.get(ctx, s.tokens, name, &t)
	if bakeoff.CodeOf(err) == bakeoff.CodeNotFound {
		return bakeoff.Errorf(bakeoff.CodeNotFound, "there is no token %s", name).WithHint("`bakeoff token list` lists them")
	}
	if err == nil {
		err = s.tokens.Delete(ctx, name, jetstream.LastRevision(revision))
	}
	if err != nil {
		return fmt.Errorf("delete token %s: %w", name, unavailable(err))
	}
	return nil
}

// sealKey is the key, in the bucket of tokens, of the secret that JoinKey returns.
const sealKey = "join.seal"

// JoinKey returns the secret of 256 bits with which the nodes of this store seal what they hand to
// joined workers. It is made when it is first asked for.
func (s *Store) JoinKey(ctx context.Context) ([]byte, error) {
	var key string
	_, err := s.get(ctx, s.tokens, sealKey, &key)
	if bakeoff.CodeOf(err) == bakeoff.CodeNotFound {
		if _, err = s.put(ctx, s.tokens, sealKey, randomText(), 0); err != nil && bakeoff.CodeOf(err) != bakeoff.CodeConflict {
			return nil, fmt.Errorf("make the key of leases: %w", err)
		}
		_, err = s.get(ctx, s.tokens, sealKey, &key)
	}
	if err != nil {
		return nil, fmt.Errorf("read the key of leases: %w", err)
	}
	return []byte(key), nil
}

// Keyring knows the tokens of a store by their secrets, from memory: it follows every change.
type Keyring struct {
	watch jetstream.KeyWatcher
	done  chan struct{} // closed when the watch has ended

	mu     sync.RWMutex // guards tokens
	tokens map[string]bakeoff.Token
}

// Keyring reads the tokens and follows them until Close. It returns when it knows all that are there.
func (s *Store) Keyring(ctx context.Context) (*Keyring, error) {
	// The watch outlives the call that asked for it.
	watch, err := s.tokens.Watch(context.WithoutCancel(ctx), "*")
	if err != nil {
		return nil, fmt.Errorf("watch tokens: %w", unavailable(err))
	}
	k := &Keyring{watch: watch, done: make(chan struct{}), tokens: map[string]bakeoff.Token{}}
	ready := make(chan struct{})
	go k.follow(ready)
	select {
	case <-ready:
		return k, nil
	case <-k.done:
		return nil, errors.New("watch tokens: the connection was closed")
	case <-ctx.Done():
		return nil, errors.Join(context.Cause(ctx), k.Close())
	}
}

func (k *Keyring) follow(ready chan<- struct{}) {
	defer close(k.done)
	for entry := range k.watch.Updates() {
		if entry == nil { // all that was there has been seen
			close(ready)
			continue
		}
		var t bakeoff.Token
		known := entry.Operation() == jetstream.KeyValuePut && json.Unmarshal(entry.Value(), &t) == nil
		k.mu.Lock()
		if known {
			k.tokens[entry.Key()] = t
		} else {
			delete(k.tokens, entry.Key()) // what cannot be read opens nothing
		}
		k.mu.Unlock()
	}
}

// Close stops following the tokens and waits until that is so. The connection may be closed already.
func (k *Keyring) Close() error {
	_ = k.watch.Stop() // its only errors say that the connection was closed, and the watch with it
	<-k.done
	return nil
}

// Verify returns the token of a secret. It costs no I/O, and its time does not tell how close a
// wrong secret came.
func (k *Keyring) Verify(secret string) (bakeoff.Token, bool) {
	return k.Find(bakeoff.DigestOf([]byte(secret)))
}

// Find returns the token whose secret has the digest.
func (k *Keyring) Find(hash bakeoff.Digest) (found bakeoff.Token, ok bool) {
	k.mu.RLock()
	defer k.mu.RUnlock()
	for _, t := range k.tokens {
		if subtle.ConstantTimeCompare([]byte(t.Hash), []byte(hash)) == 1 {
			found, ok = t, true
		}
	}
	return found, ok
}
