package wire

import (
	"fmt"
	"slices"
	"strings"

	"github.com/bakeoffhq/bakeoff"
)

// maxFields bounds how many fields an object other than a row may have.
const maxFields = 64

// span is where a value is in the request.
type span struct {
	name  string
	begin int
}

// fields reads an object whose members may come in any order and finds where their values are.
func (s *scanner) fields() ([]span, error) {
	var found []span
	err := s.object(func(name string) error {
		s.peek()
		found = append(found, span{cut(name), s.at})
		if len(found) > maxFields {
			return bakeoff.Errorf(bakeoff.CodeInvalid, "an object has more than %d fields", maxFields)
		}
		_, err := s.skip()
		return err
	})
	return found, err
}

// inputFields are the names under which MLflow's scoring server takes rows.
var inputFields = []string{"dataframe_split", "dataframe_records", "instances", "inputs"}

// readInvocation reads a request of MLflow's scoring server: one of the input fields, and
// parameters, which built-in models do not have and which are passed over.
func (r *Request) readInvocation() error {
	s := &r.scan
	if s.peek() != '{' {
		return bakeoff.Errorf(bakeoff.CodeInvalid, "The input must be a JSON dictionary with exactly one of the input fields %s", pythonList(inputFields, "{}"))
	}
	all, err := s.fields()
	if err != nil {
		return err
	}
	if err := s.end(); err != nil {
		return err
	}
	given := slices.DeleteFunc(slices.Clone(all), func(f span) bool { return f.name == "params" })
	if len(given) != 1 || !slices.Contains(inputFields, given[0].name) {
		names := make([]string, len(all))
		for i, f := range all {
			names[i] = f.name
		}
		return bakeoff.Errorf(bakeoff.CodeInvalid,
			"The input must be a JSON dictionary with exactly one of the input fields %s. Received dictionary with input fields: %s",
			pythonList(inputFields, "{}"), pythonList(names, "[]"))
	}
	s.at = given[0].begin
	switch given[0].name {
	case "dataframe_split":
		return r.readSplit()
	case "dataframe_records":
		return r.readRecords()
	case "inputs":
		if s.peek() == '{' {
			return r.readInputColumns()
		}
	}
	return r.readInstances()
}

// pythonList writes names as Python writes a set or a list.
func pythonList(names []string, brackets string) string {
	quoted := make([]string, len(names))
	for i, name := range names {
		quoted[i] = "'" + strings.Trim(fmt.Sprintf("%q", name), `"`) + "'"
	}
	return brackets[:1] + strings.Join(quoted, ", ") + brackets[1:]
}

// readSplit reads {"columns": [...], "data": [[...]]}; an index is passed over.
func (r *Request) readSplit() error {
	s := &r.scan
	if s.peek() != '{' {
		return bakeoff.Errorf(bakeoff.CodeInvalid, "dataframe_split is %s, but an object is wanted", describe(s.peek()))
	}
	fields, err := s.fields()
	if err != nil {
		return err
	}
	columns, data := -1, -1
	for _, f := range fields {
		switch f.name {
		case "columns":
			columns = f.begin
		case "data":
			data = f.begin
		case "index":
		default:
			return unknownField(f.name, "columns", "data", "index")
		}
	}
	if columns < 0 || data < 0 {
		return bakeoff.Errorf(bakeoff.CodeInvalid, `dataframe_split needs "columns" and "data"`)
	}
	s.at = columns
	positions, err := r.readNames()
	if err != nil {
		return err
	}
	s.at = data
	return s.list(func(int) error { return r.readValues(positions) })
}

// readNames reads the list of columns that rows are given in.
func (r *Request) readNames() ([]int, error) {
	s := &r.scan
	var positions []int
	err := s.list(func(int) error {
		name, err := s.string()
		if err != nil {
			return err
		}
		column, known := r.codec.position[string(name)]
		if !known {
			return r.codec.unknownColumn("column", string(name))
		}
		if slices.Contains(positions, column) {
			return bakeoff.Errorf(bakeoff.CodeInvalid, "column %q is given twice", name)
		}
		positions = append(positions, column)
		return nil
	})
	return positions, err
}

// readValues reads a row as a list of the values of columns.
func (r *Request) readValues(columns []int) error {
	s, g := &r.scan, r.columns
	if err := g.openRow(); err != nil {
		return err
	}
	if c := s.peek(); c != '[' {
		if _, err := s.skip(); err != nil {
			return err
		}
		return bakeoff.Errorf(bakeoff.CodeInvalid, "row %d: %s, but a list of values is wanted", g.table.Rows, describe(c))
	}
	given := 0
	err := s.list(func(i int) error {
		if i >= len(columns) {
			return r.wrongLength(len(columns))
		}
		given++
		if err := g.give(columns[i]); err != nil {
			return err
		}
		return g.cell(s, columns[i])
	})
	if err != nil {
		return err
	}
	if given != len(columns) {
		return r.wrongLength(len(columns))
	}
	return g.closeRow(given)
}

func (r *Request) wrongLength(columns int) error {
	return bakeoff.Errorf(bakeoff.CodeInvalid, "row %d: it does not have %d values, one for each column", r.columns.table.Rows, columns)
}

// readInstances reads a list of rows: objects, or lists of values in the order of the model's
// columns, or the values themselves if the model has one column.
func (r *Request) readInstances() error {
	s, g := &r.scan, r.columns
	if s.peek() != '[' {
		return bakeoff.Errorf(bakeoff.CodeInvalid, "%s, but a list of rows is wanted", describe(s.peek()))
	}
	order := make([]int, len(r.codec.names))
	for i := range order {
		order[i] = i
	}
	return s.list(func(i int) error {
		switch c := s.peek(); {
		case c == '{':
			return r.readRecord()
		case c == '[':
			return r.readValues(order)
		case len(order) != 1:
			return bakeoff.Errorf(bakeoff.CodeInvalid, "row %d: %s, but the model has %d columns", i+1, describe(c), len(order))
		}
		if err := g.openRow(); err != nil {
			return err
		}
		if err := g.give(0); err != nil {
			return err
		}
		return g.cell(s, 0)
	})
}

// readInputColumns reads an object of columns, each a list of values.
func (r *Request) readInputColumns() error {
	s, g := &r.scan, r.columns
	err := s.object(func(name string) error {
		column, known := r.codec.position[name]
		if !known {
			return r.codec.unknownColumn("column", name)
		}
		if err := g.give(column); err != nil {
			return err
		}
		if c := s.peek(); c != '[' {
			return bakeoff.Errorf(bakeoff.CodeInvalid, "column %q: %s, but a list of values is wanted", name, describe(c))
		}
		return s.list(func(int) error {
			if err := g.add(column); err != nil {
				return err
			}
			return g.cell(s, column)
		})
	})
	if err != nil {
		return err
	}
	return g.closeColumns()
}
