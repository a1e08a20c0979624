package main

import (
	"context"
	"fmt"
	"math"
	"strconv"
)

// scaling is how the time of a fit grows, of one learner.
type scaling struct {
	Learner string    `json:"learner"`
	Along   string    `json:"along"` // rows or columns
	Sizes   []int     `json:"sizes"`
	Seconds []float64 `json:"seconds"` // medians
	PeakMB  []float64 `json:"peak_mb"`
}

// exponent says how the time grew from one size to the next: 1 is in proportion.
func (s scaling) exponent(i int) float64 {
	return math.Log(s.Seconds[i]/s.Seconds[i-1]) / math.Log(float64(s.Sizes[i])/float64(s.Sizes[i-1]))
}

// scaling fits every learner of two classes to more and more rows of 28 columns, and to more and more
// columns of 10,000 rows. The rows are made in the process that fits.
func (b *bench) scaling(ctx context.Context) error {
	most := b.rows
	if most == 0 {
		most = 1_000_000
	}
	var rows []int
	for n := 10_000; n <= most; n *= 10 {
		rows = append(rows, n)
	}
	seen := map[string]bool{}
	for _, p := range b.pairsFor("binary") {
		if seen[p.learner] {
			continue
		}
		seen[p.learner] = true
		along := scaling{Learner: p.learner, Along: "rows", Sizes: rows}
		if err := b.grow(ctx, along, func(size int) (rows, columns int) { return size, 28 }); err != nil {
			return err
		}
		along = scaling{Learner: p.learner, Along: "columns", Sizes: []int{10, 100, 1000}}
		if err := b.grow(ctx, along, func(size int) (rows, columns int) { return 10_000, size }); err != nil {
			return err
		}
	}
	return nil
}

// grow measures one learner at each size.
func (b *bench) grow(ctx context.Context, s scaling, shape func(size int) (rows, columns int)) error {
	for _, size := range s.Sizes {
		rows, columns := shape(size)
		fmt.Fprintf(b.log, "%s: %d rows, %d columns\n", s.Learner, rows, columns)
		var found []*measurement
		for range b.rounds {
			m, err := measured(b.run(ctx, b.self, "-one", "-rows", strconv.Itoa(rows), "-columns", strconv.Itoa(columns),
				"-learner", s.Learner, "-reps", "1", "-threads", strconv.Itoa(b.threads)))
			if err != nil {
				return fmt.Errorf("%s at %d rows and %d columns: %w", s.Learner, rows, columns, err)
			}
			found = append(found, m)
		}
		value := func(m *measurement) float64 { return m.FitSeconds }
		if b.cpu {
			value = func(m *measurement) float64 { return m.CPUSeconds }
		}
		s.Seconds = append(s.Seconds, median(each(found, value)))
		s.PeakMB = append(s.PeakMB, median(each(found, func(m *measurement) float64 { return m.PeakMB })))
	}
	b.scaled = append(b.scaled, s)
	return nil
}
