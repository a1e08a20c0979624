// Package spec turns the text of a pipeline file into a bakeoff.Pipeline, or into every mistake
// in it at once, each with its line, its column and what was probably meant.
package spec

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/bakeoffhq/bakeoff"
)

// maxFile is the most bytes that a pipeline file may have.
const maxFile = 1 << 20

// Options say where a pipeline file's variables come from.
type Options struct {
	// LookupEnv returns the value of an environment variable; os.LookupEnv in production. Nil
	// stands for an empty environment.
	LookupEnv func(name string) (string, bool)
}

// Load reads the pipeline file at path. Variables come from the environment first, then from a
// file named .env beside it. The error is a *bakeoff.Error of code CodeInvalid; where the text is
// wrong, Mistakes is its cause.
func Load(path string, o Options) (*bakeoff.Pipeline, error) {
	text, err := read(path, maxFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, bakeoff.Errorf(bakeoff.CodeInvalid, "read pipeline file: %w", err).
			WithHint("`bakeoff init` writes a pipeline file")
	}
	if err != nil {
		return nil, bakeoff.Errorf(bakeoff.CodeInvalid, "read pipeline file: %w", err).
			WithHint("give the path of a pipeline file, a YAML file that may be read")
	}
	return Parse(path, filepath.Dir(path), text, o)
}

// Parse turns the text of a pipeline file into a pipeline; file is its name for messages, and
// relative paths in it start at dir. Variables come from the environment first, then from a file
// named .env in dir. The error is a *bakeoff.Error of code CodeInvalid whose cause is Mistakes.
//
// In the pipeline every default is filled in except the objective metric, which follows from the
// learning task and so from the data. Dir and Data.Source are absolute paths.
func Parse(file, dir string, text []byte, o Options) (*bakeoff.Pipeline, error) {
	r := &report{file: file}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, bakeoff.Errorf(bakeoff.CodeInvalid, "find the folder of %s: %w", file, err)
	}
	r.readText(text)
	root := readTree(r, &variables{environment: o.LookupEnv, dotenv: filepath.Join(dir, ".env")})
	if root == nil {
		return nil, r.err()
	}
	unexplained := checkShape(r, root)
	d := decoder{report: r, dir: dir}
	p := d.pipeline(root)
	explain(r, unexplained)
	if err := r.err(); err != nil {
		return nil, err
	}
	p.Revision = bakeoff.DigestOf(text)
	return p, nil
}

// read returns the content of a file, and at most one byte more than limit, so that a device or a
// data file given by accident is not read to its end.
func read(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, limit+1))
}
