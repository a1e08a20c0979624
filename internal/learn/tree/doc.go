// Package tree turns columns of numbers and category codes into ensembles of decision trees, by
// gradient boosting or as a random forest, and columns into predictions.
//
// Both learners see a column as at most 255 bins and one more for missing values. Every sum that
// decides a split is a sum of integers: it does not depend on the order of its terms, so the same
// seed gives the same trees, to the last bit, whatever the number of threads.
//
// Boosting adds one word to a bin for each row, in which both derivatives and the number of rows have
// their places (packing), to the tables of eight lanes at a time (matrix): the smaller child's
// histogram is counted, the larger one's is what remains of the parent's. What the words round away
// is less than the noise of the rows, and a leaf's answer is computed without them.
//
// What was tried for boosting and did not pay: tables that lie a cache line further apart, two rows in a
// turn of the inner loop, and the words of a row side by side, also with 900,000 rows.
package tree
