package build

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/dataset"
	"github.com/bakeoffhq/bakeoff/internal/learn"
	"github.com/bakeoffhq/bakeoff/internal/metric"
	"github.com/bakeoffhq/bakeoff/internal/search"
)

// envFolds is the variable that asks a built-in learner for a score instead of a model: the path of a
// JSON file, a Folding.
const envFolds = "BAKEOFF_FOLDS"

// scoreFile is what such a child leaves in BAKEOFF_MODEL.
const scoreFile = "score.json"

// Folding says how parameters are scored inside the training rows.
type Folding struct {
	search.Division
	Metric string `json:"metric"`
}

// scoreChild does what a child does that was asked for a score.
func scoreChild(ctx context.Context, request learn.Request, rows *dataset.Rows, env func(string) string) error {
	text, err := os.ReadFile(env(envFolds))
	if err != nil {
		return fmt.Errorf("read %s: %w", envFolds, err)
	}
	var f Folding
	if err := json.Unmarshal(text, &f); err != nil {
		return fmt.Errorf("read %s: %w", envFolds, err)
	}
	score, err := scoreFolds(ctx, request, rows, f)
	if err != nil {
		return err
	}
	return writeJSON(filepath.Join(env(envModel), scoreFile), score)
}

// scoreFolds trains a model without each of the folds, and has it answer for the fold.
func scoreFolds(ctx context.Context, request learn.Request, rows *dataset.Rows, f Folding) (bakeoff.SettingScore, error) {
	m, ok := metric.Lookup(f.Metric)
	if !ok {
		return bakeoff.SettingScore{}, fmt.Errorf("score folds: unknown metric %q", f.Metric)
	}
	folds := search.Divide(rows, f.Division)
	values := make([]float64, len(folds))
	for i, fold := range folds {
		v, err := scoreFold(ctx, request, rows.Choose(without(folds, i)), rows.Choose(fold), m)
		if err != nil {
			return bakeoff.SettingScore{}, fmt.Errorf("fold %d of %d: %w", i+1, len(folds), err)
		}
		values[i] = v
	}
	return spread(values), nil
}

func scoreFold(ctx context.Context, request learn.Request, train, fold *dataset.Rows, m metric.Metric) (float64, error) {
	if fold.Table.Rows == 0 {
		return 0, bakeoff.Errorf(bakeoff.CodeInvalid, "it has no rows").WithHint("ask for fewer search.folds")
	}
	request.Table, request.Labels, request.Progress = train.Table, train.Labels, nil
	model, err := learn.Train(ctx, request)
	if err != nil {
		return 0, err
	}
	answers, err := model.Predict(ctx, fold.Table, request.Threads)
	if err != nil {
		return 0, err
	}
	v, err := m.Compute(fold.Labels, answers)
	if errors.Is(err, metric.ErrUndefined) {
		return 0, bakeoff.Errorf(bakeoff.CodeInvalid, "%w", err).WithHint("ask for fewer search.folds")
	}
	return v, err
}

// without returns the rows of all folds but one, in order.
func without(folds [][]int, but int) []int {
	var rows []int
	for i, fold := range folds {
		if i != but {
			rows = append(rows, fold...)
		}
	}
	slices.Sort(rows)
	return rows
}

// spread returns the mean and the standard deviation of some values. The products are rounded before
// they are added, so that every processor comes to the same.
func spread(values []float64) bakeoff.SettingScore {
	n := float64(len(values))
	mean, squares := 0.0, 0.0
	for _, v := range values {
		mean += v / n
	}
	for _, v := range values {
		squares += float64((v - mean) * (v - mean))
	}
	return bakeoff.SettingScore{Mean: mean, Spread: math.Sqrt(squares / n)}
}
