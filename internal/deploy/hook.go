package deploy

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/outbound"
	"github.com/bakeoffhq/bakeoff/internal/plain"
	"github.com/bakeoffhq/bakeoff/internal/proc"
)

// The kinds of hooks.
const (
	kindWebhook = "webhook"
	kindCommand = "command"
	kindCopy    = "copy"
)

// How long one try may take where the file does not say.
const (
	webhookTime = time.Minute
	commandTime = 10 * time.Minute
	copyTime    = time.Minute
)

func kind(h bakeoff.Hook) string {
	switch {
	case h.Webhook != "":
		return kindWebhook
	case len(h.Command) > 0:
		return kindCommand
	}
	return kindCopy
}

// A job is one hook of one deployment.
type job struct {
	bakeoff.Deployment
	dir  string // of the pipeline
	hook bakeoff.Hook
}

// try carries out a hook once.
func (d *Deployer) try(ctx context.Context, j job, repeat bool) outbound.Outcome {
	switch kind(j.hook) {
	case kindWebhook:
		return d.webhook(ctx, j, repeat)
	case kindCommand:
		return d.command(ctx, j)
	}
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(j.hook.Time, copyTime))
	defer cancel()
	return d.copy(ctx, j)
}

// payload is a deployment as a webhook gets it.
type payload struct {
	Type   string `json:"type"`
	Repeat bool   `json:"repeat"`
	bakeoff.Deployment
}

func (d *Deployer) webhook(ctx context.Context, j job, repeat bool) outbound.Outcome {
	body, err := json.Marshal(payload{"deployment", repeat, j.Deployment})
	if err != nil {
		return outbound.Refused("the deployment cannot be written: "+err.Error(), "")
	}
	return d.client.Send(ctx, outbound.Webhook{
		URL: j.hook.Webhook, Secret: j.hook.Secret, AllowPrivate: j.hook.AllowPrivate,
		ID: j.ID, Body: body, Timeout: cmp.Or(j.hook.Time, webhookTime),
	})
}

const (
	outputKept  = 4 << 10 // bytes of a command's output
	outputLines = 5       // of it, in the outcome
	outputLimit = 500     // characters, in the outcome
)

// command runs a command with the artifact's files beside it. A command that cannot be started is
// refused; one that fails is tried again.
func (d *Deployer) command(ctx context.Context, j job) (o outbound.Outcome) {
	scratch, err := os.MkdirTemp(d.scratch, "deploy-")
	if err != nil {
		return failed("make a folder for the artifact", err)
	}
	defer func() {
		if err := os.RemoveAll(scratch); err != nil {
			d.log.Warn("a folder cannot be removed", "deployment", j.ID, "error", err)
		}
	}()
	artifact := filepath.Join(scratch, "artifact")
	if err := os.Mkdir(artifact, 0o700); err != nil {
		return failed("make a folder for the artifact", err)
	}
	if err := d.artifacts(ctx, j.Version, artifact); err != nil {
		return failed("unpack the artifact", err)
	}
	output := proc.NewTail(outputKept)
	exit, err := proc.Run(ctx, proc.Command{
		Argv: j.hook.Command, Dir: j.dir, Env: environment(j, artifact),
		Stdout: output, Stderr: output, TimeLimit: cmp.Or(j.hook.Time, commandTime),
	})
	switch {
	case err != nil:
		return failed("run the command", err)
	case exit.Class == bakeoff.FailedStart:
		return outbound.Refused(plain.Line(exit.Reason()), "")
	case !exit.OK():
		return outbound.Outcome{State: bakeoff.DeliveryRetrying, Detail: said(exit.Reason(), output)}
	}
	return outbound.Outcome{State: bakeoff.DeliverySent, Detail: said("", output)}
}

// environment is all that a command sees of ours.
func environment(j job, artifact string) []string {
	env := []string{
		"BAKEOFF_MODEL_NAME=" + j.Version.Model,
		"BAKEOFF_VERSION=" + strconv.Itoa(j.Version.Version),
		"BAKEOFF_PREVIOUS=" + previous(j.Previous),
		"BAKEOFF_ARTIFACT=" + artifact,
		"BAKEOFF_RUN=" + j.Run,
	}
	for _, name := range []string{"PATH", "HOME", "LANG"} {
		if value, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+value)
		}
	}
	return env
}

// previous is the number of the champion before, "" where there was none.
func previous(version int) string {
	if version == 0 {
		return ""
	}
	return strconv.Itoa(version)
}

// said adds the last lines of a command's output to a reason.
func said(reason string, output *proc.Tail) string {
	var lines []string
	for line := range strings.Lines(string(output.Bytes())) {
		if line = plain.Line(line); line != "" {
			lines = append(lines, line)
		}
	}
	text := strings.Join(lines[max(0, len(lines)-outputLines):], " | ")
	if runes := []rune(text); len(runes) > outputLimit { // the end is what says why
		text = "…" + string(runes[len(runes)-outputLimit+1:])
	}
	if reason == "" || text == "" {
		return reason + text
	}
	return reason + ": " + text
}

// failed is the outcome of a fault of the machine or the store: tried again.
func failed(what string, err error) outbound.Outcome {
	detail := what + ": " + plain.Line(err.Error())
	if errors.Is(err, context.DeadlineExceeded) {
		detail = what + ": its time is up"
	}
	return outbound.Outcome{State: bakeoff.DeliveryRetrying, Detail: detail}
}
