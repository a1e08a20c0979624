package report

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/a-h/templ"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/chart"
	"github.com/bakeoffhq/bakeoff/internal/metric"
	"github.com/bakeoffhq/bakeoff/internal/plain"
)

// view is a page as it is laid out.
type view struct {
	title    string
	pipeline string
	run      string
	when     string
	verdict  bakeoff.Verdict
	live     string // what the verdict did to the champion
	reason   string
	waits    string // what a person is to decide about; "" for nothing
	facts    []fact
	sections []section
	footer   string
}

// fact is a name and what it is.
type fact struct{ name, text string }

// section is a part of a page. Wide components come one below the other, then the others side by side
// where there is room.
type section struct {
	id, title string
	lead      []string
	wide      []templ.Component
	grid      []templ.Component
}

func (s section) empty() bool { return len(s.lead) == 0 && len(s.wide) == 0 && len(s.grid) == 0 }

// writer turns a page into its view.
type writer struct {
	Page
	r      *bakeoff.Report
	known  bool // the objective is one of ours
	metric metric.Metric
	// ranked are the contestants with answers by rank, the baseline aside, those that are drawn first.
	ranked []entrant
	// beyond counts the ranked contestants that found no room in drawings.
	beyond int
}

// entrant is a ranked contestant: its place on the leaderboard, how it is drawn, and its answers.
type entrant struct {
	row     *bakeoff.LeaderboardRow
	style   chart.Style
	answers *bakeoff.Predictions // nil where they are not kept
}

func viewOf(p Page) view {
	w := &writer{Page: p, r: &p.Report}
	w.metric, w.known = metric.Lookup(p.Report.Metric)
	w.enter()
	v := view{
		title:    fmt.Sprintf("%s: %s", plain.Line(p.Report.Run), p.Report.Verdict),
		pipeline: plain.Line(p.Report.Pipeline),
		run:      plain.Line(p.Report.Run),
		when:     w.when(),
		verdict:  p.Report.Verdict,
		live:     w.live(),
		reason:   sentence(plain.Line(p.Report.Reason)),
		waits:    w.waits(),
		facts:    w.facts(),
		footer:   w.footer(),
	}
	for _, s := range []section{
		w.leaderboard(), w.decision(), w.curves(), w.calibration(), w.confusion(), w.residuals(), w.slices(), w.importance(), w.dependence(),
		{id: "advice", title: "Advice", lead: sentences(w.r.Advice)},
		w.rows(), w.origin(), w.unjudged(),
	} {
		if !s.empty() {
			v.sections = append(v.sections, s)
		}
	}
	return v
}

// enter orders the contestants and gives each ranked one its style.
func (w *writer) enter() {
	for i := range w.r.Leaderboard {
		row := &w.r.Leaderboard[i]
		if row.Rank == nil || row.Role == bakeoff.RoleBaseline {
			continue
		}
		w.ranked = append(w.ranked, entrant{row: row, answers: w.answers(row)})
	}
	slices.SortStableFunc(w.ranked, func(a, b entrant) int { return *a.row.Rank - *b.row.Rank })
	w.beyond = max(0, len(w.ranked)-chart.Styles)
	if w.beyond > 0 { // the champion is always drawn
		if i := slices.IndexFunc(w.ranked, entrant.champion); i >= chart.Styles {
			champion := w.ranked[i]
			w.ranked = slices.Insert(slices.Delete(w.ranked, i, i+1), chart.Styles-1, champion)
		}
	}
	for i := range w.ranked {
		if i < chart.Styles {
			w.ranked[i].style = chart.Style(i + 1)
		}
	}
}

// answers returns the usable answers of a row of the leaderboard, nil for none.
func (w *writer) answers(row *bakeoff.LeaderboardRow) *bakeoff.Predictions {
	for _, k := range w.Contestants {
		if k.Candidate == row.Candidate && k.Role == row.Role && k.Predictions != nil && w.fits(k.Predictions) {
			return k.Predictions
		}
	}
	return nil
}

// fits reports whether answers are about the labels.
func (w *writer) fits(p *bakeoff.Predictions) bool {
	if k := len(w.Labels.Classes); k > 0 {
		return slices.Equal(p.Classes, w.Labels.Classes) && len(p.Probabilities) == k*w.Labels.Len()
	}
	return len(p.Classes) == 0 && len(p.Values) == w.Labels.Len() && w.Labels.Len() > 0
}

func (e entrant) champion() bool { return e.row.Role == bakeoff.RoleChampion }

// name is what an entrant is called in drawings and sentences.
func (e entrant) name() string { return nameOf(e.row.Candidate, e.row.Role, e.row.Version) }

func nameOf(candidate string, role bakeoff.Role, version int) string {
	name := plain.Line(candidate)
	if role == bakeoff.RoleChampion {
		return fmt.Sprintf("%s, champion v%d", name, version)
	}
	return name
}

// drawn are the entrants of drawings that have answers.
func (w *writer) drawn() []entrant {
	var drawn []entrant
	for _, e := range w.ranked[:min(len(w.ranked), chart.Styles)] {
		if e.answers != nil {
			drawn = append(drawn, e)
		}
	}
	return drawn
}

// focus are the challenger that the verdict is about and the champion, as far as they have answers: what
// is shown of one contestant alone is shown of these. Where both are the same artifact it is shown once.
func (w *writer) focus() []entrant {
	var focus []entrant
	if best := w.best(); best != nil && best.answers != nil {
		focus = append(focus, *best)
	}
	for _, e := range w.ranked {
		if e.row.Role != bakeoff.RoleChampion || e.answers == nil {
			continue
		}
		if len(focus) == 0 || e.row.Artifact == "" || e.row.Artifact != focus[0].row.Artifact {
			focus = append(focus, e)
		}
	}
	return focus
}

// same says that the best challenger is what is live already, where it is; "" where it is not.
func (w *writer) same() string {
	focus := w.focus()
	if len(focus) != 1 || focus[0].champion() {
		return ""
	}
	for _, e := range w.ranked {
		if e.champion() && e.row.Artifact == focus[0].row.Artifact && e.row.Artifact != "" {
			return fmt.Sprintf("%s is, byte for byte, the champion v%d: it is shown once.", focus[0].name(), e.row.Version)
		}
	}
	return ""
}

func (w *writer) when() string {
	t := w.r.Ended
	if t.IsZero() {
		t = w.r.Created
	}
	return moment(t)
}

// live says what the verdict did to the champion.
func (w *writer) live() string {
	switch c := w.r.Champion; {
	case w.r.Verdict == bakeoff.Promoted && c != nil && w.r.Previous != nil:
		return fmt.Sprintf("%s is now live as v%d, in place of %s v%d.", plain.Line(c.Candidate), c.Version,
			plain.Line(w.r.Previous.Candidate), w.r.Previous.Version)
	case w.r.Verdict == bakeoff.Promoted && c != nil:
		return fmt.Sprintf("%s is now live as v%d, the first champion.", plain.Line(c.Candidate), c.Version)
	case c != nil:
		return fmt.Sprintf("%s v%d stays live.", plain.Line(c.Candidate), c.Version)
	}
	return "There is no champion yet."
}

// waits says what the run left for a person to decide about.
func (w *writer) waits() string {
	p := w.r.Pending
	if p == nil {
		return ""
	}
	then := "the champion stays"
	switch {
	case p.Then == bakeoff.LapsePromote:
		then = "it goes live"
	case p.Champion == 0:
		then = "it does not go live"
	}
	return fmt.Sprintf("%s was left for a person to approve or reject until %s; with no word by then, %s.", plain.Line(p.Candidate), moment(p.Until), then)
}

func (w *writer) facts() []fact {
	facts := []fact{{"Live before", refOf(w.before())}, {"Live now", refOf(w.r.Champion)}}
	if w.r.Metric != "" {
		facts = append(facts, fact{"Judged by", plain.Line(w.r.Metric) + w.direction()})
	}
	if w.Target != "" {
		facts = append(facts, fact{"Target", plain.Line(w.Target)})
	}
	if n := w.r.Rows; n != nil {
		facts = append(facts, fact{"Rows", fmt.Sprintf("%s to train, %s judged", plain.Count(n.Train), plain.Count(n.Holdout))})
	}
	return append(facts, fact{"Started", w.trigger()}, fact{"Took", took(w.r.Seconds)})
}

// before is what was live when the run began.
func (w *writer) before() *bakeoff.ChampionRef {
	if w.r.Verdict == bakeoff.Promoted {
		return w.r.Previous
	}
	return w.r.Champion
}

func refOf(c *bakeoff.ChampionRef) string {
	if c == nil {
		return "nothing"
	}
	return fmt.Sprintf("%s v%d", plain.Line(c.Candidate), c.Version)
}

func (w *writer) direction() string {
	switch {
	case !w.known:
		return ""
	case w.metric.HigherIsBetter():
		return ", higher is better"
	}
	return ", lower is better"
}

func (w *writer) trigger() string {
	switch {
	case w.r.RetryOf != "":
		return "again after " + plain.Line(w.r.RetryOf)
	case !w.r.Tick.IsZero():
		return "for the tick of " + moment(w.r.Tick)
	case w.r.Trigger == bakeoff.TriggerAPI:
		return moment(w.r.Created) + ", through the API"
	case w.r.Trigger == bakeoff.TriggerPerson:
		return moment(w.r.Created) + ", by a person"
	}
	return moment(w.r.Created)
}

// took writes how long something lasted.
func took(seconds float64) string {
	if seconds < 90 {
		return strconv.FormatFloat(seconds, 'f', 1, 64) + " s"
	}
	whole := int(math.Min(1e9, math.Round(seconds)))
	return fmt.Sprintf("%d min %d s", whole/60, whole%60)
}

func (w *writer) footer() string {
	text := "Written by bakeoff"
	if w.Origin.Program != "" {
		text += " " + plain.Line(w.Origin.Program)
	}
	return text + ". All contestants answered the same rows, whose labels none of them was given."
}

// sentence gives a text a capital letter, unless it begins with a name, and a full stop.
func sentence(s string) string {
	if s == "" {
		return ""
	}
	for _, word := range []string{"there ", "the ", "no ", "first ", "held ", "column ", "cannot ", "it "} {
		if strings.HasPrefix(s, word) {
			s = strings.ToUpper(s[:1]) + s[1:]
			break
		}
	}
	if !strings.ContainsAny(s[len(s)-1:], ".!?") {
		s += "."
	}
	return s
}

// sentences are texts as sentences, the empty ones left out.
func sentences(texts []string) []string {
	var all []string
	for _, text := range texts {
		if text = sentence(plain.Line(text)); text != "" {
			all = append(all, text)
		}
	}
	return all
}

// value writes a value of the objective, or of any metric.
func value(v float64) string { return strings.Replace(plainly(v), "-", "−", 1) }

// plainly is plain.Value with commas between the thousands of what is large.
func plainly(v float64) string {
	if a := math.Abs(v); a >= 1e4 && a < 1e6 {
		return plain.Count(int(math.Round(v)))
	}
	return plain.Value(v)
}

// gain writes a difference of the objective with its sign: in points where the metric is a share.
func (w *writer) gain(v float64) string {
	switch {
	case v > 0:
		return "+" + w.size(v)
	case v < 0:
		return "−" + w.size(-v)
	}
	return w.size(0)
}

// points is the unit of differences of shares.
const points = " pt"

// size writes a difference of the objective without its sign.
func (w *writer) size(v float64) string {
	if w.known && w.metric.Unit() {
		return strconv.FormatFloat(100*v, 'f', 2, 64) + points
	}
	return plainly(v)
}

// confidence names the report's intervals.
func (w *writer) confidence() string {
	if w.r.Confidence == 0 {
		return "interval"
	}
	return strconv.FormatFloat(100*w.r.Confidence, 'g', 4, 64) + "% interval"
}
