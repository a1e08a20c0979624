package spec_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/spec"
)

const ruled = `name: churn
data: {source: a.csv, target: churn}
candidates: [{name: a, trainer: random_forest}, {name: b, trainer: random_forest}]
judge: {metric: roc_auc, also: [accuracy]}
gate: {floors: {roc_auc: 0.8}, gain: "${GAIN:-any}"}
notify: [{slack: "${GONE}"}]
`

func rules(set ...string) (*bakeoff.Pipeline, error) {
	return spec.Rules("churn.yaml", "/srv", []byte(ruled), spec.Options{}, set)
}

// TestRulesAreSet reads a file whose receiver has no URL any more, with other rules.
func TestRulesAreSet(t *testing.T) {
	type want struct {
		AtLeast int
		Judge   bakeoff.Judge
		Gate    bakeoff.Gate
	}
	as := want{1, bakeoff.Judge{Metric: "roc_auc", Also: []string{"accuracy"}, Confidence: 0.95}, bakeoff.Gate{Floors: map[string]float64{"roc_auc": 0.8}}}
	for _, c := range []struct {
		set    []string
		change func(w *want)
	}{
		{nil, func(*want) {}},
		{[]string{"gate.gain=0.5pt"}, func(w *want) { w.Gate.Gain.Margin = 0.005 }},
		{[]string{"gate.gain=significant", "at_least=2"}, func(w *want) { w.Gate.Gain.Significant, w.AtLeast = true, 2 }},
		{[]string{"judge.metric=log_loss"}, func(w *want) { w.Judge.Metric = "log_loss" }},
		{[]string{"judge.confidence=99%"}, func(w *want) { w.Judge.Confidence = 0.99 }},
		{[]string{"judge.also=[f1, recall]"}, func(w *want) { w.Judge.Also = []string{"f1", "recall"} }},
		{[]string{"gate.floors.accuracy=0.7"}, func(w *want) { w.Gate.Floors = map[string]float64{"roc_auc": 0.8, "accuracy": 0.7} }},
		{[]string{"gate.floors={}"}, func(w *want) { w.Gate.Floors = nil }},
		{[]string{"gate.gain=1%", "gate.gain = 2%"}, func(w *want) { w.Gate.Gain.Margin, w.Gate.Gain.Relative = 0.02, true }},
	} {
		t.Run(strings.Join(c.set, " "), func(t *testing.T) {
			p, err := rules(c.set...)
			if err != nil {
				t.Fatal(err)
			}
			w := as
			c.change(&w)
			if diff := cmp.Diff(w, want{p.AtLeast, p.Judge, p.Gate}); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestWrongRulesAreTold gives what cannot be set, and the message and hint for it.
func TestWrongRulesAreTold(t *testing.T) {
	for set, want := range map[string][2]string{
		"gate.gane=0.5pt":          {`--set "gate.gane=0.5pt": unknown key "gane"`, `did you mean "gain"?`},
		"gat.gain=0.5pt":           {`--set "gat.gain=0.5pt": unknown key "gat"`, `did you mean "gate"?`},
		"gate.gain=half":           {`--set "gate.gain=half": "half" is not significant, any, or a margin such as 0.01, 0.5pt or 1%`, ""},
		"gate.gain=-1pt":           {`--set "gate.gain=-1pt": the gain "-1pt" is negative`, ""},
		"gate.gain":                {`--set "gate.gain": this sets nothing`, "write PATH=VALUE, such as gate.gain=0.5pt"},
		"gate.gain=":               {`--set "gate.gain=": there is no value`, ""},
		"=1":                       {`--set "=1": this sets nothing`, "write PATH=VALUE, such as gate.gain=0.5pt"},
		"gate=":                    {`--set "gate=": there is no value`, ""},
		"gate.gain.margin=1":       {`"gain" must be significant, any, or a margin`, ""},
		"gate.floors.roc_acu=0.8":  {`unknown metric "roc_acu"`, `did you mean "roc_auc"?`},
		"gate.floors.roc_auc=1.8":  {`"1.8" is out of range, roc_auc is between 0 and 1`, ""},
		"gate.floors.rmse=1e400":   {`--set "gate.floors.rmse=1e400": `, ""},
		"judge.metric=logloss":     {`unknown metric "logloss"`, `did you mean "log_loss"?`},
		"judge.also=[":             {`--set "judge.also=[": `, ""},
		"judge.also=${SECRET}":     {"the variable SECRET is not set", ""},
		"at_least=5":               {`at_least asks for "5" candidates, the file has 2`, ""},
		"data.source=b.csv":        {`data takes a new run: past ones can be judged again by other values of at_least, gate, judge`, ""},
		"gate.floors=[roc_auc]":    {`"floors" must be a mapping, not a list`, ""},
		"gate.gain=any\njudge: {}": {`--set "gate.gain=any\njudge: {}": `, ""},
	} {
		t.Run(set, func(t *testing.T) {
			_, err := rules(set)
			if bakeoff.CodeOf(err) != bakeoff.CodeInvalid || !strings.Contains(err.Error(), want[0]) {
				t.Errorf("error %v, want %s", err, want[0])
			}
			if hint := bakeoff.HintOf(err); want[1] != "" && hint != want[1] {
				t.Errorf("hint %q, want %q", hint, want[1])
			}
		})
	}
}

// FuzzRules sets anything: there are rules, or an error that a person can act on.
func FuzzRules(f *testing.F) {
	for _, set := range []string{"gate.gain=0.5pt", "judge.also=[f1]", "gate.floors={roc_auc: 0.8}", "a.b.c=1", "gate.gain=&a *a", "judge=*a", "at_least=!!int 2"} {
		f.Add(set)
	}
	f.Fuzz(func(t *testing.T, set string) {
		if _, err := rules(set); err != nil && (bakeoff.CodeOf(err) != bakeoff.CodeInvalid || err.Error() == "") {
			t.Errorf("%q: %v", set, err)
		}
	})
}
