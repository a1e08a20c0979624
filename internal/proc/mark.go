package proc

import (
	"crypto/rand"
	"encoding/hex"

	"github.com/bakeoffhq/bakeoff"
)

// markVariable is in the environment of every child and so of all that it starts, whatever group,
// session or parent they come to have.
const markVariable = "BAKEOFF_ATTEMPT"

// newMark returns the entry of a child's environment that no other process has: the owner's mark
// and a random part.
func newMark(owner string) string {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails, by its documentation
	return markVariable + "=" + owner + "." + hex.EncodeToString(b[:])
}

// Sweep kills every process that a child of the owner's mark has left behind, in whatever process of
// ours, and returns how many there were: for an owner that has just found out that its former
// process was killed. It is an error with bakeoff.CodeInvalid to give no mark, and one with
// bakeoff.CodeInternal if some do not end. On systems other than Linux it does nothing.
func Sweep(mark string) (killed int, err error) {
	if mark == "" {
		return 0, bakeoff.Errorf(bakeoff.CodeInvalid, "sweep processes: no mark is given")
	}
	killed, left := sweep([]byte(markVariable+"="+mark+"."), prefixed)
	if left > 0 {
		return killed, bakeoff.Errorf(bakeoff.CodeInternal, "sweep processes: %d of those that an earlier process has left behind do not end", left).
			WithHint("look for processes with %s=%s in /proc/*/environ", markVariable, mark)
	}
	return killed, nil
}
