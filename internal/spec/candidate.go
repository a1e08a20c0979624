package spec

import (
	"encoding/json"
	"errors"
	"net/netip"
	"net/url"
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
	c.Limits.Time = d.duration(n.get("limits").get("time"))
	switch c.Trainer {
	case "":
	case bakeoff.TrainerCommand:
		d.command(n)
	default:
		d.learner(n, c)
	}
	return c
}

// command checks what a candidate of the trainer "command" needs.
func (d *decoder) command(n *node) {
	for _, key := range []string{"build", "predict"} {
		if n.get(key) == nil {
			d.node(n.get("trainer"), "add "+key+": [python3, "+key+".py]", "the trainer command needs `%s`", key)
		}
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
	return slices.ContainsFunc(learn.Parameters(learner), func(p learn.Parameter) bool { return p.Name == name })
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

func (d *decoder) duration(n *node) time.Duration {
	if n == nil || n.bad {
		return 0
	}
	v, err := time.ParseDuration(n.text)
	switch {
	case err != nil:
		d.node(n, "", "%s is not %s", n.shown(), durationForm)
	case v <= 0:
		d.node(n, "leave it out for no limit", "the time limit %s is not positive", n.shown())
	}
	return v
}

func (d *decoder) receiver(n *node) bakeoff.Receiver {
	r := bakeoff.Receiver{Slack: n.get("slack").str(), AllowPrivate: n.get("allow_private").truth()}
	if slack := n.get("slack"); slack != nil && !slack.bad {
		if message, hint := checkWebhook(slack.text, r.AllowPrivate); message != "" {
			d.node(slack, hint, "%s", message)
		}
	}
	return r
}

// truth returns the value of a boolean; false for everything else.
func (n *node) truth() bool { return n != nil && !n.bad && n.kind == kindBoolean && n.text == "true" }

// checkWebhook says what is wrong with the URL of a webhook, without a word of the URL itself:
// whoever knows it can write to the channel. The address that a name resolves to is checked by
// whoever connects.
func checkWebhook(text string, allowPrivate bool) (message, hint string) {
	u, err := url.Parse(text)
	switch {
	case err != nil, u.Scheme != "http" && u.Scheme != "https", u.Hostname() == "":
		return "this is not the URL of a webhook", "it looks like https://hooks.slack.com/services/..."
	case allowPrivate:
		return "", ""
	case private(u.Hostname()):
		return "the URL leads to a loopback or private address", "write allow_private: true beside it if that is meant"
	case u.Scheme == "http":
		return "the URL is not encrypted", "use https, or write allow_private: true beside it"
	}
	return "", ""
}

// private reports whether a host is this machine or an address that the internet does not route.
func private(host string) bool {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	a, err := netip.ParseAddr(host)
	if err != nil {
		return false
	}
	a = a.Unmap()
	return a.IsLoopback() || a.IsPrivate() || a.IsLinkLocalUnicast() || a.IsUnspecified() || a.IsMulticast()
}
