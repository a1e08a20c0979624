package api

import (
	"context"
	"io"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/client"
)

// Act is what a person does, for the record.
type Act struct {
	By  string // a token's name, or what the person is called on the node's machine
	Why string // in words; "" where none were given
}

// Start asks for a run.
type Start struct {
	Run     string // its ID; a run that has it already is the one that was asked for
	Quiet   bool   // nobody is notified
	Trigger bakeoff.Trigger
	By      string
}

// Node is what the API shows and does. Names that do not exist are errors with bakeoff.CodeNotFound.
// Lists may be nil where they are empty.
type Node interface {
	Pipelines
	Runs
	Models
	Upkeep
	Past
}

// Pipelines are the recipes of a node and their schedules.
type Pipelines interface {
	// Pipelines returns all of them by name.
	Pipelines(ctx context.Context) ([]client.Pipeline, error)
	// Pipeline returns one, also one that was removed.
	Pipeline(ctx context.Context, name string) (client.Pipeline, error)
	// Remove removes one, or says with bakeoff.CodeConflict what stands in the way. withModel takes its
	// model out of service too, also that of a pipeline that was removed before.
	Remove(ctx context.Context, name string, withModel bool, a Act) (client.PipelineRemoval, error)
	// Apply takes a pipeline file whose text must name the pipeline. Its path is absolute.
	Apply(ctx context.Context, name string, file client.PipelineText, by string) (client.Pipeline, error)
	// Upcoming returns the next n ticks, the earliest first, of all pipelines where the name is "".
	Upcoming(ctx context.Context, pipeline string, n int) ([]bakeoff.Upcoming, error)
	// Ticks returns what became of a pipeline's ticks, the newest first.
	Ticks(ctx context.Context, pipeline string, limit int) ([]bakeoff.Tick, error)
	// Pause returns the pause that stands then: an earlier one is left as it is.
	Pause(ctx context.Context, pipeline string, a Act) (bakeoff.Pause, error)
	// Resume lifts a pause and a hold, and says which there were.
	Resume(ctx context.Context, pipeline string, a Act) (client.Resumed, error)
}

// Runs are the runs of all pipelines.
type Runs interface {
	// History returns a pipeline's ended runs, the newest first.
	History(ctx context.Context, pipeline string, limit int) ([]client.RunReport, error)
	// Runs returns runs of all pipelines, the newest first.
	Runs(ctx context.Context, q client.RunQuery) ([]client.RunReport, error)
	// Run returns one run, ended or open.
	Run(ctx context.Context, id string) (client.RunReport, error)
	// StartRun starts the run s.Run of a pipeline unless it exists: a request may come twice. An ID that
	// another pipeline's run has is an error with bakeoff.CodeConflict.
	StartRun(ctx context.Context, pipeline string, s Start) error
	// RetryRun starts the run s.Run, which builds the failed trials of an ended run again, unless it exists.
	RetryRun(ctx context.Context, id string, s Start) error
	// CancelRun ends a run that has not come to its promotion.
	CancelRun(ctx context.Context, id string, a Act) error
	// Events hands out the events of a run that come after the numbered one, and returns nil after the
	// verdict's, or once the run has ended and no more are stored. It returns what each returned.
	Events(ctx context.Context, id string, after uint64, each func(client.Event) error) error
	// Logs hands out what the trials of a run wrote, in order for each trial; with q.Follow it returns when
	// they have ended, else when all that is there has been handed out. It returns what each returned.
	Logs(ctx context.Context, id string, q client.LogQuery, each func(client.LogEntry) error) error
	// ReportPage writes an ended run as one HTML page. It is called with a context that ends.
	ReportPage(ctx context.Context, id string, w io.Writer) error
}

// Models are the lines of versions.
type Models interface {
	// Models returns all of them by name.
	Models(ctx context.Context) ([]bakeoff.Model, error)
	Model(ctx context.Context, name string) (client.ModelVersions, error)
	// Promote is called with either p.Version or p.Candidate.
	Promote(ctx context.Context, model string, p client.Promotion, a Act) (bakeoff.Model, error)
	Rollback(ctx context.Context, model string, r client.Rollback, a Act) (bakeoff.Model, error)
	// Approve promotes what waits for approval, Reject has it not be promoted.
	Approve(ctx context.Context, model string, r client.Answer, a Act) (bakeoff.Model, error)
	Reject(ctx context.Context, model string, r client.Answer, a Act) (bakeoff.Model, error)
	// Acts returns what was done to a model other than by a run, the newest first.
	Acts(ctx context.Context, model string, limit int) ([]bakeoff.Act, error)
	// Artifact writes the archive of a version's files.
	Artifact(ctx context.Context, model string, version int, w io.Writer) error
	// Card returns what a version's artifact says of its model; one without is an error with
	// bakeoff.CodeNotFound.
	Card(ctx context.Context, model string, version int) (bakeoff.Card, error)
	// Serving returns where each model's champion answers, by model.
	Serving(ctx context.Context) ([]client.Live, error)
}

// Upkeep is what keeps a node going.
type Upkeep interface {
	// About describes the node.
	About(ctx context.Context) (client.Node, error)
	// Workers returns the workers by name.
	Workers(ctx context.Context) ([]bakeoff.WorkerInfo, error)
	DrainWorker(ctx context.Context, worker string, a Act) error
	// Undelivered returns messages that are owed or were refused, the oldest first.
	Undelivered(ctx context.Context) ([]client.Undelivered, error)
	// TestNotification sends a test message to each receiver of a pipeline, once.
	TestNotification(ctx context.Context, pipeline string, a Act) ([]bakeoff.Delivery, error)
	// Tokens returns the tokens by name.
	Tokens(ctx context.Context) ([]bakeoff.Token, error)
	// CreateToken returns the token with its secret. A name that is taken is an error with bakeoff.CodeConflict.
	CreateToken(ctx context.Context, t client.TokenRequest, by string) (client.NewToken, error)
	DeleteToken(ctx context.Context, name string, a Act) error
	// Backup writes an archive of the store.
	Backup(ctx context.Context, w io.Writer) error
	GC(ctx context.Context, r client.Retention, a Act) (client.Removed, error)
	Doctor(ctx context.Context) ([]client.Check, error)
}
