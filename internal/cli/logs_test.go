package cli

import "testing"

// TestLastWritten shows lines that were written over and over, and came in pieces, as a terminal would.
func TestLastWritten(t *testing.T) {
	for name, tc := range map[string]struct {
		pieces []string
		want   string
	}{
		"a line":          {[]string{"tree 1/40\n"}, "tree 1/40"},
		"of Windows":      {[]string{"tree 1/40\r\n"}, "tree 1/40"},
		"a bar":           {[]string{"\r10%\r20%\r30%\n"}, "30%"},
		"a bar in pieces": {[]string{"10%\r", "20%\r3", "0%\r", "40%", "\r\n"}, "40%"},
		"nothing":         {[]string{"\n"}, ""},
	} {
		rest := ""
		last := len(tc.pieces) - 1
		for _, piece := range tc.pieces[:last] {
			rest = stillOpen(rest + piece)
		}
		if got := lastWritten(rest + tc.pieces[last]); got != tc.want {
			t.Errorf("%s: %q, want %q", name, got, tc.want)
		}
	}
}
