package notify

import (
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/slack-go/slack"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/plain"
)

// What Slack accepts, in characters. A message over one of them is refused as a whole; all parts
// together, at most about 13,000, is not documented but enforced.
const (
	headerLimit  = 150
	sectionLimit = 3000

	// Our own, so that all parts together stay below: the fallback text, the reason in it and in its section,
	// one failed candidate, the context.
	textLimit    = 2500
	reasonLimit  = 1500
	failureLimit = 240
	contextLimit = 300
	adviceLimit  = 300 // one piece of advice
)

const (
	advices     = 3  // pieces of advice
	boardRows   = 5  // of the leaderboard
	failedNames = 10 // of the failed candidates
	nameCells   = 32 // of a name in the leaderboard
)

// A message is what a receiver is told: a notification, and what can be said only when it is sent.
type message struct {
	note   bakeoff.Notification
	repeat bool           // an earlier try's answer was lost
	live   string         // "live on 2 of 3 nodes"; "" for nothing
	zone   *time.Location // of the schedule; nil for UTC
	link   string         // the base URL of run pages; "" for no link
	test   bool           // there is no run: a person tries the receiver out
}

const repeatNote = "May be a repeat: the answer to the first try was lost."

// slack returns the notification for a Slack incoming webhook: blocks for the channel and a text for
// lock screens and screen readers. Its first line says all that matters; for a promotion it is
// "CANDIDATE is deployed (PIPELINE vN)". Names and reasons cannot call people or channels, and no
// report makes it exceed Slack's limits.
func (m message) slack() slack.WebhookMessage {
	r := &m.note.Report
	known, failed := m.facts(), failures(r)
	blocks := []slack.Block{slack.NewHeaderBlock(plainText(escape(m.headline(), headerLimit)))}
	if reason := m.reason(); reason != "" {
		blocks = append(blocks, section(escape(reason, reasonLimit)))
	}
	if len(known) > 0 {
		blocks = append(blocks, section(escape(strings.Join(known, "\n"), reasonLimit)))
	}
	if top := board(r); top != "" {
		blocks = append(blocks, slack.NewSectionBlock(
			slack.NewTextBlockObject(slack.MarkdownType, "```\n"+escaper.Replace(top)+"\n```", false, true), nil, nil))
	}
	if len(failed) > 0 {
		blocks = append(blocks, section("Failed:\n"+list(failed, failedNames, sectionLimit-len("Failed:\n"))))
	}
	blocks = append(blocks, slack.NewContextBlock("", plainText(escape(m.closing(), contextLimit))))
	if url := m.page(); url != "" {
		blocks = append(blocks, slack.NewContextBlock("",
			slack.NewTextBlockObject(slack.MarkdownType, "<"+escaper.Replace(url)+"|Open the run>", false, true)))
	}
	unfurl := false
	return slack.WebhookMessage{
		Text:        escape(m.text(), textLimit),
		Blocks:      &slack.Blocks{BlockSet: blocks},
		UnfurlLinks: &unfurl,
		UnfurlMedia: &unfurl,
	}
}

// The types of a webhook's message.
const (
	typeRun   = "run"   // a run has ended
	typeTicks = "ticks" // of a schedule, without a run
	typeMove  = "move"  // a person has made a version the champion
	typeTest  = "test"
)

// payload is a message as a generic webhook gets it.
type payload struct {
	ID     string          `json:"id"`
	Type   string          `json:"type"`
	Text   string          `json:"text"`
	Repeat bool            `json:"repeat"`
	Link   string          `json:"link,omitempty"`
	Report *bakeoff.Report `json:"report,omitempty"` // typeRun
	Ticks  *bakeoff.Tick   `json:"ticks,omitempty"`  // typeTicks
	Move   *bakeoff.Move   `json:"move,omitempty"`   // typeMove
}

func (m message) payload() payload {
	p := payload{ID: m.note.ID, Type: typeRun, Text: m.text(), Repeat: m.repeat, Link: m.page()}
	switch {
	case m.test:
		p.Type = typeTest
	case m.note.Ticks != nil:
		p.Type, p.Ticks = typeTicks, m.note.Ticks
	case m.note.Move != nil:
		p.Type, p.Move = typeMove, m.note.Move
	default:
		p.Report = &m.note.Report
	}
	return p
}

// subject is the first line of a mail.
func (m message) subject() string { return cut(m.headline(), headerLimit) }

// letter is the text of a mail.
func (m message) letter() string {
	r := &m.note.Report
	parts := []string{m.text()}
	if top := board(r); top != "" {
		parts = append(parts, top)
	}
	if failed := failures(r); len(failed) > 0 {
		parts = append(parts, "Failed:\n"+unescaper.Replace(list(failed, failedNames, sectionLimit)))
	}
	end := m.closing()
	if url := m.page(); url != "" {
		end += "\n" + url
	}
	return strings.Join(append(parts, end), "\n\n") + "\n"
}

// page is the URL of the run's page, of the one that has built the champion after a move; "" for none.
func (m message) page() string {
	run := m.note.ID
	if m.note.Move != nil {
		run = m.note.Move.Run
	}
	if m.link == "" || m.test || m.note.Ticks != nil || run == "" {
		return ""
	}
	return m.link + "/runs/" + url.PathEscape(run)
}

// plainText holds escaped text in which Slack looks for neither formatting nor emoji.
func plainText(text string) *slack.TextBlockObject {
	return slack.NewTextBlockObject(slack.PlainTextType, text, false, false)
}

func section(text string) *slack.SectionBlock {
	return slack.NewSectionBlock(plainText(text), nil, nil)
}

// headline is the first line, which must be enough on its own.
func (m message) headline() string {
	if m.test {
		return "bakeoff: this is a test"
	}
	if m.note.Ticks != nil {
		return ticksHeadline(m.note)
	}
	if m.note.Move != nil {
		return moveHeadline(m.note)
	}
	late := ""
	if m.note.Report.Late {
		late = ", late"
	}
	return runHeadline(m.note) + late
}

func runHeadline(n bakeoff.Notification) string {
	pipeline, champion := plain.Line(n.Pipeline), n.Report.Champion
	switch {
	case n.Report.Verdict == bakeoff.Promoted && champion != nil:
		return fmt.Sprintf("%s is deployed (%s v%d)", plain.Line(champion.Candidate), pipeline, champion.Version)
	case n.Report.Pending != nil:
		return fmt.Sprintf("%s: %s waits for approval", pipeline, plain.Line(n.Report.Pending.Candidate))
	case n.Report.Verdict == bakeoff.Kept && champion != nil:
		return fmt.Sprintf("%s: v%d kept", pipeline, champion.Version)
	case n.Report.Verdict == bakeoff.Kept:
		return pipeline + ": no champion yet, none promoted"
	}
	return pipeline + ": no verdict"
}

// moveHeadline says what is live now, and whose decision it was.
func moveHeadline(n bakeoff.Notification) string {
	pipeline, by := plain.Line(n.Pipeline), plain.Line(n.Move.By)
	candidate, version := plain.Line(n.Move.Champion.Candidate), n.Move.Champion.Version
	if n.Move.Rollback {
		return fmt.Sprintf("%s v%d (%s) is live again: rollback by %s", pipeline, version, candidate, by)
	}
	return fmt.Sprintf("%s is deployed (%s v%d) by %s", candidate, pipeline, version, by)
}

// ticksHeadline says how many ticks had no run: "churn: 3 ticks missed".
func ticksHeadline(n bakeoff.Notification) string {
	count := fmt.Sprintf("%s ticks", plain.Count(n.Ticks.Count))
	if n.Ticks.Count == 1 {
		count = "1 tick"
	}
	return fmt.Sprintf("%s: %s %s", plain.Line(n.Pipeline), count, plain.Line(string(n.Ticks.State)))
}

// reason says in words why it came out so.
func (m message) reason() string {
	switch {
	case m.test:
		return "Somebody tries this receiver out. No run has ended, and there is nothing to do."
	case m.note.Ticks != nil:
		return plain.Line(m.note.Ticks.Reason)
	case m.note.Move != nil:
		return plain.Line(m.note.Move.Why)
	}
	return plain.Line(m.note.Report.Reason)
}

// text is the message as plain lines: the headline, what decided, and who failed.
func (m message) text() string {
	lines := []string{cut(m.headline(), 300)}
	if reason := m.reason(); reason != "" {
		lines = append(lines, cut(reason, reasonLimit))
	}
	lines = append(lines, m.facts()...)
	var failed []string
	for _, row := range m.note.Report.Leaderboard {
		if row.State == bakeoff.TrialFailed {
			failed = append(failed, cell(row.Candidate, nameCells))
		}
	}
	if n := len(failed); n > 0 {
		names := strings.Join(failed[:min(n, 3)], ", ")
		if n > 3 {
			names += fmt.Sprintf(" %s +%d more", ellipsis, n-3)
		}
		lines = append(lines, "Failed: "+names)
	}
	if m.repeat {
		lines = append(lines, repeatNote)
	}
	return strings.Join(lines, "\n")
}

// cut returns at most limit runes of s.
func cut(s string, limit int) string {
	if runes := []rune(s); len(runes) > limit {
		return string(runes[:limit-1]) + ellipsis
	}
	return s
}

// facts are the figures, one thing a line.
func (m message) facts() []string {
	if t := m.note.Ticks; t != nil {
		return m.span(t)
	}
	r := &m.note.Report
	var lines []string
	if m.live != "" {
		lines = append(lines, m.live)
	}
	if move := m.note.Move; move != nil {
		return append(lines, replaced(move)...)
	}
	if line := figures(r); line != "" {
		lines = append(lines, line)
	}
	if r.Rows != nil {
		lines = append(lines, rows(r.Rows))
	}
	if line := m.worn(); line != "" {
		lines = append(lines, line)
	}
	if !r.Tick.IsZero() {
		lines = append(lines, "tick of "+m.moment(r.Tick))
	}
	if r.Late {
		lines = append(lines, "late: the deadline passed before all trials had ended")
	}
	if r.Seconds > 0 {
		lines = append(lines, "took "+seconds(r.Seconds))
	}
	for _, line := range r.Advice[:min(len(r.Advice), advices)] {
		lines = append(lines, "advice: "+cut(plain.Line(line), adviceLimit))
	}
	return lines
}

// replaced says which version a move has replaced, and whether runs may replace the new one.
func replaced(m *bakeoff.Move) []string {
	var lines []string
	if p := m.Previous; p != nil {
		lines = append(lines, fmt.Sprintf("was v%d (%s)", p.Version, cell(p.Candidate, nameCells)))
	}
	if m.Hold {
		return append(lines, "held: runs keep it until it is resumed, or promoted by hand")
	}
	return append(lines, "the next run may replace it")
}

// span says which ticks they were.
func (m message) span(t *bakeoff.Tick) []string {
	if t.Count <= 1 {
		return []string{"tick of " + m.moment(t.Time)}
	}
	return []string{"first: " + m.moment(t.Time), "last: " + m.moment(t.Last)}
}

// moment writes a nominal time by the clock of the schedule: "2026-11-23 05:00 KST", and with the offset
// from UTC where the zone has no abbreviation.
func (m message) moment(t time.Time) string {
	zone := m.zone
	if zone == nil {
		zone = time.UTC
	}
	t = t.In(zone)
	form := "2006-01-02 15:04"
	if t.Second() != 0 {
		form += ":05"
	}
	if name, _ := t.Zone(); strings.ContainsAny(name, "+-0123456789") {
		return t.Format(form + " -07:00")
	}
	return t.Format(form + " MST")
}

// figures compares the objective metric of the champion with the one that it replaced, or with the
// challenger that came nearest.
func figures(r *bakeoff.Report) string {
	metric := cell(r.Metric, nameCells)
	champion, old := measured(r, isRole(bakeoff.RoleChampion))
	switch best, found := measured(r, isRole(bakeoff.RoleChallenger)); {
	case r.Verdict == bakeoff.Promoted && r.Champion != nil:
		now, found := measured(r, func(row *bakeoff.LeaderboardRow) bool {
			return row.Role == bakeoff.RoleChallenger && row.Candidate == r.Champion.Candidate
		})
		if found && old {
			return fmt.Sprintf("%s %s, was %s with v%d (%s)", metric,
				plain.Value(now.Metrics[r.Metric]), plain.Value(champion.Metrics[r.Metric]), champion.Version,
				plain.Signed(now.Metrics[r.Metric]-champion.Metrics[r.Metric]))
		}
		if found {
			return fmt.Sprintf("%s %s", metric, plain.Value(now.Metrics[r.Metric]))
		}
	case old && found:
		return fmt.Sprintf("%s %s, the best challenger %s has %s (%s)", metric, plain.Value(champion.Metrics[r.Metric]),
			cell(best.Candidate, nameCells), plain.Value(best.Metrics[r.Metric]),
			plain.Signed(best.Metrics[r.Metric]-champion.Metrics[r.Metric]))
	case old:
		return fmt.Sprintf("%s %s", metric, plain.Value(champion.Metrics[r.Metric]))
	case found:
		return fmt.Sprintf("%s of the best challenger %s: %s", metric,
			cell(best.Candidate, nameCells), plain.Value(best.Metrics[r.Metric]))
	}
	return ""
}

func isRole(role bakeoff.Role) func(*bakeoff.LeaderboardRow) bool {
	return func(row *bakeoff.LeaderboardRow) bool { return row.Role == role }
}

// measured returns the first row of the leaderboard that matches and has a value of the objective metric.
func measured(r *bakeoff.Report, match func(*bakeoff.LeaderboardRow) bool) (*bakeoff.LeaderboardRow, bool) {
	for i := range r.Leaderboard {
		row := &r.Leaderboard[i]
		if _, ok := row.Metrics[r.Metric]; ok && match(row) {
			return row, true
		}
	}
	return nil, false
}

// rows says how many rows there were and which were set aside.
func rows(n *bakeoff.Rows) string {
	line := fmt.Sprintf("%s rows to train, %s in the holdout", plain.Count(n.Train), plain.Count(n.Holdout))
	if n.SetAside == 0 {
		return line
	}
	var why []string
	if n.MissingTarget > 0 {
		why = append(why, plain.Count(n.MissingTarget)+" without a target")
	}
	if n.SeenByChampion > 0 {
		why = append(why, plain.Count(n.SeenByChampion)+" that the champion was trained on")
	}
	if n.AlsoInTraining > 0 {
		why = append(why, plain.Count(n.AlsoInTraining)+" that are training rows too")
	}
	line += fmt.Sprintf(", %s set aside", plain.Count(n.SetAside))
	if len(why) == 0 {
		return line
	}
	return line + " (" + strings.Join(why, ", ") + ")"
}

// board is the top of the leaderboard in aligned columns, "" where nothing was ranked.
func board(r *bakeoff.Report) string {
	table := [][]string{{"", "CANDIDATE", strings.ToUpper(cell(r.Metric, nameCells)), "SECONDS"}}
	more := 0
	for _, row := range r.Leaderboard {
		if row.Rank == nil {
			continue
		}
		if len(table) > boardRows {
			more++
			continue
		}
		table = append(table, boardRow(r.Metric, row))
	}
	if len(table) == 1 {
		return ""
	}
	lines := columns(table)
	if more > 0 {
		lines = append(lines, fmt.Sprintf("%s +%d more", ellipsis, more))
	}
	return strings.Join(lines, "\n")
}

func boardRow(metric string, row bakeoff.LeaderboardRow) []string {
	name, v, took := cell(row.Candidate, nameCells), "-", "-"
	if row.Role == bakeoff.RoleChampion {
		version := fmt.Sprintf("v%d", row.Version)
		if row.Rebuilt {
			version += ", rebuilt"
		}
		name += fmt.Sprintf(" (champion %s)", version)
	}
	if m, ok := row.Metrics[metric]; ok {
		v = plain.Value(m)
	}
	if row.Seconds > 0 {
		took = cell(fmt.Sprintf("%.1f", row.Seconds), nameCells)
	}
	return []string{fmt.Sprint(*row.Rank), name, v, took}
}

// failures names each failed candidate with its reason, escaped.
func failures(r *bakeoff.Report) []string {
	var lines []string
	for _, row := range r.Leaderboard {
		if row.State == bakeoff.TrialFailed {
			lines = append(lines, escape(cell(row.Candidate, nameCells)+": "+plain.Line(row.Reason), failureLimit))
		}
	}
	return lines
}

// closing says how to go back, where there is something to go back to, and names the run.
func (m message) closing() string {
	n := m.note
	pipeline := cut(plain.Line(n.Pipeline), 100)
	var parts []string
	switch move := n.Move; {
	case move != nil && move.Previous != nil && move.Rollback: // going back once more would go further back
		parts = append(parts, fmt.Sprintf("Undo: bakeoff promote %s --version %d", pipeline, move.Previous.Version))
	case move != nil && move.Previous != nil, n.Report.Verdict == bakeoff.Promoted && n.Report.Previous != nil:
		parts = append(parts, "Undo: bakeoff rollback "+pipeline)
	}
	if n.Move != nil && n.Move.Hold {
		parts = append(parts, "Lift the hold: bakeoff resume "+pipeline)
	}
	if n.Report.Pending != nil {
		name := cut(plain.Line(n.Pipeline), 100)
		parts = append(parts, "Approve: bakeoff approve "+name, "Reject: bakeoff reject "+name+` --reason "..."`)
	}
	id := cut(plain.Line(n.ID), 100)
	switch {
	case m.test:
		parts = append(parts, "Test: "+id)
	case n.Ticks != nil:
		parts = append(parts, "Next ticks: bakeoff schedule "+pipeline)
	case n.Move != nil:
		parts = append(parts, "Built by run: "+cut(plain.Line(n.Move.Run), 100))
	default:
		parts = append(parts, "Run: "+id)
	}
	if m.repeat {
		parts = append(parts, repeatNote)
	}
	return strings.Join(parts, "\n")
}
