package dataset

import "bytes"

const sampleRecords = 50 // how many records at most decide the delimiter

// detectDelimiter returns which of comma, semicolon, tab and pipe splits the most records of the
// sample into as many cells as the header has; of equals the one that makes the most cells.
func detectDelimiter(sample []byte) byte {
	best, bestScore := byte(','), 0
	for _, comma := range []byte{',', ';', '\t', '|'} {
		cells := countCells(sample, comma)
		if len(cells) == 0 || cells[0] < 2 {
			continue
		}
		alike := 0
		for _, n := range cells {
			if n == cells[0] {
				alike++
			}
		}
		if score := alike*maxRecord + cells[0]; score > bestScore {
			best, bestScore = comma, score
		}
	}
	return best
}

// countCells returns the number of cells of the first records in a sample. The last record of a
// sample may be cut; it counts only if it is the only one.
func countCells(sample []byte, comma byte) []int {
	var counts []int
	cells, quoted := 1, false
	for _, b := range sample {
		switch {
		case b == '"':
			quoted = !quoted
		case quoted:
		case b == comma:
			cells++
		case b == '\n':
			counts = append(counts, cells)
			cells = 1
		}
		if len(counts) == sampleRecords {
			return counts
		}
	}
	if len(counts) == 0 && len(bytes.TrimSpace(sample)) > 0 {
		counts = append(counts, cells)
	}
	return counts
}
