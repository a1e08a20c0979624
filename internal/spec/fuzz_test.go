package spec_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/spec"
	"github.com/google/go-cmp/cmp"
)

// FuzzParse feeds any text to the parser. Whatever it is, there is an answer soon; a mistake has a
// place in the file; and a pipeline, written out as a file and read again, is the same pipeline.
func FuzzParse(f *testing.F) {
	seeds, err := os.ReadDir("testdata")
	if err != nil {
		f.Fatal(err)
	}
	for _, e := range seeds {
		if strings.HasSuffix(e.Name(), ".yaml") {
			b, err := os.ReadFile("testdata/" + e.Name())
			if err != nil {
				f.Fatal(err)
			}
			f.Add(b)
		}
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		start := time.Now()
		p, err := spec.Parse("f.yaml", "/d", text, options)
		if took := time.Since(start); took > 20*time.Second {
			t.Errorf("it took %v for %d bytes", took, len(text))
		}
		if err != nil {
			checkMistakes(t, text, err)
			return
		}
		checkRoundTrip(t, p)
	})
}

func checkMistakes(t *testing.T, text []byte, err error) {
	t.Helper()
	if bakeoff.CodeOf(err) != bakeoff.CodeInvalid {
		t.Errorf("the code of %v is not invalid", err)
	}
	ms, ok := errors.AsType[spec.Mistakes](err)
	if !ok || len(ms) == 0 {
		t.Fatalf("no mistakes in %v", err)
	}
	lines := bytes.Split(text, []byte("\n"))
	for _, m := range ms {
		if m.Line < 1 || m.Line > len(lines) || m.Column < 1 || m.Column > len(lines[m.Line-1])+1 {
			t.Errorf("%s is outside the file", m.Error())
		}
		if m.Message == "" || len(m.Message) > 2000 {
			t.Errorf("a message of %d bytes", len(m.Message))
		}
	}
}

func TestRoundTrip(t *testing.T) {
	for _, path := range glob(t, "testdata/good-*.yaml") {
		p, err := spec.Parse(path, "/d", text(t, path), options)
		if err != nil {
			t.Fatal(err)
		}
		checkRoundTrip(t, p)
	}
}

func checkRoundTrip(t *testing.T, p *bakeoff.Pipeline) {
	t.Helper()
	file := encode(t, p)
	again, err := spec.Parse("again.yaml", p.Dir, file, spec.Options{})
	if err != nil {
		t.Fatalf("%v\nwritten out: %s", err, file)
	}
	again.Revision = p.Revision
	nearly := cmp.Comparer(func(a, b float64) bool { return a == b || math.Abs(a-b) <= 1e-12*math.Abs(a) })
	if diff := cmp.Diff(p, again, nearly); diff != "" {
		t.Errorf("(-first +again)\n%s\nwritten out: %s", diff, file)
	}
}

// encode writes a pipeline as a file: in JSON, which is YAML too.
func encode(t *testing.T, p *bakeoff.Pipeline) []byte {
	t.Helper()
	gain := any(p.Gate.Gain.Margin)
	if p.Gate.Gain.Relative {
		gain = strconv.FormatFloat(p.Gate.Gain.Margin*100, 'g', -1, 64) + "%"
	}
	if p.Gate.Gain.Significant {
		gain = "significant"
	}
	gate := map[string]any{"floors": given(p.Gate.Floors), "gain": gain, "budgets": encodeBudgets(p.Gate.Budgets)}
	if loss := p.Gate.SliceLoss; loss != nil {
		gate["no_slice_worse_than"] = any(loss.Margin)
		if loss.Relative {
			gate["no_slice_worse_than"] = strconv.FormatFloat(loss.Margin*100, 'g', -1, 64) + "%"
		}
	}
	split := map[string]any{"by": p.Data.Split.By, "seed": p.Data.Split.Seed}
	if p.Data.Split.By != bakeoff.SplitByColumn {
		split["holdout"] = p.Data.Split.Holdout
	}
	optional(split, "column", p.Data.Split.Column)
	if p.Data.Split.Rotate != 0 {
		split["rotate"] = p.Data.Split.Rotate.String()
	}
	data := map[string]any{"source": p.Data.Source, "target": p.Data.Target, "split": split, "columns": given(p.Data.Columns), "ignore": list(p.Data.Ignore), "missing": list(p.Data.Missing)}
	optional(data, "task", string(p.Data.Task))
	optional(data, "key", p.Data.Key)
	judge := map[string]any{"also": list(p.Judge.Also), "confidence": p.Judge.Confidence}
	optional(judge, "metric", p.Judge.Metric)
	if len(p.Judge.Slices) > 0 {
		judge["slices"] = list(p.Judge.Slices)
	}
	notify := []any{}
	for _, r := range p.Notify {
		notify = append(notify, encodeReceiver(r))
	}
	if p.Gate.Cooldown != 0 {
		gate["cooldown"] = p.Gate.Cooldown.String()
	}
	if a := p.Gate.Approve; a != nil {
		gate["approve"] = map[string]any{"within": a.Within.String(), "then": a.Then}
	}
	file := dollars(decoded(t, map[string]any{
		"name": p.Name, "data": data, "parallel": p.Parallel, "at_least": p.AtLeast, "judge": judge, "notify": notify,
		"gate": gate,
	})).(map[string]any)
	var candidates []any
	for _, c := range p.Candidates {
		candidates = append(candidates, encodeCandidate(t, c))
	}
	file["candidates"] = candidates
	if p.Schedule != nil {
		file["schedule"] = encodeSchedule(*p.Schedule)
	}
	hooks := []any{}
	for _, h := range p.Deploy {
		hooks = append(hooks, encodeHook(h))
	}
	file["deploy"] = map[string]any{"hooks": hooks}
	return escaped(t, file)
}

func encodeCandidate(t *testing.T, c bakeoff.Candidate) map[string]any {
	t.Helper()
	m := map[string]any{"name": c.Name, "trainer": c.Trainer}
	if c.Params != nil {
		m["params"] = dollars(decoded(t, c.Params))
	}
	limits := map[string]any{}
	if c.Limits.Time != 0 {
		limits["time"] = c.Limits.Time.String()
	}
	if c.Limits.Memory != 0 {
		limits["memory"] = fmt.Sprintf("%dB", c.Limits.Memory)
	}
	m["limits"] = limits
	optional(m, "queue", c.Queue)
	if c.Retry.Attempts != 0 {
		m["retry"] = map[string]any{"attempts": c.Retry.Attempts, "backoff": c.Retry.Backoff.String()}
	}
	if c.Build != nil {
		m["build"], m["predict"] = c.Build, c.Predict
	}
	if c.Search != nil {
		m["search"] = encodeSearch(t, *c.Search)
	}
	return m
}

func encodeSearch(t *testing.T, s bakeoff.Search) map[string]any {
	t.Helper()
	space := map[string]any{}
	for _, of := range s.Params {
		if of.Values != nil {
			space[of.Name] = dollars(decoded(t, of.Values))
			continue
		}
		between := map[string]any{"from": of.From, "to": of.To}
		if of.Log {
			between["scale"] = "log"
		}
		space[of.Name] = between
	}
	m := map[string]any{"method": s.Method, "folds": s.Folds, "params": space}
	if s.Settings > 0 {
		m["settings"] = s.Settings
	}
	if s.Factor > 0 {
		m["factor"] = s.Factor
	}
	return m
}

func encodeBudgets(b bakeoff.Budgets) map[string]any {
	m := map[string]any{}
	for key, d := range map[string]time.Duration{"p50": b.P50, "p95": b.P95} {
		if d != 0 {
			m[key] = d.String()
		}
	}
	for key, n := range map[string]int64{"size": b.Size, "memory": b.Memory} {
		if n != 0 {
			m[key] = fmt.Sprintf("%dB", n)
		}
	}
	if b.RowsPerSecond != 0 {
		m["rows_per_second"] = b.RowsPerSecond
	}
	return m
}

func encodeSchedule(s bakeoff.Schedule) map[string]any {
	m := map[string]any{"missed": s.Missed, "within": s.Within.String(), "overlap": s.Overlap}
	optional(m, "cron", s.Cron)
	optional(m, "timezone", s.Timezone)
	if s.Fields != nil {
		optional(m, "minute", s.Fields.Minute)
		optional(m, "hour", s.Fields.Hour)
		optional(m, "day_of_week", s.Fields.DayOfWeek)
		optional(m, "day_of_month", s.Fields.DayOfMonth)
		optional(m, "month_of_year", s.Fields.MonthOfYear)
	}
	if s.Deadline != 0 {
		m["deadline"] = s.Deadline.String()
	}
	return m
}

func encodeReceiver(r bakeoff.Receiver) map[string]any {
	m := map[string]any{"allow_private": r.AllowPrivate}
	optional(m, "slack", r.Slack)
	optional(m, "webhook", r.Webhook)
	optional(m, "secret", r.Secret)
	if e := r.Email; e != nil {
		email := map[string]any{"to": e.To, "from": e.From, "host": e.Host, "port": e.Port, "tls": e.TLS}
		optional(email, "username", e.Username)
		optional(email, "password", e.Password)
		m["email"] = email
	}
	return m
}

func encodeHook(h bakeoff.Hook) map[string]any {
	m := map[string]any{"time": h.Time.String()}
	optional(m, "webhook", strings.ReplaceAll(h.Webhook, "$", "$$"))
	optional(m, "secret", strings.ReplaceAll(h.Secret, "$", "$$"))
	optional(m, "copy", strings.ReplaceAll(h.Copy, "$", "$$"))
	if h.AllowPrivate {
		m["allow_private"] = true
	}
	if h.Command != nil {
		m["command"] = h.Command // where a dollar sign stands for itself
	}
	return m
}

func optional(m map[string]any, key, value string) {
	if value != "" {
		m[key] = value
	}
}

func list(texts []string) []string { return append([]string{}, texts...) }

func given[V any](m map[string]V) map[string]V {
	if m == nil {
		return map[string]V{}
	}
	return m
}

// decoded returns v as encoding/json decodes it, numbers as they are written.
func decoded(t *testing.T, v any) any {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	var out any
	if err := d.Decode(&out); err != nil {
		t.Fatal(err)
	}
	return out
}

// dollars doubles the dollar signs of every text value.
func dollars(v any) any {
	switch v := v.(type) {
	case string:
		return strings.ReplaceAll(v, "$", "$$")
	case []any:
		for i := range v {
			v[i] = dollars(v[i])
		}
	case map[string]any:
		for k := range v {
			v[k] = dollars(v[k])
		}
	}
	return v
}

// escaped writes v as JSON without the characters that JSON allows and YAML does not.
func escaped(t *testing.T, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	for _, c := range string(b) {
		if c >= 0x7f && c < 0xa0 || c == 0xfeff || c == 0xfffe || c == 0xffff {
			fmt.Fprintf(&out, `\u%04x`, c)
			continue
		}
		out.WriteRune(c)
	}
	return []byte(out.String())
}
