package wire

import (
	"fmt"
	"strings"

	"github.com/bakeoffhq/bakeoff"
)

// readRows reads {"rows": [{...}]}.
func (r *Request) readRows() error {
	s := &r.scan
	given := false
	err := s.object(func(name string) error {
		if name != "rows" {
			return unknownField(name, "rows")
		}
		if given {
			return bakeoff.Errorf(bakeoff.CodeInvalid, `"rows" is given twice`)
		}
		given = true
		return r.readRecords()
	})
	if err != nil {
		return err
	}
	if !given {
		return bakeoff.Errorf(bakeoff.CodeInvalid, `the request has no "rows"`).WithHint(`send {"rows": [{"COLUMN": VALUE, ...}]}`)
	}
	return s.end()
}

// object reads an object and calls each for each member, which is to read its value.
func (s *scanner) object(each func(name string) error) error {
	if err := s.open('{'); err != nil {
		return err
	}
	for first := true; ; first = false {
		more, err := s.more(first, '}')
		if err != nil || !more {
			return err
		}
		name, err := s.key()
		if err != nil {
			return err
		}
		if err := each(string(name)); err != nil {
			return err
		}
	}
}

// list reads a list and calls each for each item, numbered from 0, which is to read it.
func (s *scanner) list(each func(i int) error) error {
	if err := s.open('['); err != nil {
		return err
	}
	for i := 0; ; i++ {
		more, err := s.more(i == 0, ']')
		if err != nil || !more {
			return err
		}
		if err := each(i); err != nil {
			return err
		}
	}
}

func unknownField(name string, known ...string) error {
	err := bakeoff.Errorf(bakeoff.CodeInvalid, "unknown field %q", cut(name))
	if meant := bakeoff.Nearest(cut(name), known); meant != "" {
		return err.WithHint("did you mean %q?", meant)
	}
	return err.WithHint("the fields are %s", list(known))
}

// cut shortens a name that a request made up.
func cut(name string) string { return name[:min(len(name), 80)] }

// list writes names in quotes, at most twenty of them.
func list(names []string) string {
	const most = 20
	var b strings.Builder
	for i, name := range names[:min(len(names), most)] {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "%q", name)
	}
	if len(names) > most {
		fmt.Fprintf(&b, " and %d more", len(names)-most)
	}
	return b.String()
}

// readRecords reads a list of rows, each an object of its columns.
func (r *Request) readRecords() error {
	s := &r.scan
	if s.peek() != '[' {
		return bakeoff.Errorf(bakeoff.CodeInvalid, "a list of rows is wanted at byte %d", s.at).
			WithHint(`send [{"COLUMN": VALUE, ...}]`)
	}
	s.at++
	for first := true; ; first = false {
		more, err := s.more(first, ']')
		if err != nil || !more {
			return err
		}
		if err := r.readRecord(); err != nil {
			return err
		}
	}
}

// readRecord reads one row.
func (r *Request) readRecord() error {
	s, g := &r.scan, r.columns
	if err := g.openRow(); err != nil {
		return err
	}
	if c := s.peek(); c != '{' {
		if _, err := s.skip(); err != nil {
			return err
		}
		return bakeoff.Errorf(bakeoff.CodeInvalid, "row %d: %s, but an object of columns is wanted", g.table.Rows, describe(c))
	}
	s.at++
	next, given := 0, 0
	for first := true; ; first = false {
		more, err := s.more(first, '}')
		if err != nil {
			return err
		}
		if !more {
			return g.closeRow(given)
		}
		name, err := s.key()
		if err != nil {
			return err
		}
		column, err := r.find(name, next)
		if err != nil {
			return err
		}
		if err := g.give(column); err != nil {
			return err
		}
		if err := g.cell(s, column); err != nil {
			return err
		}
		next, given = column+1, given+1
	}
}

// find returns the position of a column, looking first where it most likely is.
func (r *Request) find(name []byte, next int) (int, error) {
	if next < len(r.codec.names) && r.codec.names[next] == string(name) {
		return next, nil
	}
	column, known := r.codec.position[string(name)]
	if !known {
		return 0, r.codec.unknownColumn(fmt.Sprintf("row %d, column", r.columns.table.Rows), string(name))
	}
	return column, nil
}

// unknownColumn is the error for a column that the model does not have; where says what has it.
func (c *Codec) unknownColumn(where, name string) error {
	if name == c.schema.Target {
		return bakeoff.Errorf(bakeoff.CodeInvalid, "%s %q: this is the target, which is to be predicted", where, name).WithHint("leave it out")
	}
	err := bakeoff.Errorf(bakeoff.CodeInvalid, "%s %q: the model has no such column", where, cut(name))
	if meant := bakeoff.Nearest(cut(name), c.names); meant != "" {
		return err.WithHint("did you mean %q?", meant)
	}
	return err.WithHint("the columns are %s", list(c.names))
}
