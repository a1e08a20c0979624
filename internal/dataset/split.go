package dataset

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/cespare/xxhash/v2"

	"github.com/bakeoffhq/bakeoff"
)

// identify says which definition of identity the rows have, and a note where it is not the one of
// the pipeline's earlier snapshots.
func identify(s Source, header, features []string) (bakeoff.Identity, string) {
	fresh := bakeoff.Identity{Key: s.Key, Generation: 1}
	if s.Key == "" {
		fresh.Columns = slices.Sorted(slices.Values(features))
	}
	old := s.Previous
	if old == nil {
		return fresh, ""
	}
	fresh.Generation = old.Generation + 1
	const consequence = "rows cannot be compared with those of earlier versions"
	if old.Key != s.Key {
		return fresh, fmt.Sprintf("%s: %s", keyChange(old.Key, s.Key), consequence)
	}
	if lost := absent(old.Columns, header); len(lost) > 0 {
		return fresh, fmt.Sprintf("the file lost %s, which told its rows apart: %s", quoted(lost), consequence)
	}
	return *old, ""
}

// keyChange says how a pipeline's key changed.
func keyChange(old, now string) string {
	switch {
	case old == "":
		return fmt.Sprintf("there was no key, and now it is %q", now)
	case now == "":
		return fmt.Sprintf("the key was %q, and now there is none", old)
	}
	return fmt.Sprintf("the key was %q, and now it is %q", old, now)
}

// absent returns the names that the header does not have.
func absent(names, header []string) []string {
	has := make(map[string]bool, len(header))
	for _, name := range header {
		has[name] = true
	}
	var lost []string
	for _, name := range names {
		if !has[name] {
			lost = append(lost, name)
		}
	}
	return lost
}

// columnHash adds the cells of one column to the hashes of their rows. A row's hash is that of its key's
// text, or of the names and values of the identity's columns, sorted by name. It depends on neither the
// order of rows and columns nor the user's settings, and numbers are hashed by value: a file exported
// anew with 1.0 for 1 has the same rows.
type columnHash struct {
	key bool   // the column is the key
	buf []byte // eight bytes for the hash of the columns before, then the name
}

func newColumnHash(name string, key bool) *columnHash {
	return &columnHash{key: key, buf: appendText(make([]byte, 8), name)}
}

// with returns the hash of a row with a cell, of which n is what parseNumber found.
func (h *columnHash) with(before uint64, cell string, n cellNumber) uint64 {
	if h.key {
		return xxhash.Sum64String(cell)
	}
	binary.LittleEndian.PutUint64(h.buf, before)
	name := len(h.buf)
	buf := appendCell(h.buf, cell, n)
	h.buf = buf[:name]
	return xxhash.Sum64(buf)
}

// appendCell appends a cell's meaning: one of missing, a number, a text.
func appendCell(buf []byte, cell string, n cellNumber) []byte {
	if missingText(cell) {
		return append(buf, 'm')
	}
	if n.ok && !n.form.zeros {
		return binary.LittleEndian.AppendUint64(append(buf, 'n'), math.Float64bits(n.value))
	}
	if v, ok := parseTrueFalse(cell); ok {
		return append(buf, 'b', byte(v))
	}
	return appendText(append(buf, 't'), cell)
}

// appendText appends a text behind its length, so that no two lists of texts make the same bytes.
func appendText(buf []byte, text string) []byte {
	return append(binary.AppendUvarint(buf, uint64(len(text))), text...)
}

// heldOut reports whether what has this hash belongs to the holdout: the hash of it and the seed and,
// where the split rotates, the period, taken as a number from 0 to 1, is below the share.
func heldOut(hash uint64, split bakeoff.Split) bool {
	var b [24]byte
	binary.LittleEndian.PutUint64(b[:8], split.Seed)
	binary.LittleEndian.PutUint64(b[8:16], hash)
	n := 16
	if split.Rotate > 0 {
		binary.LittleEndian.PutUint64(b[16:], uint64(split.Period))
		n = 24
	}
	const unit = 1.0 / (1 << 53)
	return float64(xxhash.Sum64(b[:n])>>11)*unit < split.Holdout
}

// sides decides for every row whether it belongs to the holdout. The labelled rows alone are
// counted where the share is one of rows.
func sides(t *rawTable, s Source, identity []uint64, labelled []bool) (d division, err error) {
	switch s.Split.By {
	case bakeoff.SplitByTime:
		return sidesByTime(t, s, labelled)
	case bakeoff.SplitByGroup:
		d.holdout, err = sidesByGroup(t, s.Split)
	case bakeoff.SplitByColumn:
		d.holdout, err = sidesByColumn(t, s.Split.Column)
	default:
		d.holdout = make([]bool, len(identity))
		for row, hash := range identity {
			d.holdout[row] = heldOut(hash, s.Split)
		}
	}
	return d, err
}

// division is on which side each row is.
type division struct {
	holdout []bool
	span    *bakeoff.Span // as in a Snapshot
	note    string        // for a person, or ""
}

// sidesByTime holds out the newest share of the labelled rows. Rows of the moment at which the
// share begins are all held out, so it may be larger. A row without a time is a training row: it
// cannot be said to be newer than any other.
func sidesByTime(t *rawTable, s Source, labelled []bool) (division, error) {
	name := s.Split.Column
	c, err := t.typed(name, s.Columns[name], newMissingTexts(s.Missing))
	if err != nil {
		return division{}, err
	}
	if c.Kind == bakeoff.KindCategory || c.Kind == bakeoff.KindBoolean {
		return division{}, bakeoff.Errorf(bakeoff.CodeInvalid, "%s: column %q cannot split by time: it is a %s, not a date or a number", t.path, name, c.Kind).
			WithHint("state its kind under data.columns to see which cell is not a date")
	}
	var times []float64
	missing := 0
	for row, v := range c.Numbers {
		switch {
		case !labelled[row]:
		case math.IsNaN(v):
			missing++
		default:
			times = append(times, v)
		}
	}
	slices.Sort(times)
	d := division{holdout: make([]bool, len(c.Numbers))}
	count := int(math.Round(s.Split.Holdout * float64(len(times))))
	if count > 0 {
		d.span = &bakeoff.Span{From: times[len(times)-count], To: times[len(times)-1]}
		for row, v := range c.Numbers {
			d.holdout[row] = v >= d.span.From
		}
	}
	if missing > 0 {
		d.note = fmt.Sprintf("%d rows have no %q: they are training rows", missing, name)
	}
	return d, nil
}

func sidesByGroup(t *rawTable, split bakeoff.Split) ([]bool, error) {
	holdout := make([]bool, len(t.lines))
	for row, cell := range t.columns[split.Column].cells() {
		if missingText(cell) {
			return nil, t.errorf(row, "column %q: the group is missing", split.Column).
				WithHint("every row needs a value in the column that splits by group")
		}
		holdout[row] = heldOut(xxhash.Sum64String(cell), split)
	}
	return holdout, nil
}

func sidesByColumn(t *rawTable, name string) ([]bool, error) {
	holdout := make([]bool, len(t.lines))
	for row, cell := range t.columns[name].cells() {
		switch strings.ToLower(cell) {
		case "true", "1", "yes", "holdout", "test":
			holdout[row] = true
		case "false", "0", "no", "train", "training":
		default:
			return nil, t.errorf(row, "column %q: %s does not say on which side the row is", name, shown(cell)).
				WithHint("true, 1, yes, holdout or test; false, 0, no, train or training")
		}
	}
	return holdout, nil
}
