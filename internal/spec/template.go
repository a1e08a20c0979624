package spec

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/learn"
)

const template = `# A bakeoff pipeline. "bakeoff check FILE" finds every mistake in it, "bakeoff run FILE" runs it.
name: %s

# When "bakeoff up" runs it by itself; without a time zone, by the machine's:
# schedule: {cron: "0 5 * * *", timezone: Asia/Seoul}

data:
  source: %s # a CSV file; a relative path starts at this file's folder
  target: %s # the column to predict
  # key: id                     # the column that identifies a row, if there is one
  # ignore: [notes]             # columns to leave out
  # missing: ["-"]              # texts that mean a missing value, beside "", NA, NaN, null and ?
  split: {holdout: 20%%, by: hash, seed: 1}

candidates:
  - {name: linear, trainer: %s}
  - {name: forest, trainer: random_forest}
  - {name: boosting, trainer: gradient_boosting}
  # Whatever a command can build takes part too:
  # - name: sklearn
  #   trainer: command
  #   build: [python3, train.py]
  #   predict: [python3, predict.py]
  #   limits: {time: 45m}

at_least: 1 # how many candidates must be built for a verdict

%s

# Who is told how each run ended. Variables come from the environment, or a .env file beside this file:
# notify:
#   - {slack: "${SLACK_WEBHOOK_URL}"}
#   - {webhook: "${WEBHOOK_URL}", secret: "${WEBHOOK_SECRET}"}
#   - {email: {to: [team@example.com], from: bakeoff@example.com, host: smtp.example.com}}
`

// Template returns the text of a commented pipeline file for a target of that learning task, which
// Parse accepts if the name is valid and neither the source nor the target is empty: what `bakeoff
// init` writes.
func Template(name, source, target string, task bakeoff.LearningTask) string {
	linear := learn.LogisticRegression
	if task == bakeoff.Regression {
		linear = learn.LinearRegression
	}
	return fmt.Sprintf(template, scalarText(name), scalarText(source), scalarText(target), linear, judging(task))
}

// judging is what a template suggests for the judge and the gate.
func judging(task bakeoff.LearningTask) string {
	const gain = " # gain: how much better than the champion; significant by default"
	switch task {
	case bakeoff.Regression:
		return "judge: {metric: rmse, also: [mae, r2]}\n# gate: {gain: 1%}" + gain
	case bakeoff.Multiclass:
		return "judge: {metric: accuracy, also: [log_loss]}\n# gate: {floors: {accuracy: 0.80}, gain: 0.5pt}" + gain
	default:
		return "judge: {metric: roc_auc, also: [accuracy, log_loss]}\n# gate: {floors: {roc_auc: 0.80}, gain: 0.5pt}" + gain
	}
}

// scalarText writes a text such that the file gives it back: quoted where YAML would read
// something else, dollar signs doubled.
func scalarText(s string) string {
	s = strings.ReplaceAll(s, "$", "$$")
	plain := strings.IndexFunc(s, func(c rune) bool {
		return !strings.ContainsRune("_-./", c) && (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z')
	}) < 0 && s != "" && !strings.HasPrefix(s, "-") && !strings.HasPrefix(s, ".")
	if plain && plainTag(s) == "!!str" {
		return s
	}
	// Go's escapes are YAML's, for text that is valid UTF-8.
	return strconv.Quote(strings.ToValidUTF8(s, "\uFFFD"))
}
