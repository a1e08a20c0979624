package store

import (
	"context"
	"errors"
	"slices"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/synadia-io/orbit.go/jetstreamext"
)

// few returns the values of the keys that match the filters, in the order in which they were last
// written: in one exchange and as they were at one moment, where a listing makes a consumer and looks
// again for what it may have missed. It reports false where there are too many for that: over 1,024,
// those that were deleted among them, or over 64 MiB. Nothing is said about how it went wrong: a
// listing then does.
func (s *Store) few(ctx context.Context, bucket jetstream.KeyValue, filters []string) (values [][]byte, ok bool) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	prefix := "$KV." + bucket.Bucket() + "."
	subjects := make([]string, len(filters))
	for i, filter := range filters {
		subjects[i] = prefix + filter
	}
	messages, err := jetstreamext.GetLastMsgsFor(ctx, s.js, "KV_"+bucket.Bucket(), subjects)
	if err != nil {
		return nil, false
	}
	complete := false
	for msg, err := range messages {
		if errors.Is(err, jetstreamext.ErrNoMessages) {
			return nil, true
		}
		if err != nil {
			return nil, false
		}
		complete = msg.Header.Get("Nats-Num-Pending") == "0" // an exchange that was cut off ends without an error
		if !deleted(msg) {
			values = append(values, msg.Data)
		}
	}
	return slices.Clip(values), complete
}
