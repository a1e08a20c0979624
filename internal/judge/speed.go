package judge

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/dataset"
)

// effort bounds what measuring one contestant costs beside its answers.
type effort struct {
	rows    int           // at most so many are asked for one by one
	singles time.Duration // and for about so long
	again   time.Duration // a block is asked for once more where that is likely to take no longer
}

// warmUp is how many single rows do not count.
const warmUp = 3

// effortFor says how much is worth measuring: much where the gate has a budget for it, little for a
// column of the leaderboard. A predict command has taken its time to start anyway.
func effortFor(recipe bakeoff.Candidate, b bakeoff.Budgets) effort {
	e := effort{rows: 100, singles: 4 * time.Millisecond, again: 4 * time.Millisecond}
	if recipe.Trainer == bakeoff.TrainerCommand {
		e.singles, e.again = 100*time.Millisecond, 2*time.Second
	}
	if b.P50 > 0 || b.P95 > 0 {
		e.rows, e.singles = 1000, time.Second
	}
	if b.RowsPerSecond > 0 {
		e.again = 5 * time.Second
	}
	return e
}

// measured lets a scorer answer all rows, in blocks, and measures what that and a single row take.
// Whoever does not answer single rows does not answer: they are what is served.
func measured(ctx context.Context, s Scorer, t *dataset.Table, e effort) (*bakeoff.Predictions, *bakeoff.Speed, error) {
	began := time.Now()
	answers, err := scoreAll(ctx, s, t)
	took := time.Since(began)
	if err != nil || t.Rows == 0 {
		return answers, nil, err
	}
	speed := &bakeoff.Speed{}
	if speed.RowsPerSecond, err = blocks(ctx, s, t, took, e); err != nil {
		return nil, nil, err
	}
	times, err := singles(ctx, s, t, answers.Classes, e)
	if err != nil {
		return nil, nil, err
	}
	speed.RowsTimed = len(times)
	speed.P50, speed.P95 = quantile(times, 0.50).Seconds(), quantile(times, 0.95).Seconds()
	speed.Memory = s.Memory()
	return answers, speed, nil
}

// blocks returns how many rows a second are answered in blocks, of which all took so long. A block is
// asked for once more, if that is quick, and the better of both counts: at the first, a command starts.
func blocks(ctx context.Context, s Scorer, t *dataset.Table, took time.Duration, e effort) (float64, error) {
	n := min(t.Rows, blockRows)
	first := rate(t.Rows, took)
	if took*time.Duration(n)/time.Duration(t.Rows) > e.again {
		return first, nil
	}
	began := time.Now()
	if _, err := scoreAll(ctx, s, t.Slice(0, n)); err != nil {
		return 0, err
	}
	return max(first, rate(n, time.Since(began))), nil
}

// rate is so many rows in a time, a second.
func rate(rows int, took time.Duration) float64 { return float64(rows) / max(took, 1).Seconds() }

// singles asks for rows from all over the table, one by one, and returns how long each took, sorted.
func singles(ctx context.Context, s Scorer, t *dataset.Table, classes []string, e effort) ([]time.Duration, error) {
	n := min(e.rows, t.Rows)
	var times []time.Duration
	end := time.Now().Add(e.singles)
	for i := -min(warmUp, n); i < n; i++ {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		row := max(i, 0) * t.Rows / n
		one := single(t, row)
		began := time.Now()
		answer, err := s.Score(ctx, one)
		now := time.Now()
		if err == nil {
			err = appendBlock(&bakeoff.Predictions{Classes: classes}, answer, row, row+1)
		}
		if err != nil {
			return nil, fmt.Errorf("one row alone: %w", err)
		}
		if i >= 0 {
			times = append(times, now.Sub(began))
		}
		if now.After(end) && len(times) > 0 {
			break
		}
	}
	slices.Sort(times)
	return times, nil
}

// single returns one row as a table of its own, as a request for it would be: with the categories
// that it has and not with those of all rows, which take time to look up.
func single(t *dataset.Table, row int) *dataset.Table {
	one := t.Slice(row, row+1)
	for i := range one.Columns {
		c := &one.Columns[i]
		if c.Kind != bakeoff.KindCategory {
			continue
		}
		if code := c.Codes[0]; code >= 0 {
			c.Codes, c.Levels = []int32{0}, c.Levels[code:code+1]
		} else {
			c.Levels = nil
		}
	}
	return one
}

// quantile returns the smallest of some sorted times that a share of them do not exceed.
func quantile(sorted []time.Duration, share float64) time.Duration {
	i := int(share * float64(len(sorted)))
	if float64(i) == share*float64(len(sorted)) {
		i--
	}
	return sorted[max(i, 0)]
}
