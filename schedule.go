package bakeoff

import "time"

// Schedule says when a pipeline is due, and what happens to a tick that finds no place. It is in
// one of two forms: Cron, or the fields by name.
type Schedule struct {
	// Cron is five fields (minute, hour, day of month, month, day of week; with both days given,
	// either makes it due), a macro such as @daily, or @every with a duration.
	Cron string
	// Fields are the same by Celery's names; with both days given, both must hold. nil with Cron.
	Fields   *CronFields
	Timezone string        // an IANA name; "" for the machine's own
	Missed   MissedPolicy  // of ticks that passed while nobody looked
	Within   time.Duration // how old such a tick may be to be made up for
	Overlap  OverlapPolicy // of a tick that finds the last run of its pipeline still open
	Deadline time.Duration // from a tick to its verdict; 0 for none
}

// CronFields are the fields of a schedule in the form and with the names of Celery's crontab.
type CronFields struct {
	Minute, Hour, DayOfWeek, DayOfMonth, MonthOfYear string
}

// MissedPolicy says which missed ticks are made up for.
type MissedPolicy string

// The policies for missed ticks.
const (
	MissedLatest MissedPolicy = "latest" // one run, for the newest of them
	MissedAll    MissedPolicy = "all"    // a run for each, in order
	MissedNone   MissedPolicy = "none"
)

// OverlapPolicy says what a tick does while a run of its pipeline is open.
type OverlapPolicy string

// The policies for overlapping ticks.
const (
	OverlapSkip    OverlapPolicy = "skip"    // it has no run
	OverlapQueue   OverlapPolicy = "queue"   // its run begins when the open one has ended
	OverlapReplace OverlapPolicy = "replace" // the open run is cancelled
)

// TickState says what became of a tick.
type TickState string

// The states of a tick.
const (
	TickRun     TickState = "run"     // it has a run
	TickWaiting TickState = "waiting" // its run begins when the open one has ended
	TickMissed  TickState = "missed"  // nobody looked in time
	TickSkipped TickState = "skipped" // the schedule was paused, or a run was open
)

// Tick is what became of a due moment of a pipeline's schedule; of several in a row if they shared
// a fate other than a run.
type Tick struct {
	Pipeline string    `json:"pipeline"`
	Time     time.Time `json:"tick"` // the nominal time, in UTC; the first of them
	Last     time.Time `json:"last"` // the last of them
	Count    int       `json:"count"`
	State    TickState `json:"state"`
	Run      string    `json:"run,omitempty"`
	Reason   string    `json:"reason,omitempty"` // why there is no run
	Decided  time.Time `json:"decided"`
	// Told is the ID of the notification that tells of it, where there is one.
	Told string `json:"told,omitempty"`
}

// Cursor is how far a pipeline's schedule has been decided: all that a process which takes over has
// to know. The scheduler is its only writer, and a tick is claimed by writing it.
type Cursor struct {
	Pipeline string   `json:"pipeline"`
	Revision Digest   `json:"revision"`
	Schedule Schedule `json:"schedule"` // as the revision declares it
	// Times is the schedule's canonical text; "" once the pipeline has none any more.
	Times   string      `json:"times,omitempty"`
	At      time.Time   `json:"at"`                // every tick up to here is decided
	Waiting []time.Time `json:"waiting,omitempty"` // the ticks in TickWaiting, oldest first
	Owed    []Claim     `json:"owed,omitempty"`    // decided and being carried out, in order
	Range   *Tick       `json:"range,omitempty"`   // the last ticks, if without a run and not yet told
	// Tell is when Range is told although it may go on; zero for not before it has ended.
	Tell   time.Time `json:"tell,omitzero"`
	Before *Tick     `json:"before,omitempty"` // what Range, or the next one, goes on from
}

// Claim is a tick that is decided, or a range of them, before that is carried out.
type Claim struct {
	Tick   Tick   `json:"tick"`
	Cancel string `json:"cancel,omitempty"` // the run that it replaces
}

// Pause stops a pipeline's schedule until a person resumes it.
type Pause struct {
	Pipeline string    `json:"pipeline"`
	By       string    `json:"by"`
	Why      string    `json:"why,omitempty"`
	Since    time.Time `json:"since"`
}

// Upcoming is a tick that is to come.
type Upcoming struct {
	Pipeline string    `json:"pipeline"`
	Time     time.Time `json:"tick"` // with the schedule's own offset
	Zone     string    `json:"timezone"`
	// Note marks a change of the clock that moves it, or that lies before the next one.
	Note string `json:"note,omitempty"`
}
