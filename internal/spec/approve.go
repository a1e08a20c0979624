package spec

import (
	"time"

	"github.com/bakeoffhq/bakeoff"
)

const (
	approveForm = "ask, or a mapping such as {within: 8h, then: keep}"

	// defaultApproval is how long a person has to approve of a promotion.
	defaultApproval = 24 * time.Hour
)

func approveSchema() object {
	s := mapping("A person is asked before a run promotes: ask, or a mapping that says how long, and what is done then.", object{
		"within": duration("How long a person has. Default 24h."),
		"then": choice("What is done when nobody has decided: keep (default) the champion, or promote all the same.",
			[]string{string(bakeoff.LapseKeep), string(bakeoff.LapsePromote)}),
	})
	s["type"], s["pattern"] = []string{"string", "object"}, "^ask$"
	return s
}

// approve reads whether a person is asked before a promotion; nil where nobody is.
func (d *decoder) approve(n *node) *bakeoff.Approval {
	if n == nil || n.bad {
		return nil
	}
	a := &bakeoff.Approval{Within: defaultApproval, Then: bakeoff.LapseKeep}
	if n.kind == kindText {
		if n.text != "ask" {
			d.node(n, didYouMean(n.text, []string{"ask"}), "%s is not %s", n.shown(), approveForm)
		}
		return a
	}
	if w := n.get("within"); w != nil {
		a.Within = d.duration(w, "time to approve", "leave approve out to ask nobody")
	}
	if t := n.get("then"); t != nil {
		a.Then = bakeoff.Lapse(t.str())
	}
	return a
}
