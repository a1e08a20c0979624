// Package tree turns columns of numbers and category codes into ensembles of decision trees, by
// gradient boosting or as a random forest, and columns into predictions.
//
// Both learners see a column as at most 255 bins and one more for missing values. Every sum that
// decides a split is a sum of integers: it does not depend on the order of its terms, so the same
// seed gives the same trees, to the last bit, whatever the number of threads.
package tree
