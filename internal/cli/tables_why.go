package cli

import (
	"cmp"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/metric"
	"github.com/bakeoffhq/bakeoff/internal/plain"
)

// writeWhy writes in sentences why a run ended as it did: what is live, what decided, by how much,
// what would have changed it, who was not judged, and which rows did not count.
func writeWhy(w io.Writer, r bakeoff.Report) { writeWhyIn(w, r, time.Local) }

func writeWhyIn(w io.Writer, r bakeoff.Report, zone *time.Location) {
	_, _ = fmt.Fprintf(w, "%s: %s. %s.\n", plain.Line(r.Run), r.Verdict, capital(liveInWords(&r)))
	if reason := plain.Line(r.Reason); reason != "" {
		_, _ = fmt.Fprintln(w, sentence(reason))
	}
	for _, line := range circumstances(&r, zone) {
		_, _ = fmt.Fprintln(w, line)
	}
	paragraphs := [][]string{comparison(&r), deciding(&r), gateSentences(&r), absences(&r), searchSentences(&r), rowSentences(&r), holdoutSentences(&r, zone)}
	for _, lines := range paragraphs {
		if len(lines) == 0 {
			continue
		}
		_, _ = fmt.Fprintln(w)
		for _, line := range lines {
			_, _ = fmt.Fprintln(w, line)
		}
	}
}

// circumstances tell where a run came from, and that it was late.
func circumstances(r *bakeoff.Report, zone *time.Location) []string {
	var lines []string
	switch {
	case r.RetryOf != "":
		lines = append(lines, fmt.Sprintf("It repeats what failed in %s, on the same rows.", plain.Line(r.RetryOf)))
	case !r.Tick.IsZero():
		lines = append(lines, fmt.Sprintf("It was due at %s.", moment(r.Tick, zone)))
	case r.Trigger == bakeoff.TriggerPerson:
		lines = append(lines, "A person started it.")
	case r.Trigger == bakeoff.TriggerAPI:
		lines = append(lines, "It was started through the API.")
	}
	if r.Late {
		lines = append(lines, fmt.Sprintf("It was late: %s.", lateInWords(r, zone)))
	}
	return lines
}

// sentence gives s a capital letter and a full stop.
func sentence(s string) string {
	s = capital(s)
	if last := s[len(s)-1]; last != '.' && last != '!' && last != '?' {
		s += "."
	}
	return s
}

// capital makes the first letter of an English sentence a capital. A name that a sentence begins
// with stays as it is: only words of ours are changed.
func capital(s string) string {
	for _, word := range []string{"there ", "the ", "no ", "first ", "held ", "column "} {
		if len(s) > len(word) && s[:len(word)] == word {
			return string(s[0]-'a'+'A') + s[1:]
		}
	}
	return s
}

// comparison tells who was better than whom, and by how much, on the objective metric.
func comparison(r *bakeoff.Report) []string {
	ranked := rankedRows(r)
	if len(ranked) == 0 {
		return nil
	}
	lines := []string{fmt.Sprintf("All were judged by %s on the same rows:", plain.Line(r.Metric))}
	best := ranked[0]
	for _, row := range ranked {
		line := fmt.Sprintf("  %d. %s has %s", *row.Rank, nameInWords(row), plain.Value(row.Metrics[r.Metric]))
		if bounds, ok := row.Interval[r.Metric]; ok {
			line += fmt.Sprintf(" (%s %s to %s)", intervalName(r), plain.Value(bounds[0]), plain.Value(bounds[1]))
		}
		if lead := gain(r.Metric, best.Metrics[r.Metric], row.Metrics[r.Metric]); lead > 0 {
			line += fmt.Sprintf(", %s behind %s", plain.Value(lead), plain.Line(best.Candidate))
			if row.Noise {
				line += ", which is within noise"
			}
		}
		lines = append(lines, line+".")
	}
	return lines
}

// deciding tells what the comparison that decided came to, what would have flipped the verdict, and
// which gain the holdout finds.
func deciding(r *bakeoff.Report) []string {
	c := r.Deciding
	if c == nil {
		return finds(r)
	}
	with := "the baseline"
	if c.Role == bakeoff.RoleChampion {
		with = "the champion"
	}
	line := fmt.Sprintf("%s beside %s, on the same rows: a gain of %s (%s %s to %s)", plain.Line(c.Candidate), with,
		plain.Signed(c.Gain), intervalName(r), plain.Signed(c.Interval[0]), plain.Signed(c.Interval[1]))
	if c.Test != "" && c.Gain > 0 {
		line += fmt.Sprintf("; by the test %s, noise alone gives this in %s of 1,000 cases%s", plain.Line(c.Test), perMille(c.Adjusted), correction(r))
	}
	lines := []string{line + "."}
	if flip := flipped(r, c); flip != "" {
		lines = append(lines, flip)
	}
	return append(lines, finds(r)...)
}

// finds tells which gain the holdout finds.
func finds(r *bakeoff.Report) []string {
	if r.Detectable == 0 {
		return nil
	}
	return []string{fmt.Sprintf("This holdout finds a true gain of %s or more in 8 of 10 cases; `bakeoff why --gain GAIN` says how many rows another takes.",
		plain.Value(r.Detectable))}
}

// perMille writes a probability as so many of a thousand.
func perMille(p float64) string {
	switch v := 1000 * p; {
	case v < 1:
		return "less than one"
	case v > 999:
		return "nearly all"
	default:
		return strconv.Itoa(int(math.Round(v)))
	}
}

// correction says for how many challengers a probability is corrected.
func correction(r *bakeoff.Report) string {
	n := 0
	for _, row := range rankedRows(r) {
		if row.Role == bakeoff.RoleChallenger {
			n++
		}
	}
	if n < 2 {
		return ""
	}
	return fmt.Sprintf(", corrected for %d challengers", n)
}

// neededRows is what `why --gain` answers.
type neededRows struct {
	Run     string  `json:"run"`
	Gain    float64 `json:"gain"` // in the objective's unit
	Needed  int     `json:"rows_needed"`
	Holdout int     `json:"rows"` // that the run had
}

// rowsNeeded says how many holdout rows it takes to find a gain as often as the detectable gain
// is found.
func rowsNeeded(r *bakeoff.Report, g bakeoff.Gain) (neededRows, error) {
	if r.Detectable == 0 || r.Rows == nil {
		return neededRows{}, bakeoff.Errorf(bakeoff.CodeConflict, "run %s does not tell how many rows a gain takes", r.Run).
			WithHint("it takes a run in which contestants were compared that answer differently")
	}
	size := g.Margin
	if g.Relative {
		size *= math.Abs(reference(r))
	}
	if size == 0 {
		return neededRows{}, bakeoff.Errorf(bakeoff.CodeInvalid, "a share of a %s of 0 is no gain", r.Metric).WithHint("write a margin such as 0.01")
	}
	return neededRows{
		Run: r.Run, Gain: size, Holdout: r.Rows.Holdout,
		Needed: metric.RowsFor(size, r.Detectable, r.Rows.Holdout),
	}, nil
}

// reference is the value of the objective that a gain is over: the champion's, or the best one.
func reference(r *bakeoff.Report) float64 {
	row, ok := contestant(r, func(row *bakeoff.LeaderboardRow) bool { return row.Role == bakeoff.RoleChampion })
	if !ok {
		row, ok = contestant(r, func(*bakeoff.LeaderboardRow) bool { return true })
	}
	if !ok {
		return 0
	}
	return row.Metrics[r.Metric]
}

// rankedRows returns the contestants with a rank and a value of the objective metric, by rank.
func rankedRows(r *bakeoff.Report) []*bakeoff.LeaderboardRow {
	var ranked []*bakeoff.LeaderboardRow
	for i := range r.Leaderboard {
		row := &r.Leaderboard[i]
		if _, ok := row.Metrics[r.Metric]; ok && row.Rank != nil {
			ranked = append(ranked, row)
		}
	}
	slices.SortStableFunc(ranked, func(a, b *bakeoff.LeaderboardRow) int { return cmp.Compare(*a.Rank, *b.Rank) })
	return ranked
}

func nameInWords(row *bakeoff.LeaderboardRow) string {
	switch row.Role {
	case bakeoff.RoleChampion:
		version := fmt.Sprintf("v%d", row.Version)
		if row.Rebuilt {
			version += ", rebuilt"
		}
		return fmt.Sprintf("%s, the champion (%s),", plain.Line(row.Candidate), version)
	case bakeoff.RoleBaseline:
		return "the baseline"
	}
	return plain.Line(row.Candidate)
}

// flipped says what would have changed the verdict, as far as the gain decided it.
func flipped(r *bakeoff.Report, c *bakeoff.Comparison) string {
	name := plain.Line(c.Candidate)
	switch {
	case r.Verdict == bakeoff.Promoted && c.Role == bakeoff.RoleChampion:
		return fmt.Sprintf("Had the gain been less than about %s, the champion would have stayed.", plain.Value(max(c.Needed, 0)))
	case r.Verdict == bakeoff.Promoted:
		return ""
	case c.Gain == 0 && c.Needed == 0:
		return fmt.Sprintf("%s is exactly as good as the champion, and a tie goes to the champion.", name)
	case c.Gain < c.Needed || c.Gain < 0:
		return fmt.Sprintf("%s would have had to be about %s better.", name, plain.Value(c.Needed-c.Gain))
	}
	return ""
}

// absences names each contestant that was not judged, and why.
func absences(r *bakeoff.Report) []string {
	var lines []string
	for i := range r.Leaderboard {
		row := &r.Leaderboard[i]
		reason := cmp.Or(plain.Line(row.Reason), "no reason is recorded")
		switch {
		case row.State == bakeoff.TrialFailed && row.Rebuilt:
			lines = append(lines, sentence(nameInWords(row)+" was not ranked: "+reason))
		case row.State == bakeoff.TrialFailed:
			lines = append(lines, sentence(plain.Line(row.Candidate)+" failed: "+reason))
		case row.Rank == nil && row.Reason == "" && row.State == bakeoff.TrialBuilt:
			lines = append(lines, sentence(nameInWords(row)+" was built; the run ended before it was judged"))
		case row.Rank == nil:
			lines = append(lines, sentence(nameInWords(row)+" was not ranked: "+reason))
		}
	}
	return lines
}

// rowSentences tells which rows the run had and what is worth knowing about them.
func rowSentences(r *bakeoff.Report) []string {
	var lines []string
	if n := r.Rows; n != nil {
		lines = append(lines, fmt.Sprintf("%s rows were there to train on and %s in the holdout.", plain.Count(n.Train), plain.Count(n.Holdout)))
		if n.SetAside > 0 {
			lines = append(lines, fmt.Sprintf("%s rows were set aside%s.", plain.Count(n.SetAside), setAsideInWords(n)))
		}
	}
	for i := range r.Leaderboard {
		if row := &r.Leaderboard[i]; row.Unseen > 0 {
			lines = append(lines, fmt.Sprintf("%s met %s cells of the holdout with a category that training had not seen.",
				plain.Line(row.Candidate), plain.Count(row.Unseen)))
		}
	}
	for _, note := range r.Notes {
		if note = plain.Line(note); note != "" {
			lines = append(lines, sentence(note))
		}
	}
	return lines
}
