package cli

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/app"
)

func (s *shell) initCommand() *cobra.Command {
	var name, data, target string
	c := &cobra.Command{
		Use: "init [FILE]", Short: "Write a pipeline file to start from", Args: cobra.MaximumNArgs(1),
		Long: `Init writes a commented pipeline file, ./bakeoff.yaml or FILE, for a CSV file
beside it: the one that --data names, or the only one of the folder.`,
		RunE: func(c *cobra.Command, args []string) error {
			path := defaultFile
			if len(args) > 0 {
				path = args[0]
			}
			if err := guess(filepath.Dir(path), &name, &data, &target); err != nil {
				return err
			}
			text, err := app.PipelineTemplate(c.Context(), filepath.Dir(path), name, data, target)
			if err != nil {
				return err
			}
			return s.init(path, text)
		},
	}
	c.Flags().StringVar(&name, "name", "", "name of the pipeline (default: the data file's)")
	c.Flags().StringVar(&data, "data", "", "the CSV file to learn from")
	c.Flags().StringVar(&target, "target", "", "the column to predict (default: the last)")
	return c
}

func (s *shell) init(path, text string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, fs.ErrExist) {
		return bakeoff.Errorf(bakeoff.CodeInvalid, "%s exists and is left as it is", path).WithHint("name another file, or `%s check %s`", typed(), path)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	_, err = f.WriteString(text)
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if s.json {
		return writeJSON(s.stdout, map[string]string{"file": path})
	}
	fmt.Fprintf(s.stdout, "wrote %s\nnext: %s check %s, then %s run %s\n", path, typed(), path, typed(), path)
	return nil
}

// guess fills in what was not said from what lies in the folder of the pipeline file, and turns the
// data's path into one that starts there.
func guess(dir string, name, data, target *string) error {
	if *data == "" {
		found, err := filepath.Glob(filepath.Join(dir, "*.csv"))
		if err != nil {
			return fmt.Errorf("look for data: %w", err)
		}
		if len(found) != 1 {
			return bakeoff.Errorf(bakeoff.CodeInvalid, "there are %d CSV files in %s: say which one to learn from", len(found), dir).WithHint("--data FILE.csv --target COLUMN")
		}
		*data = found[0]
	}
	if *target == "" {
		column, err := lastColumn(*data)
		if err != nil {
			return err
		}
		*target = column
	}
	if *name == "" {
		*name = nameOf(*data)
	}
	if !bakeoff.ValidName(*name) {
		return bakeoff.Errorf(bakeoff.CodeInvalid, "%q cannot name a pipeline", *name).WithHint("--name: lower-case letters, digits, - and _, at most 63")
	}
	if filepath.IsAbs(*data) {
		return nil
	}
	relative, err := relativeTo(dir, *data)
	if err != nil {
		return fmt.Errorf("find %s from %s: %w", *data, dir, err)
	}
	*data = filepath.ToSlash(relative)
	return nil
}

// relativeTo turns a path that starts in the working folder into one that starts in dir.
func relativeTo(dir, path string) (string, error) {
	from, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	to, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	return filepath.Rel(from, to)
}

// lastColumn returns the name of a CSV file's last column.
func lastColumn(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", bakeoff.Errorf(bakeoff.CodeInvalid, "read %s: %w", path, err).WithHint("--data names the CSV file to learn from")
	}
	defer func() { _ = f.Close() }() // read only
	r := csv.NewReader(f)
	r.FieldsPerRecord = -1
	header, err := r.Read()
	if err != nil || len(header) < 2 {
		return "", bakeoff.Errorf(bakeoff.CodeInvalid, "%s has no header of two columns or more that commas separate", path).WithHint("say what to predict with --target COLUMN")
	}
	return header[len(header)-1], nil
}

// nameOf makes a pipeline's name of a file's.
func nameOf(path string) string {
	base := strings.ToLower(strings.TrimSuffix(filepath.Base(path), filepath.Ext(path)))
	name := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-' || r == '_' {
			return r
		}
		return '-'
	}, base)
	return strings.Trim(name, "-_")
}
