package bakeoff_test

import (
	"errors"
	"io/fs"
	"regexp"
	"testing"
	"time"

	"github.com/bakeoffhq/bakeoff"
)

func TestNearest(t *testing.T) {
	known := []string{"logistic_regression", "random_forest", "rmse", "roc_auc"}
	for word, want := range map[string]string{
		"rsme":               "rmse",
		"ROC_AUC":            "roc_auc",
		"logistic_regresion": "logistic_regression",
		"randomforest":       "random_forest",
		"xgboost":            "",
		"lightgbm":           "",
		"":                   "",
	} {
		if got := bakeoff.Nearest(word, known); got != want {
			t.Errorf("Nearest(%q) = %q, want %q", word, got, want)
		}
	}
}

func TestErrorKeepsItsCauseCodeAndHint(t *testing.T) {
	inner := bakeoff.Errorf(bakeoff.CodeBusy, "open store: %w", fs.ErrPermission).WithHint("stop pid %d", 7)
	err := errors.Join(inner)
	if !errors.Is(err, fs.ErrPermission) {
		t.Error("the cause is not in the chain")
	}
	if got := bakeoff.CodeOf(err); got != bakeoff.CodeBusy {
		t.Errorf("code %q, want busy", got)
	}
	if got := bakeoff.HintOf(err); got != "stop pid 7" {
		t.Errorf("hint %q", got)
	}
	if got := inner.Error(); got != "open store: permission denied" {
		t.Errorf("text %q", got)
	}
	if got := bakeoff.CodeOf(fs.ErrExist); got != bakeoff.CodeInternal {
		t.Errorf("code of a foreign error %q, want internal", got)
	}
}

func TestRunIDsSortByTimeAndDiffer(t *testing.T) {
	at := time.Date(2026, 11, 23, 5, 0, 0, 42e6, time.FixedZone("KST", 9*3600))
	a, b := bakeoff.NewRunID("churn", at), bakeoff.NewRunID("churn", at)
	if !regexp.MustCompile(`^churn-20261122T200000042Z-[0-9a-z]{4}$`).MatchString(a) {
		t.Errorf("run ID %q", a)
	}
	if a == b {
		t.Errorf("two runs of one moment are both %q", a)
	}
}

func TestPredictionsClassTakesTheFirstOfEquals(t *testing.T) {
	p := bakeoff.Predictions{Classes: []string{"no", "yes"}, Probabilities: []float64{0.5, 0.5, 0.2, 0.8}}
	if p.Len() != 2 || p.Class(0) != 0 || p.Class(1) != 1 {
		t.Errorf("len %d, classes %d and %d", p.Len(), p.Class(0), p.Class(1))
	}
}
