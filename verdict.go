package bakeoff

import "time"

// Verdict is how a run ended.
type Verdict string

// The verdicts.
const (
	Promoted Verdict = "promoted" // a challenger became the champion
	Kept     Verdict = "kept"     // the champion stays
	Failed   Verdict = "failed"   // no decision was possible; the champion stays
)

// Role says as what a contestant takes part.
type Role string

// The roles on a leaderboard.
const (
	RoleChallenger Role = "challenger"
	RoleChampion   Role = "champion"
	RoleBaseline   Role = "baseline"
)

// BaselineName is the candidate name of the baseline on every leaderboard; no candidate may have it.
const BaselineName = "baseline"

// LeaderboardRow is one contestant of a run.
type LeaderboardRow struct {
	Rank      *int       `json:"rank"` // from 1; nil for a contestant that was not judged
	Candidate string     `json:"candidate"`
	Role      Role       `json:"role"`
	State     TrialState `json:"state"`
	Reason    string     `json:"reason,omitempty"`  // why it is not ranked
	Version   int        `json:"version,omitempty"` // of the champion
	// Rebuilt says of the champion that its recipe, built again by this run, took its place.
	Rebuilt  bool    `json:"rebuilt,omitempty"`
	Artifact Digest  `json:"artifact,omitempty"`
	Bytes    int64   `json:"bytes,omitempty"`
	Seconds  float64 `json:"seconds,omitempty"` // of the build

	Metrics  map[string]float64    `json:"metrics,omitempty"`
	Interval map[string][2]float64 `json:"interval,omitempty"`
	// Against compares a ranked challenger with the champion or, where none is ranked, the baseline.
	Against *Comparison `json:"against,omitempty"`
	// Noise says of a ranked contestant that these rows cannot tell it from the best.
	Noise bool `json:"within_noise_of_best,omitempty"`
	// Unseen counts the cells of the holdout with a category that training had not seen.
	Unseen int `json:"unseen_categories,omitempty"`
	// Stopped says what in the gate, the gain aside, keeps a ranked challenger from being promoted.
	Stopped string `json:"stopped,omitempty"`
	// Speed is nil for a contestant that did not answer.
	Speed *Speed `json:"speed,omitempty"`
	// Search says how a challenger's parameters were chosen; nil where its file states them.
	Search *Searched `json:"search,omitempty"`
}

// Comparison is a paired test of two contestants by the objective metric, on the same rows.
type Comparison struct {
	Candidate string `json:"candidate"`
	With      string `json:"with"` // the other's candidate
	Role      Role   `json:"with_role"`
	Test      string `json:"test"` // its name, such as "exact McNemar"
	// Gain is how much better the candidate is than the other, negative where it is worse, with its
	// two-sided interval at the report's confidence; in the metric's unit, whatever its direction.
	Gain     float64    `json:"gain"`
	Interval [2]float64 `json:"gain_interval"`
	// P is the chance of a gain like this, or more, where there is none in truth: one-sided, and
	// Adjusted is corrected for the number of challengers.
	P        float64 `json:"p"`
	Adjusted float64 `json:"p_adjusted"`
	// Detectable is the smallest true gain that these rows find in 8 of 10 cases; 0 where the two
	// answer alike, or where nothing can be told.
	Detectable float64 `json:"detectable_gain"`
	// Needed is the gain on these rows, about, from which on the gate's rule for gains would be met.
	Needed float64 `json:"needed_gain"`
	// Asked is the gate's margin in the metric's unit; 0 where it asks for none.
	Asked float64 `json:"asked_gain,omitempty"`
}

// Power is the share of true gains of a detectable size that are found.
const Power = 0.8

// Decision is what the judge concluded from a leaderboard. The registry carries it out.
type Decision struct {
	Verdict Verdict `json:"verdict"`
	Reason  string  `json:"reason"`
	Metric  string  `json:"metric"`
	// Candidate is the challenger that passed the gate: the one to promote, or, where the verdict is
	// Kept, one that a hold or a cool-down stands in the way of.
	Candidate   string           `json:"candidate,omitempty"`
	Rows        Rows             `json:"rows"`
	Leaderboard []LeaderboardRow `json:"leaderboard"`
	// Confidence is that of the leaderboard's intervals, between 0 and 1.
	Confidence float64 `json:"confidence,omitempty"`
	// Deciding is the comparison that the gate was about, Second that of the best two, the baseline aside;
	// nil where there was none.
	Deciding *Comparison `json:"deciding,omitempty"`
	Second   *Comparison `json:"second,omitempty"`
	// Detectable is the smallest true gain that the holdout finds in 8 of 10 cases, in the objective's
	// unit; 0 where nothing tells.
	Detectable float64 `json:"detectable_gain,omitempty"`
	// Slices are tables by the columns that the pipeline slices by, in its order.
	Slices []SliceTable `json:"slices,omitempty"`
	// Champion is the version that was judged as champion; 0 for none. A promotion holds only if it still is.
	Champion int `json:"champion,omitempty"`
	// Golden are answers of the candidate to promote, given while it was judged.
	Golden *Golden `json:"golden,omitempty"`
	// Approve has the registry ask a person before it promotes; nil where nobody is asked.
	Approve *Approval `json:"approve,omitempty"`
	// Answers is the object with what all contestants answered, from which the same is decided again.
	Answers      Digest `json:"answers,omitempty"`
	AnswersBytes int64  `json:"answers_bytes,omitempty"`
}

// Golden are stored requests and the answers that a version gave to them: the proof of a swap, a
// rollback or a restore.
type Golden struct {
	Rows          []map[string]any `json:"rows"` // features by name; nil for a missing value
	Classes       []string         `json:"classes,omitempty"`
	Probabilities [][]float64      `json:"probabilities,omitempty"`
	Values        []float64        `json:"predictions,omitempty"` // Regression
}

// Version is one immutable numbered member of a model.
type Version struct {
	Model     string    `json:"model"`
	Version   int       `json:"version"` // from 1, never reused
	Candidate string    `json:"candidate"`
	Artifact  Digest    `json:"artifact"`
	Bytes     int64     `json:"bytes"`
	Golden    Digest    `json:"golden"`
	Created   time.Time `json:"created"`
	Lineage   Lineage   `json:"lineage"`
	// Released is when retention let go of its artifact and golden answers; zero while they are kept.
	Released time.Time `json:"released,omitzero"`
}

// Lineage says where a version comes from: everything that is needed to build it again.
type Lineage struct {
	Run      string             `json:"run"`
	Revision Digest             `json:"revision"`
	Snapshot Snapshot           `json:"snapshot"`
	Seed     uint64             `json:"seed"`
	Recipe   Candidate          `json:"recipe"`           // trainer and parameters, those that a search chose among them
	Search   *Searched          `json:"search,omitempty"` // how they were chosen; nil where the file states them
	Seconds  float64            `json:"seconds"`
	Metrics  map[string]float64 `json:"metrics"`
	Bakeoff  string             `json:"bakeoff"` // version of the program
}

// The aliases that the registry moves itself.
const (
	AliasChampion = "champion"
	AliasPrevious = "previous"
)

// Alias is a movable name for a version.
type Alias struct {
	Model   string    `json:"model"`
	Name    string    `json:"alias"`
	Version int       `json:"version"`
	Moved   time.Time `json:"moved"`
	By      string    `json:"by"`            // a run's ID or a person
	Why     string    `json:"why,omitempty"` // in words
	// Rollback says that a person went back to this version.
	Rollback bool `json:"rollback,omitempty"`
}

// Model is what is decided about a line of versions. It has one record, so that the number of the
// next version, every alias and a hold change together or not at all.
type Model struct {
	Name    string           `json:"model"`
	Latest  int              `json:"latest"` // the highest version number ever given
	Aliases map[string]Alias `json:"aliases"`
	Hold    *Hold            `json:"hold,omitempty"`
	Pending *Pending         `json:"pending,omitempty"` // a promotion that waits for a person's word
	// Advised is when the last runs were last looked at for advice.
	Advised time.Time `json:"advised,omitzero"`
	// Holdout counts the decisions by the holdout of today; nil before the first.
	Holdout *HoldoutUse `json:"holdout,omitempty"`
}

// Champion returns the number of the live version, 0 for none.
func (m Model) Champion() int { return m.Aliases[AliasChampion].Version }

// Dropped reports whether a person took the model out of service: it has had a champion and has none.
func (m Model) Dropped() bool { return m.Latest > 0 && m.Champion() == 0 }

// Hold keeps a pipeline's champion where a person put it: runs go on with verdict Kept until it is lifted.
type Hold struct {
	Model string    `json:"model"`
	By    string    `json:"by"`
	Why   string    `json:"why"`
	Since time.Time `json:"since"`
}

// Change is a decision as it is written: all of it or nothing.
type Change struct {
	Model    Model
	Revision uint64 // of the model's record as it was read; 0 if there was none
	// The rest is new, and nil where a decision has none.
	Version *Version
	Verdict *Report
	Outbox  *Notification
	Deploy  *Deployment
	Act     *Act
}

// ChampionRef names the live version on a report.
type ChampionRef struct {
	Model     string `json:"model"`
	Version   int    `json:"version"`
	Candidate string `json:"candidate"`
	Artifact  Digest `json:"artifact"`
}

// Report is a run as people and programs see it: what `bakeoff run --json` prints, and what a
// notification is made of. Fields are added, never renamed.
type Report struct {
	Run      string  `json:"run"`
	Pipeline string  `json:"pipeline"`
	Trigger  Trigger `json:"trigger"`
	Verdict  Verdict `json:"verdict"`
	Reason   string  `json:"reason"`
	Metric   string  `json:"metric,omitempty"`
	// Created and Ended are when the run was asked for and when its verdict was reached; an open run has
	// no end yet.
	Created     time.Time        `json:"created"`
	Ended       time.Time        `json:"ended,omitzero"`
	Tick        time.Time        `json:"tick,omitzero"`     // the nominal time of a scheduled run
	Deadline    time.Time        `json:"deadline,omitzero"` // when its unfinished trials end; zero for never
	Late        bool             `json:"late,omitempty"`    // its deadline passed before it was judged
	RetryOf     string           `json:"retry_of,omitempty"`
	Seconds     float64          `json:"seconds"`
	Revision    Digest           `json:"revision"`
	Snapshot    Digest           `json:"snapshot,omitempty"`
	Rows        *Rows            `json:"rows,omitempty"`
	Notes       []string         `json:"notes,omitempty"`
	Champion    *ChampionRef     `json:"champion,omitempty"` // the live version after the run
	Previous    *ChampionRef     `json:"previous,omitempty"` // the one it replaced, where it did
	Leaderboard []LeaderboardRow `json:"leaderboard"`
	Confidence  float64          `json:"confidence,omitempty"` // of the leaderboard's intervals, between 0 and 1
	Deciding    *Comparison      `json:"deciding,omitempty"`   // as of a Decision
	Second      *Comparison      `json:"second,omitempty"`
	Detectable  float64          `json:"detectable_gain,omitempty"`
	Pending     *Pending         `json:"pending,omitempty"` // what the run left for a person to decide about
	Slices      []SliceTable     `json:"slices,omitempty"`
	Program     string           `json:"bakeoff,omitempty"` // version of the program that decided
	// Advice is what was told with the run's message beside the verdict, at most once a week.
	Advice []string `json:"advice,omitempty"`
	// Answers is as of a Decision. The object is kept as long as the run's record, the report for ever.
	Answers      Digest `json:"answers,omitempty"`
	AnswersBytes int64  `json:"answers_bytes,omitempty"`
	// Holdout says how often the holdout has decided, this run included; nil where it did not.
	Holdout *HoldoutUse `json:"holdout_use,omitempty"`
}

// Move is what a person's promotion or rollback changed, as a message tells it.
type Move struct {
	Champion ChampionRef  `json:"champion"`           // the live version after it
	Previous *ChampionRef `json:"previous,omitempty"` // the one that it replaced, where it did
	Rollback bool         `json:"rollback"`
	Hold     bool         `json:"hold"` // runs keep the champion until a person lifts that
	By       string       `json:"by"`
	Why      string       `json:"why,omitempty"` // in words
	Moved    time.Time    `json:"moved"`
	Run      string       `json:"run"` // that has built the champion
}

// Considered is the ranked challenger that the verdict is about: that of the comparison which decided,
// else the best; nil for none.
func (r *Report) Considered() *LeaderboardRow {
	var best *LeaderboardRow
	for i := range r.Leaderboard {
		row := &r.Leaderboard[i]
		switch {
		case row.Rank == nil || row.Role != RoleChallenger:
		case r.Deciding != nil && row.Candidate == r.Deciding.Candidate:
			return row
		case best == nil || *row.Rank < *best.Rank:
			best = row
		}
	}
	return best
}

// Notification is an outbox entry: one message that is owed, about a run, about ticks without one or
// about what a person made the champion. It is written with what it tells of: a run's with its verdict.
type Notification struct {
	ID       string    `json:"id"` // the run's, or MODEL-vN- and the moment of a move
	Pipeline string    `json:"pipeline"`
	Revision Digest    `json:"revision"` // whose receivers get it
	Created  time.Time `json:"created"`
	Report   Report    `json:"report,omitzero"`
	Ticks    *Tick     `json:"ticks,omitempty"` // without a run; Report is empty then
	Move     *Move     `json:"move,omitempty"`  // by a person; Report is empty then
}

// Deployment is what is owed to a pipeline's deploy hooks after its champion moved. It is written with the move.
type Deployment struct {
	ID       string    `json:"id"` // MODEL-vN- and the moment of the move
	Pipeline string    `json:"pipeline"`
	Revision Digest    `json:"revision"`      // whose hooks
	Run      string    `json:"run,omitempty"` // whose verdict it was; "" for a person's act
	Version  Version   `json:"version"`
	Previous int       `json:"previous,omitempty"` // the champion before
	By       string    `json:"by"`
	Why      string    `json:"why,omitempty"`
	Moved    time.Time `json:"moved"`
}

// HookOutcome records what became of one hook of a deployment.
type HookOutcome struct {
	Deployment string    `json:"deployment"`
	Run        string    `json:"run,omitempty"`
	Hook       int       `json:"hook"`  // its place in the file, from 0
	Kind       string    `json:"kind"`  // webhook, command or copy
	State      string    `json:"state"` // as of a Delivery
	Detail     string    `json:"detail,omitempty"`
	Attempts   int       `json:"attempts"`
	Time       time.Time `json:"time"`
	Next       time.Time `json:"next,omitzero"` // DeliveryRetrying: when it is tried again
}

// Delivery records what became of one notification at one receiver.
type Delivery struct {
	Notification string    `json:"notification"`
	Receiver     int       `json:"receiver"` // its place in the file, from 0
	State        string    `json:"state"`    // DeliverySent, DeliveryRefused or DeliveryRetrying
	Detail       string    `json:"detail,omitempty"`
	Attempts     int       `json:"attempts"`
	Time         time.Time `json:"time"`
	Next         time.Time `json:"next,omitzero"` // DeliveryRetrying: when it is tried again
}

// The states of a delivery.
const (
	DeliverySent     = "sent"
	DeliveryRefused  = "refused"  // the receiver said no; not tried again
	DeliveryRetrying = "retrying" // not delivered yet; tried again later
)
