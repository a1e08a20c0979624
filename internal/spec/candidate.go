package spec

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/learn"
)

func (d *decoder) candidates(n *node) []bakeoff.Candidate {
	var all []bakeoff.Candidate
	lines := make(map[string]int)
	for _, item := range n.list() {
		c := d.candidate(item)
		all = append(all, c)
		name := item.get("name")
		first, twice := lines[c.Name]
		switch {
		case c.Name == "":
		case c.Name == bakeoff.BaselineName:
			d.node(name, "every leaderboard has a baseline of that name", "the name %q is reserved", c.Name)
		case c.Name == bakeoff.ChampionName:
			d.node(name, "the champion that is built again is called so", "the name %q is reserved", c.Name)
		case twice:
			d.node(name, "", "two candidates are named %s, the first in line %d", name.shown(), first)
		default:
			lines[c.Name] = name.line
		}
	}
	return all
}

func (d *decoder) candidate(n *node) bakeoff.Candidate {
	c := bakeoff.Candidate{
		Name:    d.name(n.get("name")),
		Trainer: n.get("trainer").str(),
		Params:  canonical(n.get("params")),
		Build:   d.argv(n.get("build")),
		Predict: d.argv(n.get("predict")),
	}
	limits := n.get("limits")
	c.Limits = bakeoff.Limits{
		Time:   d.duration(limits.get("time"), "time limit", "leave it out for no limit"),
		Memory: d.memory(limits.get("memory")),
	}
	c.Queue = d.queue(n.get("queue"))
	c.Retry = d.retry(n.get("retry"))
	c.Search = d.search(n.get("search"), n.get("params"), c.Trainer)
	switch c.Trainer {
	case "":
	case bakeoff.TrainerCommand:
		d.command(n)
	default:
		d.learner(n, c)
	}
	return c
}

// queue reads the name of the queue whose workers build a candidate.
func (d *decoder) queue(n *node) string {
	name := d.name(n)
	if name == bakeoff.QueueJudge {
		d.node(n, "it is for those who may see the holdout; name the queue otherwise", "the queue %q is reserved", name)
	}
	return name
}

const (
	maxAttempts    = 20
	maxBackoff     = time.Hour // it is doubled up to this, so a longer one would never be
	defaultBackoff = 30 * time.Second
)

// retry reads how often a trainer's own failure is tried again.
func (d *decoder) retry(n *node) bakeoff.Retry {
	r := bakeoff.Retry{Attempts: int(d.whole(n.get("attempts"), 1, maxAttempts))}
	if r.Attempts > 1 {
		r.Backoff = defaultBackoff
	}
	backoff, ok := n.entry("backoff")
	if !ok {
		return r
	}
	if n.get("attempts") == nil {
		d.node(backoff.key, "add attempts: 3", "there is nothing to wait for: without `attempts` a failure is not tried again")
	}
	r.Backoff = d.backoff(backoff.value)
	return r
}

// backoff reads a duration that may be zero.
func (d *decoder) backoff(n *node) time.Duration {
	if n.bad {
		return 0
	}
	v, ok := parseDuration(n.text)
	switch {
	case !ok:
		d.node(n, "", "%s is not %s", n.shown(), durationForm)
	case v < 0 || v > maxBackoff:
		d.node(n, "it is doubled before each later attempt", "the backoff %s is not from 0s to 1h", n.shown())
	}
	return v
}

// command checks what a candidate of the trainer "command" needs.
func (d *decoder) command(n *node) {
	for _, key := range []string{"build", "predict"} {
		if n.get(key) == nil {
			d.node(n.get("trainer"), "add "+key+": [python3, "+key+".py]", "the trainer command needs `%s`", key)
		}
	}
	if e, ok := n.entry("search"); ok {
		d.node(e.key, "what its parameters mean is the command's to know: let it choose among them, inside its training rows",
			"the trainer command has no `search`")
	}
}

// learner checks a candidate that a built-in learner builds.
func (d *decoder) learner(n *node, c bakeoff.Candidate) {
	for _, key := range []string{"build", "predict"} {
		if e, ok := n.entry(key); ok {
			d.node(e.key, "it belongs to trainer: command", "the trainer %s has no `%s`", c.Trainer, key)
		}
	}
	if d.task != "" && !learn.Fits(c.Trainer, d.task) {
		d.node(n.get("trainer"), "trainers for it: "+strings.Join(learnersFor(d.task), ", "),
			"the trainer %q does not fit the task %s", c.Trainer, d.task)
	}
	params := n.get("params")
	if params == nil || params.bad {
		return
	}
	if err := learn.Check(c.Trainer, c.Params); err != nil {
		d.params(c.Trainer, params, err)
	}
}

func learnersFor(task bakeoff.LearningTask) []string {
	var names []string
	for _, l := range learn.Learners() {
		if learn.Fits(l, task) {
			names = append(names, l)
		}
	}
	return names
}

// params records what is wrong with a learner's parameters, each at its own place.
func (d *decoder) params(learner string, params *node, err error) {
	faults := []error{err}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		faults = joined.Unwrap()
	}
	for _, fault := range faults {
		var p *learn.ParamError
		if !errors.As(fault, &p) {
			d.node(params, bakeoff.HintOf(fault), "%v", fault)
			continue
		}
		d.param(learner, params, p)
	}
}

// param records one fault at the parameter's value, or at its key where there is no such parameter.
func (d *decoder) param(learner string, params *node, fault *learn.ParamError) {
	e, ok := params.entry(fault.Param)
	switch {
	case !ok:
		d.node(params, fault.Hint, "%s", fault.Message)
	case e.key.bad || e.value.bad:
	case !hasParameter(learner, fault.Param):
		d.node(e.key, fault.Hint, "%s", fault.Message)
	case e.value.variable():
		// The learner's message quotes the value.
		d.node(e.value, "", "the value of %s is not legal for the parameter %q", e.value.shown(), fault.Param)
	default:
		d.node(e.value, fault.Hint, "%s", fault.Message)
	}
}

func hasParameter(learner, name string) bool {
	return slices.ContainsFunc(learn.Parameters(learner), func(p learn.Parameter) bool { return p.Is(name) })
}

// canonical returns a mapping as JSON with its keys sorted and its numbers as written; nil for an
// empty one, which asks for the same as none.
func canonical(n *node) json.RawMessage {
	if n == nil || n.bad || len(n.entries) == 0 {
		return nil
	}
	text, err := json.Marshal(n.json())
	if err != nil {
		panic(err) // the tree holds nothing that JSON cannot say
	}
	return text
}

// json returns the value as encoding/json decodes it with UseNumber.
func (n *node) json() any {
	switch n.kind {
	case kindNumber:
		return json.Number(n.text)
	case kindList:
		list := make([]any, len(n.items))
		for i, item := range n.items {
			list[i] = item.json()
		}
		return list
	case kindMapping:
		m := make(map[string]any, len(n.entries))
		for _, e := range n.entries {
			m[e.key.text] = e.value.json()
		}
		return m
	}
	return n.any()
}

// argv reads a program and its arguments. No variables are put in: a command's own environment is
// not this file's, and a dollar sign among its arguments is for the command to read.
func (d *decoder) argv(n *node) []string {
	if n == nil || n.bad {
		return nil
	}
	argv := texts(n)
	if len(argv) > 0 && argv[0] == "" && !n.items[0].bad {
		d.node(n.items[0], "", "the program's name is empty")
	}
	return argv
}
