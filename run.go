package bakeoff

import "time"

// Trigger says who started a run.
type Trigger string

// The triggers.
const (
	TriggerPerson   Trigger = "person"
	TriggerSchedule Trigger = "schedule"
	TriggerAPI      Trigger = "api"
	TriggerRetry    Trigger = "retry"
)

// Phase says how far a run has come. It only ever moves forward, but for a run that is judged
// again because the champion moved.
type Phase string

// The phases, in order.
const (
	PhaseSnapshot Phase = "snapshot" // the rows are being frozen
	PhaseBuild    Phase = "build"    // trials are being built
	PhaseEvaluate Phase = "evaluate" // the judge is at work
	PhasePromote  Phase = "promote"  // the decision is being carried out
	PhaseEnded    Phase = "ended"    // the verdict stands
)

// Run is one execution of a pipeline revision. Dispatch is its only writer.
type Run struct {
	ID       string    `json:"run"`
	Pipeline string    `json:"pipeline"`
	Revision Digest    `json:"revision"`
	Trigger  Trigger   `json:"trigger"`
	Created  time.Time `json:"created"`
	Tick     time.Time `json:"tick,omitzero"`     // TriggerSchedule: the nominal time
	Deadline time.Time `json:"deadline,omitzero"` // when unfinished trials are cancelled
	Late     bool      `json:"late,omitempty"`    // the deadline passed before it was judged
	RetryOf  string    `json:"retry_of,omitempty"`
	Quiet    bool      `json:"quiet,omitempty"` // nobody is to be notified
	// Parallel is copied from the pipeline, so that the course of a run follows from its record alone.
	Parallel int `json:"parallel"`

	Phase Phase `json:"phase"`
	// Recipes are the candidates as the revision declares them, one a trial; Recipe says how one is built.
	// Where the champion is built again, its recipe and its trial are the first.
	Recipes  []Candidate `json:"recipes"`
	Snapshot *Snapshot   `json:"snapshot,omitempty"`
	Rebuild  *Rebuild    `json:"rebuild,omitempty"`
	Trials   []Trial     `json:"trials"` // one a recipe, in the file's order
	// Round counts the evaluations from 1: the second is for a champion that moved meanwhile.
	Round    int       `json:"round,omitempty"`
	Decision *Decision `json:"decision,omitempty"`
	Verdict  Verdict   `json:"verdict,omitempty"` // set in PhaseEnded
	Reason   string    `json:"reason,omitempty"`
	Ended    time.Time `json:"ended,omitzero"`
}

// TrialState is the state of a trial.
type TrialState string

// The states of a trial.
const (
	TrialWaiting   TrialState = "waiting"   // not yet handed out
	TrialSearching TrialState = "searching" // its parameters are being chosen
	TrialQueued    TrialState = "queued"    // a task on the queue, or on a worker
	TrialBuilt     TrialState = "built"
	TrialFailed    TrialState = "failed"
)

// FailureClass says in which way a trial or another task failed.
type FailureClass string

// The classes of failure.
const (
	FailedExit          FailureClass = "exit code"
	FailedSignal        FailureClass = "signal"
	FailedMemory        FailureClass = "out of memory"
	FailedTimeLimit     FailureClass = "time limit"
	FailedCancelled     FailureClass = "cancelled"
	FailedWorkerLost    FailureClass = "worker lost"
	FailedEmptyArtifact FailureClass = "empty artifact"
	FailedArtifact      FailureClass = "unusable artifact" // links, devices, or too many files
	FailedInternal      FailureClass = "internal error"    // a fault of ours or of the machine, such as a full disk
	FailedStart         FailureClass = "not started"       // the command does not exist or cannot be run
	FailedPrediction    FailureClass = "no predictions"    // built, but it does not answer as it must
	FailedData          FailureClass = "data"              // the source cannot be read or judged
	FailedDeadline      FailureClass = "deadline"          // the run's deadline passed
)

// Trial is one candidate within one run.
type Trial struct {
	Candidate string       `json:"candidate"`
	State     TrialState   `json:"state"`
	Class     FailureClass `json:"class,omitempty"`
	Reason    string       `json:"reason,omitempty"` // in words, for TrialFailed; begins with the class
	Artifact  Digest       `json:"artifact,omitempty"`
	Bytes     int64        `json:"bytes,omitempty"` // size of the artifact
	Log       Digest       `json:"log,omitempty"`
	Attempt   int          `json:"attempt,omitempty"` // the attempt that ended the trial, from 1
	Worker    string       `json:"worker,omitempty"`  // who worked on it
	Started   time.Time    `json:"started,omitzero"`
	Seconds   float64      `json:"seconds,omitempty"` // of that attempt
	Search    *Searching   `json:"search,omitempty"`  // of its parameters, where the candidate asks for one
}

// TaskKind says what a task asks of a worker.
type TaskKind string

// The kinds of tasks.
const (
	TaskSnapshot TaskKind = "snapshot" // freeze the rows; one a run
	TaskSearch   TaskKind = "search"   // score a setting of a search; one a setting and rung
	TaskBuild    TaskKind = "build"    // build a trial; one a candidate
	TaskEvaluate TaskKind = "evaluate" // judge; one a round
)

// The queues that always exist.
const (
	QueueDefault = "default"
	QueueJudge   = "judge" // snapshot and evaluation tasks: for nodes that may see source and labels
)

// Task is work for one worker. Its ID follows from what it asks, so that publishing it twice is harmless.
type Task struct {
	Run       string   `json:"run"`
	Kind      TaskKind `json:"kind"`
	Candidate string   `json:"candidate,omitempty"` // TaskBuild, TaskSearch
	Setting   int      `json:"setting,omitempty"`   // TaskSearch: which, from 1
	Rung      int      `json:"rung,omitempty"`      // TaskSearch: in which rung, from 1
	Round     int      `json:"round,omitempty"`     // TaskEvaluate
	Queue     string   `json:"queue"`
}

// Result is what a task left. It is recorded once per task; a second one is refused.
type Result struct {
	Task     Task          `json:"task"`
	Attempt  int           `json:"attempt"`
	Snapshot *Snapshot     `json:"snapshot,omitempty"` // TaskSnapshot, unless failed
	Rebuild  *Rebuild      `json:"rebuild,omitempty"`  // beside Snapshot, where the champion is to be built again
	Trial    *Trial        `json:"trial,omitempty"`    // TaskBuild, built or failed
	Setting  *SettingScore `json:"setting,omitempty"`  // TaskSearch, scored or failed
	Decision *Decision     `json:"decision,omitempty"` // TaskEvaluate
	// Failure says why a snapshot or an evaluation task has no result; "" for success.
	Failure string `json:"failure,omitempty"`
}

// Attempt is one try at a task: a lease. A worker writes it before it starts the work.
type Attempt struct {
	Task    Task      `json:"task"`
	Number  int       `json:"number"` // from 1
	Worker  string    `json:"worker"`
	Joined  bool      `json:"joined,omitempty"` // the worker is another process than the store's
	Started time.Time `json:"started"`
	// Failures counts the earlier attempts that failed by the trainer's own doing; the others lost
	// their worker, or failed for a fault of ours.
	Failures int `json:"failures,omitempty"`
	// Next is set once the attempt has failed or was given back: when the task is tried again.
	Next time.Time `json:"next,omitzero"`
	// Log is what the earlier attempts that failed by the trainer's own doing have printed, and, once
	// this one was stopped, what it had printed by then.
	Log Digest `json:"log,omitempty"`
	// Lost names the worker of the attempt before, where that one neither ended nor gave it back.
	Lost string `json:"lost,omitempty"`
	// Lease names the lease at the queue, for a process that takes over.
	Lease string `json:"lease,omitempty"`
}

// Event is something that a person may watch while a run goes on.
type Event struct {
	Time      time.Time `json:"time"`
	Run       string    `json:"run"`
	Kind      EventKind `json:"kind"`
	Candidate string    `json:"candidate,omitempty"`
	Attempt   int       `json:"attempt,omitempty"`  // that a trainer tells of, from 1
	Progress  float64   `json:"progress,omitempty"` // 0 to 1
	Message   string    `json:"message,omitempty"`
}

// MaxLogText bounds the Message of an EventLog, in bytes.
const MaxLogText = 32 << 10

// MaxLog bounds the log of a trial, in bytes: no attempt keeps more of what it prints.
const MaxLog = 4 << 20

// EventKind classifies an event.
type EventKind string

// The kinds of events.
const (
	EventPhase    EventKind = "phase"    // the run entered the phase in Message
	EventStarted  EventKind = "started"  // a trial's attempt began
	EventProgress EventKind = "progress" // a trial's progress or, without a candidate, that of the phase
	EventBuilt    EventKind = "built"    // a trial ended well
	EventFailed   EventKind = "failed"   // a trial ended badly, for the reason in Message
	EventRetry    EventKind = "retry"    // a trial's attempt failed, for the reason in Message, and is tried again
	EventLog      EventKind = "log"      // a trial's build wrote Message
	EventWaiting  EventKind = "waiting"  // a trial waits for a queue that no worker serves
	EventVerdict  EventKind = "verdict"  // the run ended; Message is the verdict, a colon and the reason
)
