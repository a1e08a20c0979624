package client

import (
	"time"

	"github.com/bakeoffhq/bakeoff"
)

// Node is a running node as it describes itself.
type Node struct {
	Name      string    `json:"node"`
	Version   string    `json:"version" doc:"of the program"`
	Revision  string    `json:"revision,omitempty" doc:"the commit that the program was built from"`
	Store     string    `json:"store" doc:"the folder of the store"`
	Addresses []Address `json:"addresses"`
	Roles     []string  `json:"roles" doc:"what it does: schedule, dispatch, build, judge, predict, notify"`
	Since     time.Time `json:"since" doc:"when it started"`
	Pipelines int       `json:"pipelines" doc:"how many it has"`
	// Problems are sentences for a person: messages that are owed, queues without workers, pipelines
	// that are paused or held. Empty where all is well.
	Problems []string `json:"problems" doc:"what a person should see to, in sentences"`
}

// Address is a place where a node listens.
type Address struct {
	Serves  string `json:"serves" doc:"all, admin, predictions, workers or socket"`
	Address string `json:"address" doc:"a URL, or the path of a socket"`
}

// Pipeline is a pipeline as its node has it.
type Pipeline struct {
	Name     string         `json:"pipeline"`
	Path     string         `json:"path" doc:"the file that it was read from"`
	Revision bakeoff.Digest `json:"revision" doc:"of the file's text"`
	Applied  time.Time      `json:"applied" doc:"when that revision was first seen"`
	// Schedule is in words, with the time zone; "" where the pipeline only runs on demand.
	Schedule string               `json:"schedule,omitempty" doc:"in words, with the time zone"`
	Next     *bakeoff.Upcoming    `json:"next,omitempty" doc:"the next tick"`
	Paused   *bakeoff.Pause       `json:"paused,omitempty" doc:"its schedule stands still"`
	Held     *bakeoff.Hold        `json:"held,omitempty" doc:"its champion stays, whatever runs find"`
	Pending  *bakeoff.Pending     `json:"pending,omitempty" doc:"a promotion that waits for approval"`
	Champion *bakeoff.ChampionRef `json:"champion,omitempty"`
	Open     []string             `json:"open,omitempty" doc:"its runs that have not ended, by ID"`
	Last     *LastVerdict         `json:"last,omitempty" doc:"how its last run ended"`
	Removed  *bakeoff.Removal     `json:"removed,omitempty" doc:"who removed it: of such a pipeline there are its runs and its model"`
}

// PipelineRemoval says what the removal of a pipeline did to its model.
type PipelineRemoval struct {
	Pipeline string               `json:"pipeline"`
	Removed  bakeoff.Removal      `json:"removed"`
	Champion *bakeoff.ChampionRef `json:"champion,omitempty" doc:"the version that is served on"`
	Dropped  *bakeoff.ChampionRef `json:"dropped,omitempty" doc:"the version that was served, and is not any more"`
}

// LastVerdict is how a pipeline's last run ended.
type LastVerdict struct {
	Run     string          `json:"run"`
	Verdict bakeoff.Verdict `json:"verdict"`
	Reason  string          `json:"reason"`
	Ended   time.Time       `json:"ended"`
}

// PipelineText is a pipeline file that is to be applied.
type PipelineText struct {
	Path string `json:"path" minLength:"1" maxLength:"4096" doc:"where the file is on the node's machine, absolute: relative paths in it start there"`
	Text string `json:"text" maxLength:"1048576" doc:"what is in it"`
}

// RunRequest asks for a run.
type RunRequest struct {
	// Run is an ID made by the caller with bakeoff.NewRunID: a request that is sent twice starts one
	// run. "" lets the client make one.
	Run   string `json:"run,omitempty" maxLength:"100" doc:"an ID made by the caller, so that a request that is sent twice starts one run: NAME-YYYYMMDDTHHMMSSmmmZ-xxxx, the four last of 0-9a-z"`
	Quiet bool   `json:"quiet,omitempty" doc:"nobody is notified of it"`
}

// RunStarted names the run that was asked for.
type RunStarted struct {
	Run string `json:"run"`
}

// RunReport is a run: its report, and what became of its message and of the deploy hooks. One that is
// open has no verdict yet but a phase, and the states of its trials in the leaderboard.
type RunReport struct {
	bakeoff.Report
	Phase      bakeoff.Phase         `json:"phase,omitempty" doc:"how far an open run has come"`
	Deliveries []bakeoff.Delivery    `json:"deliveries,omitempty" doc:"what became of its message, by receiver"`
	Hooks      []bakeoff.HookOutcome `json:"hooks,omitempty" doc:"what became of the deploy hooks"`
}

// Event is something that happened in a run, with its place in the node's stream of events.
type Event struct {
	// Seq grows from event to event. A stream that is asked for what comes after it misses nothing.
	Seq uint64 `json:"-"`
	bakeoff.Event
}

// LogEntry is a piece of what a trial's build wrote, or how the trial ended.
type LogEntry struct {
	// Seq is the place of what is followed in the node's stream of events; 0 for the rest.
	Seq       uint64 `json:"-"`
	Candidate string `json:"candidate"`
	Attempt   int    `json:"attempt,omitempty" doc:"which attempt wrote it, from 1"`
	Text      string `json:"text,omitempty" doc:"as it was written, with its line ends"`
	// State is that of the trial, on its last entry; "" on the others.
	State  bakeoff.TrialState `json:"state,omitempty" doc:"how the trial ended, on its last entry"`
	Reason string             `json:"reason,omitempty" doc:"why it failed"`
	NoLog  bool               `json:"no_log,omitempty" doc:"no log of the trial is kept, on its last entry: what it wrote is not known"`
}

// LogQuery says which log entries of a run are asked for.
type LogQuery struct {
	Candidate string // "" for all
	Follow    bool   // wait for more until the trials have ended
	After     uint64 // with Follow: the Seq of the last entry that was received; 0 for none
}

// RunQuery says which runs of all pipelines are asked for.
type RunQuery struct {
	Open  bool // only those that have not ended
	Limit int  // at most so many; 0 for 100
}

// Reason is why a person does something.
type Reason struct {
	Why string `json:"why,omitempty" maxLength:"1000" doc:"in words, for the record"`
}

// Resumed says what was lifted; nil for what did not stand.
type Resumed struct {
	Pipeline string         `json:"pipeline"`
	Pause    *bakeoff.Pause `json:"pause,omitempty" doc:"the pause that was lifted"`
	Hold     *bakeoff.Hold  `json:"hold,omitempty" doc:"the hold that was lifted"`
}

// ModelVersions is a model with its versions, the newest first.
type ModelVersions struct {
	bakeoff.Model
	Versions []bakeoff.Version `json:"versions" doc:"the newest first"`
}

// Promotion names what is to become the champion: a version, or what a run has built of a candidate.
type Promotion struct {
	Version   int    `json:"version,omitempty" minimum:"1" doc:"a version of the model"`
	Candidate string `json:"candidate,omitempty" maxLength:"63" doc:"instead of a version: a candidate that a run has built"`
	Run       string `json:"run,omitempty" maxLength:"100" doc:"with candidate: the run; the last that ended where it is left out"`
	Why       string `json:"why,omitempty" maxLength:"1000" doc:"in words, for the record"`
	Hold      bool   `json:"hold,omitempty" doc:"runs keep it until it is resumed or promoted by hand; else the next run may replace it"`
	Force     bool   `json:"force,omitempty" doc:"a candidate that the judge has not let pass beside today's champion; why is required then"`
	Quiet     bool   `json:"quiet,omitempty" doc:"nobody is notified of it"`
}

// Answer is a person's word on what waits for approval.
type Answer struct {
	Run string `json:"run,omitempty" maxLength:"100" doc:"only if what waits is of this run; whatever waits where it is left out"`
	Why string `json:"why,omitempty" maxLength:"1000" doc:"in words, for the record"`
}

// Rollback says which version is to be the champion again.
type Rollback struct {
	To     int    `json:"to,omitempty" minimum:"1" doc:"a version; the one before the champion where it is left out"`
	Why    string `json:"why,omitempty" maxLength:"1000" doc:"in words, for the record"`
	NoHold bool   `json:"no_hold,omitempty" doc:"the next run may promote again"`
	Quiet  bool   `json:"quiet,omitempty" doc:"nobody is notified of it"`
}

// Live says where a model's champion answers.
type Live struct {
	Model   string            `json:"model"`
	Version int               `json:"version" doc:"the champion"`
	Live    int               `json:"live" doc:"how many nodes answer with it"`
	Nodes   int               `json:"nodes" doc:"how many nodes predict"`
	Serving []bakeoff.Serving `json:"serving" doc:"what each node answers with"`
}

// Undelivered is a message that has not reached all of its receivers.
type Undelivered struct {
	Notification string    `json:"notification" doc:"its ID: that of the run, where it tells of one"`
	Pipeline     string    `json:"pipeline"`
	Created      time.Time `json:"created"`
	Summary      string    `json:"summary" doc:"its first line"`
	// Deliveries are those that were refused or are tried again; none for a message that nobody has
	// tried to deliver yet.
	Deliveries []bakeoff.Delivery `json:"deliveries" doc:"those that were refused or are tried again"`
}

// NotificationTest asks for a test message to the receivers of a pipeline.
type NotificationTest struct {
	Pipeline string `json:"pipeline" minLength:"1" maxLength:"63"`
}

// TokenRequest asks for a token.
type TokenRequest struct {
	Name   string        `json:"name" minLength:"1" maxLength:"63" doc:"lower-case letters, digits, hyphens and underscores"`
	Scope  bakeoff.Scope `json:"scope" enum:"predict,read,admin,work"`
	Queues []string      `json:"queues,omitempty" maxItems:"100" doc:"for the scope work: the queues that it may serve; all where it is left out"`
}

// NewToken is a token with its secret, which is told this once.
type NewToken struct {
	bakeoff.Token
	Secret string `json:"secret" doc:"not stored anywhere: it cannot be shown again"`
}

// Retention says what may be removed. The champion, aliases, and what open runs need always stay.
type Retention struct {
	DryRun bool `json:"dry_run,omitempty" doc:"only say what would be removed"`
	Runs   int  `json:"runs,omitempty" minimum:"1" doc:"how many runs of a pipeline stay; the node's setting where it is left out"`
	Days   int  `json:"days,omitempty" minimum:"1" doc:"how many days a run stays; the node's setting where it is left out"`
	// Versions counts those whose artifacts stay; a version's record always does.
	Versions int `json:"versions,omitempty" minimum:"1" doc:"how many versions of a model stay with their artifacts; the node's setting where it is left out"`
}

// Removed counts what was removed, or would be.
type Removed struct {
	Objects int   `json:"objects"`
	Bytes   int64 `json:"bytes"`
	Runs    int   `json:"runs"`
	// Versions counts those whose artifacts went; their records stay.
	Versions int  `json:"versions" doc:"of which the artifacts went; their records stay"`
	DryRun   bool `json:"dry_run,omitempty"`
}

// Check is a finding about the node and its machine.
type Check struct {
	Name   string `json:"name"`
	OK     bool   `json:"ok"`
	Detail string `json:"detail" doc:"what was found"`
	Hint   string `json:"hint,omitempty" doc:"what to do next"`
}
