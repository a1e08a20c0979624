package cli

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/bakeoffhq/bakeoff"
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
	paragraphs := [][]string{comparison(&r), absences(&r), rowSentences(&r)}
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
		}
		lines = append(lines, line+".")
	}
	if flip := flipped(r, ranked); flip != "" {
		lines = append(lines, flip)
	}
	return lines
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
		return fmt.Sprintf("%s, the champion (v%d),", plain.Line(row.Candidate), row.Version)
	case bakeoff.RoleBaseline:
		return "the baseline"
	}
	return plain.Line(row.Candidate)
}

// flipped says what would have changed the verdict, as far as the values alone can tell: the
// reason tells the rest, such as a margin that was asked for.
func flipped(r *bakeoff.Report, ranked []*bakeoff.LeaderboardRow) string {
	var champion *bakeoff.LeaderboardRow
	var challengers []*bakeoff.LeaderboardRow
	for _, row := range ranked {
		switch row.Role {
		case bakeoff.RoleChampion:
			champion = row
		case bakeoff.RoleChallenger:
			challengers = append(challengers, row)
		}
	}
	if champion == nil || len(challengers) == 0 {
		return ""
	}
	near := challengers[0]
	for _, row := range challengers {
		if r.Verdict == bakeoff.Promoted && r.Champion != nil && row.Candidate == r.Champion.Candidate {
			near = row
		}
	}
	lead := gain(r.Metric, near.Metrics[r.Metric], champion.Metrics[r.Metric])
	switch {
	case r.Verdict == bakeoff.Promoted:
		return fmt.Sprintf("Had %s been %s worse, v%d would have stayed.", plain.Line(near.Candidate), plain.Value(lead), champion.Version)
	case lead < 0:
		return fmt.Sprintf("%s would have had to be more than %s better.", plain.Line(near.Candidate), plain.Value(-lead))
	case lead == 0:
		return fmt.Sprintf("%s is exactly as good as the champion, and a tie goes to the champion.", plain.Line(near.Candidate))
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
