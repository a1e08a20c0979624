// Package bakeoff is the vocabulary of the product: the records, states, events and errors that
// its parts exchange. It knows no part, does no work beyond naming and checking, and imports the
// standard library alone.
//
// The words are used as follows. A pipeline declares candidates; a run executes one revision of
// it: a snapshot freezes the rows, every candidate becomes a trial that leaves an artifact, the
// judge ranks the trials, the champion and the baseline on the same holdout into a leaderboard,
// and the verdict says whether a challenger becomes the champion. A model is the line of versions
// that a pipeline has promoted; an alias is a movable name for one of them.
package bakeoff
