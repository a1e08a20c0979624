package notify

import (
	"fmt"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/plain"
)

// worn warns that a holdout has decided often: once for so many uses and not every night, so that
// it is read.
func (m message) worn() string {
	u := m.note.Report.Holdout
	if u == nil || !u.Worn() || u.Uses%bakeoff.WornHoldout != 0 {
		return ""
	}
	return fmt.Sprintf("this holdout has decided %s times since %s. %s", plain.Count(u.Uses), m.moment(u.Since), u.Advice())
}
