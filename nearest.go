package bakeoff

import "strings"

// Nearest returns the known word that a person most likely meant by word, for a "did you mean",
// or "" where none is near. Near means an edit distance of at most half the longer word's
// length, by Levenshtein's measure, ignoring case; of equals the first.
func Nearest(word string, known []string) string {
	best, bestDistance := "", -1
	for _, k := range known {
		d := editDistance(strings.ToLower(word), strings.ToLower(k))
		if d*2 <= max(len(word), len(k)) && (bestDistance < 0 || d < bestDistance) {
			best, bestDistance = k, d
		}
	}
	return best
}

// editDistance counts the insertions, deletions and substitutions of bytes that turn a into b.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost = 1 + min(diagonal, row[j], row[j+1])
			}
			diagonal, row[j+1] = row[j+1], cost
		}
	}
	return row[len(b)]
}
