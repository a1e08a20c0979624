package join

import (
	"context"

	"github.com/bakeoffhq/bakeoff"
)

// receipt says which file a client has handed in whole. Whoever shows it with a result proves to have
// had the content, also to a node that was restarted meanwhile.
type receipt struct {
	Caller string         `json:"caller"`
	Digest bakeoff.Digest `json:"digest"`
	Size   int64          `json:"size"`
}

// receiptKind keeps receipts and leases apart, which are sealed with one key.
const receiptKind = "receipt:"

func (r receipt) seal(key []byte) (string, error) { return seal(key, receiptKind, r) }

// unsealReceipt returns what a receipt says if it was sealed with the key.
func unsealReceipt(key []byte, text string) (r receipt, err error) {
	if !opens(key, receiptKind, text, &r) {
		return receipt{}, bakeoff.Errorf(bakeoff.CodeForbidden, "this is not a receipt of this node")
	}
	return r, nil
}

// maxReceipts bounds the files that one result names: an artifact and a log.
const maxReceipts = 2

// handedIn returns the sizes of the files for which the caller has receipts.
func (g *Gateway) handedIn(r request, receipts []string) (map[bakeoff.Digest]int64, error) {
	if len(receipts) > maxReceipts {
		return nil, bakeoff.Errorf(bakeoff.CodeInvalid, "a result with %d receipts", len(receipts))
	}
	files := map[bakeoff.Digest]int64{}
	for _, text := range receipts {
		got, err := unsealReceipt(g.key, text)
		if err != nil {
			return nil, err
		}
		if got.Caller != r.String() {
			return nil, bakeoff.Errorf(bakeoff.CodeForbidden, "this receipt was given to another worker")
		}
		files[got.Digest] = got.Size
	}
	return files, nil
}

// holdFiles makes sure that a trial's artifact and log are there and stay, until the record that names
// them is written. A log that went while the artifact was on its way for hours is named no more.
func (g *Gateway) holdFiles(ctx context.Context, t *bakeoff.Trial) error {
	for _, digest := range []bakeoff.Digest{t.Artifact, t.Log} {
		if digest == "" {
			continue
		}
		there, err := g.config.Store.HoldObject(ctx, digest)
		switch {
		case err != nil:
			return err
		case !there && digest == t.Artifact:
			return bakeoff.Errorf(bakeoff.CodeInvalid, "record the trial %s: its artifact %s is not in the store any more", t.Candidate, digest.Short())
		case !there:
			t.Log = ""
		}
	}
	return nil
}
