package bakeoff

import "time"

// Approval says what becomes of a promotion that a person is asked about.
type Approval struct {
	Within time.Duration `json:"within"` // how long a person has
	Then   Lapse         `json:"then"`   // what is done when nobody has decided by then
}

// Lapse is what becomes of a promotion that nobody has decided about in time.
type Lapse string

// The outcomes of a lapse.
const (
	LapseKeep    Lapse = "keep"    // the champion stays
	LapsePromote Lapse = "promote" // the candidate is promoted
)

// Pending is a promotion that waits for a person's word: a challenger that the judge let pass. A model
// has one at most; a newer one takes its place, and it goes when the champion moves or is held.
type Pending struct {
	Run       string    `json:"run"`
	Candidate string    `json:"candidate"`
	Champion  int       `json:"champion,omitempty"` // that it was judged against; 0 for none
	Reason    string    `json:"reason"`             // the judge's
	Asked     time.Time `json:"asked"`
	Until     time.Time `json:"until"`
	Then      Lapse     `json:"then"` // what is done then
}

// ActKind says what kind of act it was.
type ActKind string

// The kinds of acts.
const (
	ActPromote  ActKind = "promote"
	ActRollback ActKind = "rollback"
	ActApprove  ActKind = "approve" // what waited for a person's word was promoted
	ActReject   ActKind = "reject"  // or was not
	ActTimeout  ActKind = "timeout" // nobody decided about it in time, and Lapse was done
	ActPause    ActKind = "pause"
	ActResume   ActKind = "resume"
	ActDrop     ActKind = "drop" // the model was taken out of service
)

// ByTimeout is who acts where nobody has.
const ByTimeout = "timeout"

// Act records something that was done to a model or its schedule by a person, or for want of one. It is
// written together with what it changes, and never changed or removed.
type Act struct {
	ID    string    `json:"id"` // of its model: the moment and four random characters
	Model string    `json:"model"`
	Kind  ActKind   `json:"act"`
	Time  time.Time `json:"time"`
	By    string    `json:"by"`            // a person, a token's name or ByTimeout
	Why   string    `json:"why,omitempty"` // in words
	// Version is the champion after it, Previous the one before; 0 for none.
	Version  int `json:"version,omitempty"`
	Previous int `json:"previous,omitempty"`
	// Run and Candidate name what a run has built, where it was about that.
	Run       string `json:"run,omitempty"`
	Candidate string `json:"candidate,omitempty"`
	// Forced says that the judge had not let it pass, and Overruled what the judge had said.
	Forced    bool   `json:"forced,omitempty"`
	Overruled string `json:"overruled,omitempty"`
	Hold      bool   `json:"hold,omitempty"` // runs keep the champion since
}
