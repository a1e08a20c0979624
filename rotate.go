package bakeoff

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// rotationEpoch is the moment from which the periods of every rotation are counted: a Monday, so that
// those of whole weeks begin on Mondays.
var rotationEpoch = time.Date(1970, 1, 5, 0, 0, 0, 0, time.UTC)

// At returns the split as it is at a moment: where it rotates, in the period of that moment. It
// follows from the moment and from how long a period is alone.
func (s Split) At(moment time.Time) Split {
	if s.Rotate > 0 {
		s.Period = int64(moment.Sub(rotationEpoch) / s.Rotate)
	}
	return s
}

// Ends is the end of a split's period, and the beginning of the next.
func (s Split) Ends() time.Time {
	return rotationEpoch.Add(time.Duration(s.Period+1) * s.Rotate)
}

// rotation says in words in which period a split is; "" where it does not rotate.
func (s Split) rotation() string {
	if s.Rotate == 0 {
		return ""
	}
	return fmt.Sprintf(", period %d of %s", s.Period, Days(s.Rotate))
}

// Days writes a duration as a pipeline file may have it: 28d, 1d12h, 8h, 1h30m.
func Days(d time.Duration) string {
	const day = 24 * time.Hour
	days, rest := d/day, (d % day).String()
	for _, nothing := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(rest, nothing) {
			rest = rest[:len(rest)-2]
		}
	}
	switch {
	case days == 0:
		return rest
	case d%day == 0:
		return fmt.Sprintf("%dd", days)
	}
	return fmt.Sprintf("%dd%s", days, rest)
}

// Due is the moment that a run is about: the nominal time of its tick, else when it was asked for.
func (r Run) Due() time.Time {
	if !r.Tick.IsZero() {
		return r.Tick
	}
	return r.Created
}

// ChampionName is the candidate name of the trial that builds the champion's recipe again; no candidate
// of a pipeline may have it.
const ChampionName = "champion"

// Rebuild says that a run builds the champion's recipe again, on its own training rows: the champion
// itself was trained on rows that this run's period holds out.
type Rebuild struct {
	Version   int       `json:"version"`
	Candidate string    `json:"candidate"` // of the version
	Recipe    Candidate `json:"recipe"`    // of the version, under ChampionName
}

// RebuildOf returns what it takes to compare a champion on a snapshot whose holdout rotates: nil where
// the champion was trained on the same side of it.
func RebuildOf(v Version, s Snapshot) *Rebuild {
	if s.Split.Rotate == 0 || v.Lineage.Snapshot.Generation() == s.Generation() {
		return nil
	}
	r := &Rebuild{Version: v.Version, Candidate: v.Candidate, Recipe: v.Lineage.Recipe}
	r.Recipe.Name = ChampionName
	return r
}

// Rebuilt returns a run with one more trial, the first, that builds the champion again.
func (r Run) Rebuilt(b Rebuild) Run {
	r.Rebuild = &b
	r.Recipes = append([]Candidate{b.Recipe}, r.Recipes...)
	r.Trials = append([]Trial{{Candidate: ChampionName, State: TrialWaiting}}, r.Trials...)
	return r
}

// Recipe returns the recipe by which one of a run's trials is built: once a search has chosen its
// parameters, with these and without the search.
func (r Run) Recipe(candidate string) (Candidate, bool) {
	i := slices.IndexFunc(r.Recipes, func(c Candidate) bool { return c.Name == candidate })
	if i < 0 {
		return Candidate{}, false
	}
	c := r.Recipes[i]
	for _, t := range r.Trials {
		if chosen := t.Search.Chosen(); t.Candidate == candidate && chosen != nil {
			c.Params, c.Search = chosen, nil
		}
	}
	return c, true
}

// Row is the leaderboard's row of one of a run's trials that has not been judged.
func (r Run) Row(t Trial) LeaderboardRow {
	row := LeaderboardRow{
		Candidate: t.Candidate, Role: RoleChallenger, State: t.State, Reason: t.Reason,
		Artifact: t.Artifact, Bytes: t.Bytes, Seconds: t.Seconds, Search: t.Searched(),
	}
	if r.Rebuild != nil && t.Candidate == ChampionName {
		row.Candidate, row.Role, row.Version, row.Rebuilt = r.Rebuild.Candidate, RoleChampion, r.Rebuild.Version, true
	}
	return row
}
