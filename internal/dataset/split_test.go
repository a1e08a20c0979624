package dataset_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/dataset"
)

// table is a file's header and rows, to be changed as the files of later nights are.
type table struct {
	header []string
	rows   [][]string
}

// nightly returns rows with distinct features; the column id says which row it is, after its features changed too.
func nightly(n int) table {
	t := table{header: []string{"id", "a", "b", "y"}}
	for i := range n {
		t.rows = append(t.rows, []string{fmt.Sprint(i), fmt.Sprint(i*7 + 1), fmt.Sprintf("text %d", i), fmt.Sprint(i % 2)})
	}
	return t
}

func (t table) text() string {
	var b strings.Builder
	b.WriteString(strings.Join(t.header, ",") + "\n")
	for _, row := range t.rows {
		b.WriteString(strings.Join(row, ",") + "\n")
	}
	return b.String()
}

// sidesOf returns the identity of every row of one snapshot and whether it is held out.
func sidesOf(f frozen) map[uint64]bool {
	sides := make(map[uint64]bool)
	for _, id := range f.train.Identity {
		sides[id] = false
	}
	for _, id := range f.holdout.Identity {
		sides[id] = true
	}
	return sides
}

// Whatever happens to a file from night to night, a row that was in it stays on its side.
func TestRowsStayOnTheirSide(t *testing.T) {
	base := nightly(500)
	for name, change := range map[string]func(*table){
		"nothing": func(*table) {},
		"reordered": func(t *table) {
			rand.New(rand.NewPCG(1, 1)).Shuffle(len(t.rows), func(i, j int) { t.rows[i], t.rows[j] = t.rows[j], t.rows[i] })
		},
		"rows added": func(t *table) { t.rows = append(nightly(900).rows[500:], t.rows...) },
		"column added": func(t *table) {
			t.header = append([]string{"new"}, t.header...)
			for i := range t.rows {
				t.rows[i] = append([]string{fmt.Sprint(i * i)}, t.rows[i]...)
			}
		},
		"columns in another order": func(t *table) {
			t.header = []string{"y", "b", "a", "id"}
			for i, r := range t.rows {
				t.rows[i] = []string{r[3], r[2], r[1], r[0]}
			}
		},
		"numbers written anew": func(t *table) {
			for _, r := range t.rows {
				r[1] += ".0"
			}
		},
		"label corrected": func(t *table) { t.rows[0][3], t.rows[1][3] = t.rows[1][3], t.rows[0][3] },
	} {
		for _, key := range []string{"", "id"} {
			t.Run(name+" "+key, func(t *testing.T) {
				s := dataset.Source{Path: write(t, base.text()), Target: "y", Key: key, Ignore: []string{"id"}, Split: byHash(5)}
				if key != "" {
					s.Ignore = nil
				}
				first := freeze(t, s)
				later := nightly(500)
				change(&later)
				s.Path, s.Previous = write(t, later.text()), &first.Identity
				second := freeze(t, s)
				sides := sidesOf(second)
				for id, held := range sidesOf(first) {
					if now, ok := sides[id]; !ok || now != held {
						t.Fatalf("row %x: held out %t, then %t (found %t)", id, held, now, ok)
					}
				}
				diff(t, "identity", first.Identity, second.Identity)
			})
		}
	}
}

func TestAKeyKeepsARowWhoseFeaturesChange(t *testing.T) {
	later := nightly(300)
	for _, row := range later.rows {
		row[1] = "0"
	}
	s := dataset.Source{Path: write(t, nightly(300).text()), Target: "y", Key: "id", Split: byHash(5)}
	first := freeze(t, s)
	s.Path = write(t, later.text())
	diff(t, "sides", sidesOf(first), sidesOf(freeze(t, s)))
}

func TestTheHashSplitHoldsOutItsShare(t *testing.T) {
	for _, share := range []float64{0.1, 0.2, 0.5} {
		s := dataset.Source{Path: write(t, nightly(5000).text()), Target: "y", Split: byHash(9)}
		s.Split.Holdout = share
		got := float64(inspect(t, s).Rows.Holdout) / 5000
		if got < share-0.03 || got > share+0.03 {
			t.Errorf("%v of the rows are held out, want about %v", got, share)
		}
	}
}

func TestIdentity(t *testing.T) {
	features := &bakeoff.Identity{Columns: []string{"a", "b"}, Generation: 3}
	for _, tc := range []struct {
		name     string
		key      string
		ignore   string
		previous *bakeoff.Identity
		want     bakeoff.Identity
		note     string
	}{
		{name: "first", want: bakeoff.Identity{Columns: []string{"a", "b", "id"}, Generation: 1}},
		{name: "first with key", key: "id", want: bakeoff.Identity{Key: "id", Generation: 1}},
		{name: "new column", previous: features, want: *features},
		{name: "ignored now", previous: features, ignore: "b", want: *features},
		{
			name: "column lost", previous: &bakeoff.Identity{Columns: []string{"a", "gone"}, Generation: 3},
			want: bakeoff.Identity{Columns: []string{"a", "b", "id"}, Generation: 4},
			note: `the file lost "gone", which told its rows apart: rows cannot be compared with those of earlier versions`,
		},
		{
			name: "key now", key: "id", previous: features, want: bakeoff.Identity{Key: "id", Generation: 4},
			note: `there was no key, and now it is "id": rows cannot be compared with those of earlier versions`,
		},
		{name: "same key", key: "id", previous: &bakeoff.Identity{Key: "id", Generation: 2}, want: bakeoff.Identity{Key: "id", Generation: 2}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := dataset.Source{Path: write(t, nightly(50).text()), Target: "y", Key: tc.key, Previous: tc.previous, Split: byHash(1)}
			if tc.ignore != "" {
				s.Ignore = []string{tc.ignore}
			}
			got := inspect(t, s)
			diff(t, "identity", tc.want, got.Identity)
			var notes []string
			if tc.note != "" {
				notes = []string{tc.note}
			}
			diff(t, "notes", notes, got.Notes)
		})
	}
}

func TestRepeatedKeysAreNotedAndStayTogether(t *testing.T) {
	rows := nightly(100)
	rows.rows = append(rows.rows, nightly(30).rows...)
	f := freeze(t, dataset.Source{Path: write(t, rows.text()), Target: "y", Key: "id", Split: byHash(1)})
	diff(t, "notes", []string{`30 rows repeat a key of column "id": rows of one key stay on one side`}, f.Notes)
	if n := len(sidesOf(f)); n != 100 || f.Rows.Train+f.Rows.Holdout != 130 {
		t.Errorf("%d identities in %+v", n, f.Rows)
	}
	diff(t, "features", []string{"a", "b"}, columnNames(f.Schema))
}

func TestSplitByTimeHoldsOutTheNewest(t *testing.T) {
	text := "when,x,y\n"
	for i, day := range []string{"05", "01", "04", "", "04", "03", "02", "04", "01", "02", "01"} {
		if day != "" {
			day = "2024-01-" + day
		}
		text += fmt.Sprintf("%s,%d,%d\n", day, i, i%2)
	}
	s := dataset.Source{Path: write(t, text), Target: "y", Split: bakeoff.Split{Holdout: 0.2, By: bakeoff.SplitByTime, Column: "when"}}
	f := freeze(t, s)
	// Two of ten begin within the 4th, so all of its rows are held out.
	diff(t, "holdout", []float64{0, 2, 4, 7}, f.holdout.Table.Column("x").Numbers)
	diff(t, "training rows", []float64{1, 3, 5, 6, 8, 9, 10}, f.train.Table.Column("x").Numbers)
	diff(t, "notes", []string{`1 rows have no "when": they are training rows`}, f.Notes)
}

func TestSplitByGroupKeepsGroupsTogether(t *testing.T) {
	text := "shop,x,y\n"
	for i := range 600 {
		text += fmt.Sprintf("shop %d,%d,%d\n", i%30, i, i%2)
	}
	s := dataset.Source{Path: write(t, text), Target: "y", Split: bakeoff.Split{Holdout: 0.3, By: bakeoff.SplitByGroup, Column: "shop", Seed: 2}}
	f := freeze(t, s)
	if f.Rows.Holdout%20 != 0 || f.Rows.Holdout < 80 || f.Rows.Holdout > 280 {
		t.Errorf("%d holdout rows, want about 180, in groups of 20", f.Rows.Holdout)
	}
	train := make(map[string]bool)
	for _, shop := range f.train.Table.Column("shop").Levels {
		train[shop] = true
	}
	for _, shop := range f.holdout.Table.Column("shop").Levels {
		if train[shop] {
			t.Errorf("%s is on both sides", shop)
		}
	}
}

func TestSplitByColumn(t *testing.T) {
	text := "x,y,side\n"
	for i, side := range []string{"TRUE", "0", "holdout", "Train", "test", "no", "yes", "training", "1", "false"} {
		text += fmt.Sprintf("%d,%d,%s\n", i, i/2%2, side)
	}
	f := freeze(t, source(t, text))
	diff(t, "holdout", []float64{0, 2, 4, 6, 8}, f.holdout.Table.Column("x").Numbers)
	diff(t, "features", []string{"x"}, columnNames(f.Schema))
}

// A split by time says which times it holds out: how long a row stays in the holdout follows from it.
func TestASplitByTimeTellsItsSpan(t *testing.T) {
	var text strings.Builder
	text.WriteString("day,x,y\n")
	for i := range 10 {
		fmt.Fprintf(&text, "2026-01-%02d,%d,%d\n", i+1, i, i%2)
	}
	s := dataset.Source{Path: write(t, text.String()), Target: "y", Split: bakeoff.Split{By: bakeoff.SplitByTime, Column: "day", Holdout: 0.3}}
	at := func(day int) float64 { return float64(time.Date(2026, 1, day, 0, 0, 0, 0, time.UTC).Unix()) }
	diff(t, "span", &bakeoff.Span{From: at(8), To: at(10)}, inspect(t, s).Span)
	s.Split = byHash(1)
	diff(t, "span", (*bakeoff.Span)(nil), inspect(t, s).Span)
}

// Every period holds out other rows: of the same share, and as independent of another's as chance is.
func TestARotatingSplitHoldsOutOtherRowsEachPeriod(t *testing.T) {
	for _, by := range []bakeoff.SplitBy{bakeoff.SplitByHash, bakeoff.SplitByGroup} {
		held := func(split bakeoff.Split) map[uint64]bool {
			s := dataset.Source{Path: telco, Target: "churn", Split: split}
			s.Split.By, s.Split.Holdout, s.Split.Seed = by, 0.2, 1
			if by == bakeoff.SplitByGroup {
				s.Split.Column = "monthly_charges"
			}
			ids := map[uint64]bool{}
			for _, id := range freeze(t, s).holdout.Identity {
				ids[id] = true
			}
			return ids
		}
		const week = 7 * 24 * time.Hour
		still, first := held(bakeoff.Split{}), held(bakeoff.Split{Rotate: week, Period: 2900})
		second, again := held(bakeoff.Split{Rotate: week, Period: 2901}), held(bakeoff.Split{Rotate: week, Period: 2900})
		diff(t, "the same period once more", first, again)
		for _, other := range []map[uint64]bool{still, second} {
			both := 0
			for id := range other {
				if first[id] {
					both++
				}
			}
			if share := float64(both) / float64(len(other)); share < 0.15 || share > 0.25 || len(other) < 1250 || len(other) > 1570 {
				t.Errorf("by %s: %d rows held out, %.2f of them in the other period, too; want about 1,409 and 0.2", by, len(other), share)
			}
		}
	}
}
