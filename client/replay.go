package client

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/bakeoffhq/bakeoff"
)

// Replay says how past runs of a pipeline would have ended by other rules.
type Replay struct {
	Pipeline string        `json:"pipeline"`
	Set      []string      `json:"set" doc:"what was tried: PATH=VALUE"`
	Nights   []ReplayNight `json:"nights" doc:"the oldest first"`
	Judged   int           `json:"judged" doc:"how many could be judged again"`
	Differ   int           `json:"differ" doc:"how many of those would have ended otherwise"`
	Changes  int           `json:"champion_changes" doc:"how often the champion changed on the nights that could be judged again"`
	With     int           `json:"champion_changes_with" doc:"how often it would have, each night against its own champion"`
}

// ReplayNight is one run of a Replay.
type ReplayNight struct {
	Run     string         `json:"run"`
	Created time.Time      `json:"created"`
	Then    ReplayOutcome  `json:"then"`
	With    *ReplayOutcome `json:"with,omitempty" doc:"none where it could not be judged again"`
	Differs bool           `json:"differs"`
	Why     string         `json:"why,omitempty" doc:"why it could not be judged again"`
}

// ReplayOutcome is how a run ended, or would have.
type ReplayOutcome struct {
	Verdict   bakeoff.Verdict `json:"verdict"`
	Candidate string          `json:"candidate,omitempty" doc:"the one that was promoted, or that the verdict was about"`
	Reason    string          `json:"reason"`
}

// Replay judges a pipeline's last runs again, by the rules of their night with some of them set
// otherwise: each of set is PATH=VALUE, such as gate.gain=0.5pt. Nothing is changed.
func (c *Client) Replay(ctx context.Context, pipeline string, last int, set []string) (Replay, error) {
	query := url.Values{"set": set}
	if last != 0 {
		query.Set("last", strconv.Itoa(last))
	}
	return ask[Replay](ctx, c, http.MethodGet, path("pipelines", pipeline, "replay")+"?"+query.Encode(), nil)
}
