package spec

import (
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/metric"
)

// decoder reads a pipeline from the tree of a file. Values that are marked bad read as if they
// were not there: their mistakes are known, and the rest of the file is checked all the same.
type decoder struct {
	*report
	dir  string // absolute
	task bakeoff.LearningTask
}

func (d *decoder) pipeline(root *node) *bakeoff.Pipeline {
	p := &bakeoff.Pipeline{Name: d.name(root.get("name")), Dir: d.dir}
	p.Schedule = d.schedule(root.get("schedule"))
	p.Data = d.data(root.get("data"))
	d.task = p.Data.Task
	candidates := root.get("candidates")
	p.Candidates = d.candidates(candidates)
	p.Parallel = int(d.whole(root.get("parallel"), 0, maxWhole))
	p.AtLeast = d.atLeast(root.get("at_least"), candidates)
	p.Judge = d.judge(root.get("judge"))
	for _, c := range p.Candidates {
		if c.Search != nil {
			c.Search.Metric = p.Judge.Metric
		}
	}
	p.Judge.Slices = d.slices(root.get("judge").get("slices"), p.Data)
	p.Gate = d.gate(root.get("gate"), p.Judge.Metric)
	p.Gate.SliceLoss = d.sliceLoss(root.get("gate").get("no_slice_worse_than"), root.get("judge").get("slices"), p.Judge.Metric)
	p.Gate.Budgets = d.budgets(root.get("gate").get("budgets"))
	for _, n := range root.get("deploy").get("hooks").list() {
		p.Deploy = append(p.Deploy, d.hook(n, p.Data.Source))
	}
	for _, n := range root.get("notify").list() {
		p.Notify = append(p.Notify, d.receiver(n))
	}
	return p
}

// name reads the name of a pipeline or a candidate.
func (d *decoder) name(n *node) string {
	if n == nil || n.bad {
		return ""
	}
	if !bakeoff.ValidName(n.str()) {
		d.node(n, "a name has 1 to 63 lower-case letters, digits, - and _, and begins with a letter or a digit",
			"the name %s is not valid", n.shown())
		return ""
	}
	return n.text
}

// filled reads a text that must not be empty.
func (d *decoder) filled(n *node, what string) string {
	if n != nil && !n.bad && n.kind == kindText && n.text == "" {
		d.empty(n, what, "")
	}
	return n.str()
}

// maxWhole is the largest whole number: those beyond it are not exact in every program that reads them.
const maxWhole = 1 << 53

// whole reads a number from least to most that has no fraction; 0 where there is none.
func (d *decoder) whole(n *node, least, most uint64) uint64 {
	if n == nil || n.bad {
		return 0
	}
	v, err := strconv.ParseUint(n.text, 10, 64)
	if err != nil || v < least || v > most {
		d.node(n, "", "%s is not a whole number from %d to %d", n.shown(), least, most)
		return 0
	}
	return v
}

func (d *decoder) data(n *node) bakeoff.Data {
	data := bakeoff.Data{
		Source:  d.source(n.get("source")),
		Target:  d.filled(n.get("target"), "target"),
		Task:    bakeoff.LearningTask(n.get("task").str()),
		Key:     d.filled(n.get("key"), "key"),
		Weight:  d.filled(n.get("weight"), "weight"),
		Ignore:  texts(n.get("ignore")),
		Missing: texts(n.get("missing")),
		Columns: columns(n.get("columns")),
		Split:   d.split(n.get("split")),
	}
	if data.Target != "" && data.Key == data.Target {
		d.node(n.get("key"), "", "the target cannot be the key")
	}
	if data.Weight != "" && (data.Weight == data.Target || data.Weight == data.Key) {
		d.node(n.get("weight"), "name a column of its own", "the column %s cannot be both the weights and the target or key", n.get("weight").shown())
	}
	for _, item := range n.get("ignore").list() {
		if data.Target != "" && item.str() == data.Target {
			d.node(item, "", "the target cannot be ignored")
		}
	}
	return data
}

// source reads the path of the data file and makes it absolute.
func (d *decoder) source(n *node) string {
	source := d.filled(n, "source")
	if source == "" {
		return ""
	}
	for _, l := range []struct {
		is   bool
		what string
	}{
		{strings.Contains(source, "://"), "a URL as data source"},
		{strings.ContainsAny(source, "*?["), "a pattern of several files as data source"},
		{slices.Contains(laterFormats, strings.ToLower(filepath.Ext(source))), "data in another format than CSV"},
	} {
		if l.is {
			d.node(n, "give the path of one CSV file", "%s is not supported yet by this version", l.what)
			return ""
		}
	}
	if !filepath.IsAbs(source) {
		source = filepath.Join(d.dir, source)
	}
	return filepath.Clean(source)
}

// laterFormats are the endings of data files that are not read yet.
var laterFormats = []string{".parquet", ".jsonl", ".ndjson", ".json", ".xlsx", ".gz", ".zst", ".zip", ".db", ".sqlite"}

func columns(n *node) map[string]bakeoff.Kind {
	if n == nil || len(n.entries) == 0 {
		return nil
	}
	kinds := make(map[string]bakeoff.Kind, len(n.entries))
	for _, e := range n.entries {
		kinds[e.key.text] = bakeoff.Kind(e.value.str())
	}
	return kinds
}

func (d *decoder) split(n *node) bakeoff.Split {
	s := bakeoff.Split{Holdout: 0.2, By: bakeoff.SplitByHash, Seed: 1}
	if by := n.get("by"); by != nil {
		s.By = bakeoff.SplitBy(by.str()) // "" where it is not known
	}
	if seed := n.get("seed"); seed != nil {
		s.Seed = d.whole(seed, 0, maxWhole)
	}
	if holdout := n.get("holdout"); holdout != nil {
		s.Holdout = d.share(holdout)
	}
	s.Column = d.filled(n.get("column"), "column")
	s.Rotate = d.rotation(n.get("rotate"), s.By)
	d.checkSplit(n, s)
	return s
}

func (d *decoder) checkSplit(n *node, s bakeoff.Split) {
	if e, ok := n.entry("column"); ok && s.By == bakeoff.SplitByHash {
		d.node(e.key, "it belongs to by: time, by: group and by: column", "a split by hash has no column")
	}
	if n.get("column") == nil && (s.By == bakeoff.SplitByTime || s.By == bakeoff.SplitByGroup || s.By == bakeoff.SplitByColumn) {
		d.node(n.get("by"), "add column: NAME", "a split by %s needs a column", s.By)
	}
	if e, ok := n.entry("holdout"); ok && s.By == bakeoff.SplitByColumn {
		d.node(e.key, "the column decides; leave it out", "a split by column has no holdout share")
	}
}

// share reads a part of a whole: 20% or 0.2.
func (d *decoder) share(n *node) float64 {
	if n.bad {
		return 0
	}
	v, percent, ok := quantity(n.text, "%")
	if percent {
		v /= 100
	}
	if ok && v > 0 && v < 1 {
		return v
	}
	hint := ""
	if ok && !percent && v >= 1 && v < 100 && !n.variable() {
		hint = "did you mean " + n.text + "%?"
	}
	d.node(n, hint, "%s is not %s, between 0 and 1", n.shown(), shareForm)
	return 0
}

// quantity reads a decimal number that may have a unit behind it.
func quantity(text, unit string) (v float64, hasUnit, ok bool) {
	number, hasUnit := strings.CutSuffix(text, unit)
	if !jsonNumber.MatchString(number) && !jsonNumber.MatchString("0"+number) {
		return 0, hasUnit, false
	}
	v, err := strconv.ParseFloat(number, 64)
	return v, hasUnit, err == nil
}

func (d *decoder) judge(n *node) bakeoff.Judge {
	j := bakeoff.Judge{Metric: n.get("metric").str(), Also: texts(n.get("also")), Confidence: 0.95}
	d.fits(n.get("metric"))
	for _, item := range n.get("also").list() {
		d.fits(item)
	}
	if c := n.get("confidence"); c != nil {
		j.Confidence = d.share(c)
	}
	return j
}

// fits checks the metric that a value names against the stated task.
func (d *decoder) fits(n *node) {
	m, ok := metric.Lookup(n.str())
	if !ok || d.task == "" || m.Fits(d.task) {
		return
	}
	d.node(n, "metrics for it: "+strings.Join(metric.NamesFor(d.task), ", "),
		"the metric %s does not fit the task %s", n.shown(), d.task)
}

func (d *decoder) gate(n *node, objective string) bakeoff.Gate {
	g := bakeoff.Gate{Gain: d.gain(n.get("gain"), objective)}
	g.Cooldown = d.duration(n.get("cooldown"), "cool-down", "leave it out for none")
	g.Approve = d.approve(n.get("approve"))
	floors := n.get("floors")
	if floors == nil || len(floors.entries) == 0 {
		return g
	}
	g.Floors = make(map[string]float64, len(floors.entries))
	for _, e := range floors.entries {
		g.Floors[e.key.text] = d.floor(e)
	}
	return g
}

func (d *decoder) floor(e entry) float64 {
	m, ok := metric.Lookup(e.key.text)
	if !ok || e.value.bad {
		return 0
	}
	d.fits(e.key)
	v, _ := strconv.ParseFloat(e.value.text, 64) // a number, by the schema
	if m.Unit() && (v < 0 || v > 1) {
		d.node(e.value, "", "%s is out of range, %s is between 0 and 1", e.value.shown(), m.Name())
	}
	return v
}

// gain reads by how much the champion must be beaten.
func (d *decoder) gain(n *node, objective string) bakeoff.Gain {
	switch {
	case n == nil || n.bad || n.text == "significant":
		return bakeoff.Gain{Significant: true}
	case n.text == "any":
		return bakeoff.Gain{}
	}
	g, unit, ok := margin(n.text)
	switch {
	case !ok:
		d.node(n, oneGain(n), "%s is not %s", n.shown(), gainForm)
	case g.Margin < 0:
		d.node(n, "", "the gain %s is negative", n.shown())
	case unit == "pt":
		d.points(n, "gain", objective)
	}
	return g
}

// margin reads a number, points (hundredths) or a share, and tells its unit.
func margin(text string) (g bakeoff.Gain, unit string, ok bool) {
	for _, u := range []string{"%", "pt"} {
		if strings.HasSuffix(text, u) {
			unit = u
		}
	}
	v, _, ok := quantity(text, unit)
	if unit != "" {
		v /= 100
	}
	return bakeoff.Gain{Margin: v, Relative: unit == "%"}, unit, ok
}

// Margin reads a gain as a pipeline file has it: 0.01, 0.5pt or 1%. Any other text, and a gain that
// is not above zero, is an error with bakeoff.CodeInvalid.
func Margin(text string) (bakeoff.Gain, error) {
	g, _, ok := margin(text)
	if !ok || g.Margin <= 0 {
		return bakeoff.Gain{}, bakeoff.Errorf(bakeoff.CodeInvalid, "%q is not a gain", text).WithHint("write a margin such as 0.01, 0.5pt or 1%%")
	}
	return g, nil
}

func oneGain(n *node) string { return didYouMean(n.text, []string{"significant", "any"}) }

// points checks that the objective metric, as far as it is known before the data is, can be
// counted in points: hundredths of a metric that lives between 0 and 1.
func (d *decoder) points(n *node, what, objective string) {
	m, ok := metric.Lookup(objective)
	if !ok && d.task != "" {
		m, ok = metric.Default(d.task), true
	}
	switch {
	case !ok:
		d.node(n, "add judge: {metric: ...}", "a %s in points needs a stated metric that is between 0 and 1", what)
	case !m.Unit():
		d.node(n, "write a margin such as 0.01, or 1%", "a %s in points needs a metric between 0 and 1, which %s is not", what, m.Name())
	}
}

// texts returns the items of a list as text: a number or a boolean as the file has it.
func texts(n *node) []string {
	var all []string
	for _, item := range n.list() {
		if item.kind == kindText {
			all = append(all, item.text)
		} else {
			all = append(all, item.written)
		}
	}
	return all
}

func sortedKeys(m object) []string { return slices.Sorted(maps.Keys(m)) }

// atLeast reads how many candidates must be built.
func (d *decoder) atLeast(n, candidates *node) int {
	if n == nil {
		return 1
	}
	v := int(d.whole(n, 1, maxWhole))
	if count := len(candidates.list()); !n.bad && count > 0 && v > count {
		d.node(n, "", "at_least asks for %s candidates, the file has %d", n.shown(), count)
	}
	return v
}
