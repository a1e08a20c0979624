package dataset

import (
	"path/filepath"
	"strings"

	"github.com/bakeoffhq/bakeoff"
)

// Format is the form of a file of rows.
type Format string

// The formats of rows to score.
const (
	FormatCSV     Format = "csv"
	FormatParquet Format = "parquet"
)

// Stream is the path of stdin and stdout.
const Stream = "-"

// FormatOf returns the format of a file by the ending of its name: Parquet for .parquet and .pq, CSV
// for all others. That of Stream is the one given, CSV for "".
func FormatOf(path string, stream Format) (Format, error) {
	if path == Stream {
		switch stream {
		case "", FormatCSV:
			return FormatCSV, nil
		case FormatParquet:
			return FormatParquet, nil
		}
		return "", bakeoff.Errorf(bakeoff.CodeInvalid, "there is no format %q", string(stream)).WithHint("the formats are csv and parquet")
	}
	switch strings.ToLower(filepath.Ext(path)) {
	case ".parquet", ".pq":
		return FormatParquet, nil
	}
	return FormatCSV, nil
}
