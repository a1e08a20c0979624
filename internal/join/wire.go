package join

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/natsd"
)

const (
	prefix  = "bakeoff.join.v1."
	changed = prefix + "changed"

	// anyone stands in a subject for the digest of a secret where there is none.
	anyone = "anyone"

	// chunkSize is how much of a file one message carries.
	chunkSize = 512 << 10

	beatEvery = 3 * time.Second
	leaseWait = 20 * time.Second // how long the node waits for a task on behalf of a client
	leaseLife = 15 * time.Second // how long a lease holds without an extension
)

// The calls.
const (
	callHello    = "hello"
	callBeat     = "beat"
	callLeave    = "leave"
	callLease    = "lease"
	callCancel   = "cancel" // of a lease call that waits
	callExtend   = "extend"
	callRelease  = "release"
	callDone     = "done"
	callRun      = "run"
	callResult   = "hasresult"
	callBegin    = "begin"
	callEnd      = "end"
	callPostpone = "postpone"
	callReturn   = "return"
	callGet      = "get"
	callPut      = "put"
	callEvent    = "event"

	callModels   = "models"
	callVersion  = "version"
	callGolden   = "golden"
	callArtifact = "artifact"
	callServing  = "serving"
)

// hold names a lease, and the attempt at it where one has begun.
type hold struct {
	Lease string `json:"lease"`
	Token uint64 `json:"token,omitempty"`
}

// greeting says who a client is.
type greeting struct {
	Worker bakeoff.WorkerInfo `json:"worker"`
	Clock  time.Time          `json:"clock"`
}

// welcome is what a node says of itself, and whether the client is to take no more tasks.
type welcome struct {
	Version string    `json:"version"`
	Clock   time.Time `json:"clock"`
	Drain   bool      `json:"drain,omitempty"`
}

type leaseAsk struct {
	Version string `json:"version"`
	Queue   string `json:"queue"`
	Poll    string `json:"poll"` // names this call for cancel
}

type leaseAnswer struct {
	Lease string        `json:"lease,omitempty"` // "" if no task came
	Task  *bakeoff.Task `json:"task,omitempty"`
}

type releaseAsk struct {
	hold
	Delay time.Duration `json:"delay"`
}

type runAsk struct {
	Holds []hold `json:"holds"` // at tasks of one run
}

type resultAnswer struct {
	Ended bool `json:"ended"`
}

type attemptAnswer struct {
	Attempt bakeoff.Attempt `json:"attempt"`
	Token   uint64          `json:"token"`
	Wait    time.Duration   `json:"wait,omitempty"` // until Attempt.Next
}

type endAsk struct {
	hold
	Trial    bakeoff.Trial         `json:"trial"`
	Setting  *bakeoff.SettingScore `json:"setting,omitempty"`  // in place of Trial, for a setting
	Receipts []string              `json:"receipts,omitempty"` // for the trial's artifact and log
}

type postponeAsk struct {
	hold
	Delay    time.Duration  `json:"delay"`
	Failures int            `json:"failures"`
	Log      bakeoff.Digest `json:"log,omitempty"`
	Receipts []string       `json:"receipts,omitempty"` // for the log
}

type getAsk struct {
	hold
	Digest bakeoff.Digest `json:"digest"`
	Offset int64          `json:"offset"`
}

type getAnswer struct {
	Size int64 `json:"size"`
}

type putAsk struct {
	hold
	Digest bakeoff.Digest `json:"digest"`
	Size   int64          `json:"size"`
	Offset int64          `json:"offset"`
}

// putAnswer says from where on bytes are missing.
type putAnswer struct {
	Next    int64  `json:"next"`
	Stored  bool   `json:"stored,omitempty"`
	Receipt string `json:"receipt,omitempty"` // once it is stored
}

type eventAsk struct {
	hold
	Event bakeoff.Event `json:"event"`
}

type versionAsk struct {
	Model   string `json:"model"`
	Version int    `json:"version"`
	Offset  int64  `json:"offset,omitempty"` // of the artifact
}

type modelsAnswer struct {
	Models []bakeoff.Model `json:"models"`
}

type servingReport struct {
	Serving []bakeoff.Serving `json:"serving"`
}

// answer is what a node replies: a fault, or what was asked for.
type answer struct {
	Fault *fault          `json:"fault,omitempty"`
	Body  json.RawMessage `json:"body,omitempty"`
}

// fault is an error on its way to another process.
type fault struct {
	Code    bakeoff.Code `json:"code"`
	Message string       `json:"message"`
	Hint    string       `json:"hint,omitempty"`
	Lost    bool         `json:"lost,omitempty"` // the lease is another's by now
}

func faultOf(err error) *fault {
	return &fault{
		Code: bakeoff.CodeOf(err), Message: err.Error(), Hint: bakeoff.HintOf(err),
		Lost: errors.Is(err, bakeoff.ErrLeaseLost),
	}
}

func (f *fault) err() error {
	e := &bakeoff.Error{Code: f.Code, Message: f.Message, Hint: f.Hint}
	if f.Lost {
		e.Err = bakeoff.ErrLeaseLost
	}
	return e
}

// pack joins a line of JSON and content.
func pack(line any, content []byte) ([]byte, error) {
	b, err := json.Marshal(line)
	if err != nil {
		return nil, fmt.Errorf("write a message: %w", err)
	}
	return append(append(b, '\n'), content...), nil
}

// unpack is the inverse of pack. JSON as it is marshalled has no line break in it.
func unpack(message []byte, line any) (content []byte, err error) {
	head, content, _ := bytes.Cut(message, []byte{'\n'})
	if err := json.Unmarshal(head, line); err != nil {
		return nil, bakeoff.Errorf(bakeoff.CodeInvalid, "read a message: %w", err)
	}
	return content, nil
}

var wireName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

// nameOnWire returns name with every character replaced that cannot stand in a subject.
func nameOnWire(name string) string {
	clean := []byte(name)
	for i, c := range clean {
		if !wireName.Match([]byte{c}) {
			clean[i] = '-'
		}
	}
	return string(clean[:min(len(clean), 64)])
}

// keyOf names a secret without telling it.
func keyOf(secret string) string {
	if secret == "" {
		return anyone
	}
	return strings.TrimPrefix(string(bakeoff.DigestOf([]byte(secret))), "sha256:")
}

func inboxOf(key, name string) string { return "_INBOX." + key + "." + name }

func rightsOf(key, name string) natsd.Rights {
	return natsd.Rights{
		Publish:   []string{prefix + "*." + key + "." + name},
		Subscribe: []string{inboxOf(key, name) + ".>", changed},
	}
}
