// Package judge turns the trials of a run, the champion and the holdout into a leaderboard and a
// decision.
//
// It alone has the labels of the holdout. All contestants answer the same rows: those that the
// champion or the challengers may have been trained on are set aside for everybody, and counted.
// Where any are, half of the holdout must be left, 50 rows, and 10 of each class that lost some. The
// baseline, which gives each row the classes' shares of the training rows or their mean target, is
// one of the contestants.
//
// Contestants are ranked by the objective metric. Of equals the champion is first, then the
// challengers by the size of their artifact and their name, then the baseline. A contestant that
// was not built, cannot be opened, or does not answer every row with probabilities or a number is
// not ranked, and its row says why.
//
// The verdict is the first of these that holds:
//
//	too few challengers were built and answer (at_least)     failed
//	the objective is not defined on the holdout              failed
//	a person rolled back, and the hold stands                kept
//	too much of the holdout was in the challengers'          kept; all are ranked on the whole
//	  training                                               holdout, the champion included
//	the champion cannot be compared: other rows, target,     kept; the challengers are ranked without
//	  classes, or a column gone, or too much of the          it, on the rows that they have not seen
//	  holdout was in its training
//	the champion cannot be opened or does not answer, or     kept
//	  it had to be built again and that failed
//	every challenger is stopped: by a floor, by a budget,    kept
//	  or by a slice in which it is worse than the champion
//	the challenger does not beat the baseline                kept
//	there is no champion                                     promoted
//	the challenger is not better than the champion, or       kept
//	  is as good
//	it is better, but not by what the gate asks for          kept
//	it is, but the champion cools down                       kept
//	it is                                                    promoted
//
// The challenger is the best by the objective of those that nothing stops: one that is stopped does
// not keep the next from being promoted. A floor on a metric that the holdout does not define is not
// passed, nor a budget for what was not measured. Nothing is ever compared in silence on other rows: where a comparison with
// the champion is not sound, it stays, and a person may promote by hand.
//
// A hold and a cool-down are looked at last, so that a decision names the challenger that passed the
// gate also where it is not promoted: a person may do that. The cool-down counts from the champion's
// move to the moment that the run is for, its tick or else its creation, and not to when it is judged.
// With `approve`, a decision to promote says so, and the registry asks a person first.
//
// Where the split rotates and the champion was trained on rows that this period holds out, its recipe
// is built again on the training rows of the run, and that is compared in its place: recipes are then
// compared, on rows that neither has seen. The version that is live stays the same where it is kept.
//
// # Noise
//
// With `gain: significant`, the default, better means better beyond noise, than the champion and
// than the baseline: by a paired test on identical rows (metric.Evidence.Compare), one-sided, its
// p-value corrected by Holm's method for the number of challengers that were ranked, at most one
// minus the judge's confidence. The challenger is then the best of those that are; where none is,
// the reason says that the judge cannot tell, and which gain it would have found. The correction
// holds whatever the challengers have in common, so that on a night on which none is truly better
// the chance of a promotion is at most one minus the confidence. With `any` or a margin, numbers
// decide as they stand.
//
// # Slices
//
// The rows are also judged in parts, by the values of the columns that the pipeline names. With
// `no_slice_worse_than`, a challenger is stopped by a slice in which its paired difference to the
// champion is a loss beyond the margin, as the number stands: a test that the loss is beyond noise
// would let through the more, the smaller the slices are, which is not what a person means who asks
// that nobody is worse off. The price is a false stop now and then, the more often the more slices
// there are and the fewer rows they have; the reason gives the interval. Slices in which nothing can
// be told (tooSmall) stop nobody.
//
// # Budgets
//
// What an answer takes is measured in the pass in which the contestants answer, by the runtime that
// serves them. It is part of the Case, so that a decision still follows from the case alone. Times
// never decide between equals.
package judge
