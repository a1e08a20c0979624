package dataset_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/dataset"
)

func TestKindsAreInferredFromTheWholeColumn(t *testing.T) {
	for _, tc := range []struct {
		cells string // separated by spaces; ~ is an empty cell
		want  bakeoff.Kind
	}{
		{"true FALSE True", bakeoff.KindBoolean},
		{"true false 1", bakeoff.KindCategory},
		{"yes no yes", bakeoff.KindCategory},
		{"1 0 1", bakeoff.KindInteger},
		{"-1 +2 ~", bakeoff.KindInteger},
		{"1 2 2.0", bakeoff.KindNumber},
		{"1 2 1e5", bakeoff.KindNumber},
		{"1 9007199254740993 2", bakeoff.KindNumber},
		{"1.5 Inf -Infinity", bakeoff.KindNumber},
		{"1e400 1 2", bakeoff.KindNumber},
		{"1 2 x", bakeoff.KindCategory},
		{"02134 10001 94105", bakeoff.KindCategory},
		{"0 0.5 -0", bakeoff.KindNumber},
		{"1 2 3,5", bakeoff.KindCategory},
		{"0x10 1 2", bakeoff.KindCategory},
		{"1_000 1 2", bakeoff.KindCategory},
		{". 1 2", bakeoff.KindCategory},
		{"1e 1 2", bakeoff.KindCategory},
		{"- 1 2", bakeoff.KindCategory},
		{"2024-01-02 2024-02-29 ?", bakeoff.KindDate},
		{"2024-01-02T03:04:05Z 2024-01-02T03:04:05.5+09:00 2024-01-02", bakeoff.KindDate},
		{"2024-01-02 2023-02-29 ?", bakeoff.KindCategory},
		{"2024-01-02 20240103 ?", bakeoff.KindCategory},
		{"01/02/2024 03/02/2024 ?", bakeoff.KindCategory},
		{"~ NA null", bakeoff.KindCategory},
		{"NaN nan 3", bakeoff.KindInteger},
	} {
		t.Run(tc.cells, func(t *testing.T) {
			var b strings.Builder
			b.WriteString("x;y;side\n")
			for i, cell := range strings.Fields(tc.cells) {
				fmt.Fprintf(&b, "%s;%d;train\n", strings.Trim(cell, "~"), i%2)
			}
			b.WriteString(";0;test\n;1;test\n")
			if got := inspect(t, source(t, b.String())).Schema.Columns[0].Kind; got != tc.want {
				t.Errorf("kind %s, want %s", got, tc.want)
			}
		})
	}
}

func TestStatedKinds(t *testing.T) {
	s := source(t, `flag,flag2,code,whole,late,y,side
1,yes,7,3.0,2024-01-02,0,train
0,no,07,1e2,2024-01-03,1,train
1,NO,8,2,?,0,test
0,true,9,5,?,1,test
`)
	s.Columns = map[string]bakeoff.Kind{
		"flag": bakeoff.KindBoolean, "flag2": bakeoff.KindBoolean, "code": bakeoff.KindCategory,
		"whole": bakeoff.KindInteger, "late": bakeoff.KindDate, "y": bakeoff.KindCategory,
	}
	f := freeze(t, s)
	want := &dataset.Table{Rows: 2, Columns: []dataset.Column{
		{Name: "flag", Kind: bakeoff.KindBoolean, Numbers: []float64{1, 0}},
		{Name: "flag2", Kind: bakeoff.KindBoolean, Numbers: []float64{1, 0}},
		{Name: "code", Kind: bakeoff.KindCategory, Codes: []int32{1, 0}, Levels: []string{"07", "7"}},
		{Name: "whole", Kind: bakeoff.KindInteger, Numbers: []float64{3, 100}},
		{Name: "late", Kind: bakeoff.KindDate, Numbers: []float64{1704153600, 1704240000}},
	}}
	diff(t, "rows", want, f.train.Table)
}

func TestTasksAndClasses(t *testing.T) {
	many := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, "1 %d\n2 %d\n", i, i)
		}
		return b.String()
	}
	numbers := make([]string, 20)
	for i := range numbers {
		numbers[i] = fmt.Sprint(i)
	}
	for _, tc := range []struct {
		name, rows string
		kind       bakeoff.Kind
		stated     bakeoff.LearningTask
		task       bakeoff.LearningTask
		classes    []string
	}{
		{name: "text", rows: "1 Yes\n2 No\n", task: bakeoff.Binary, classes: []string{"No", "Yes"}},
		{name: "income", rows: "1 >50K\n2 <=50K\n", task: bakeoff.Binary, classes: []string{"<=50K", ">50K"}},
		{name: "digits", rows: "1 1\n2 0\n", task: bakeoff.Binary, classes: []string{"0", "1"}},
		{name: "whole numbers", rows: "1 10.0\n2 9.0\n", task: bakeoff.Binary, classes: []string{"9", "10"}},
		{name: "booleans", rows: "1 TRUE\n2 False\n", task: bakeoff.Binary, classes: []string{"false", "true"}},
		{name: "dates", rows: "1 2024-01-02\n2 2023-01-02\n", task: bakeoff.Binary, classes: []string{"2023-01-02", "2024-01-02"}},
		{name: "numeric text", rows: "1 10\n2 9\n3 100\n", kind: bakeoff.KindCategory, task: bakeoff.Multiclass, classes: []string{"9", "10", "100"}},
		{name: "three", rows: "1 b\n2 a\n3 c\n", task: bakeoff.Multiclass, classes: []string{"a", "b", "c"}},
		{name: "twenty integers", rows: many(20), task: bakeoff.Multiclass, classes: numbers},
		{name: "twenty-one integers", rows: many(21), task: bakeoff.Regression},
		{name: "twenty integers, stated", rows: many(20), stated: bakeoff.Regression, task: bakeoff.Regression},
		{name: "two fractions", rows: "1 0.5\n2 1.5\n", task: bakeoff.Regression},
		{name: "two fractions, stated", rows: "1 0.5\n2 1.5\n", stated: bakeoff.Binary, task: bakeoff.Binary, classes: []string{"0.5", "1.5"}},
		{name: "codes, stated", rows: "1 007\n2 010\n", stated: bakeoff.Regression, task: bakeoff.Regression},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := source(t, sided(tc.rows, tc.rows))
			s.Task = tc.stated
			if tc.kind != "" {
				s.Columns = map[string]bakeoff.Kind{"y": tc.kind}
			}
			got := inspect(t, s).Schema
			if got.Task != tc.task || !cmp.Equal(got.Classes, tc.classes) {
				t.Errorf("task %s with classes %q, want %s with %q", got.Task, got.Classes, tc.task, tc.classes)
			}
		})
	}
}

func TestRowsWithoutALabelAreSetAside(t *testing.T) {
	s := source(t, sided("1 a\n2 b\n3 NA\n4 unknown\n", "1 a\n2 b\n3 ?\n"))
	s.Missing = []string{"unknown"}
	f := freeze(t, s)
	diff(t, "rows", bakeoff.Rows{Train: 2, Holdout: 2, SetAside: 3, MissingTarget: 3}, f.Rows)
	diff(t, "labels", bakeoff.Labels{Classes: []string{"a", "b"}, Codes: []int32{0, 1}}, f.train.Labels)

	f = freeze(t, source(t, sided("1 0.5\n2 inf\n3 1.5\n", "1 2.5\n2 NaN\n")))
	diff(t, "rows", bakeoff.Rows{Train: 2, Holdout: 1, SetAside: 2, MissingTarget: 2}, f.Rows)
	diff(t, "labels", bakeoff.Labels{Values: []float64{0.5, 1.5}}, f.train.Labels)
	diff(t, "notes", []string{`target "y": 1 values are not finite: the rows are set aside`}, f.Notes)
}

func TestTheSchemaComesFromTheTrainingRows(t *testing.T) {
	f := freeze(t, source(t, sided("a no\nb yes\n", "c no\nd yes\n? maybe\n? maybe\n")))
	diff(t, "columns", []bakeoff.ColumnSchema{{Name: "x", Kind: bakeoff.KindCategory, Categories: []string{"a", "b"}}}, f.Schema.Columns)
	diff(t, "classes", []string{"no", "yes"}, f.Schema.Classes)
	diff(t, "labels", []int32{0, 1, -1, -1}, f.holdout.Labels.Codes)
	if f.Schema.Task != bakeoff.Binary {
		t.Errorf("task %s, want binary", f.Schema.Task)
	}
	diff(t, "notes", []string{
		`2 holdout rows are of a class that no training row has ("maybe"): every contestant gets them wrong`,
		`column "x" is identical to the target: is it known before the target is?`,
	}, f.Notes)
}

func TestNotes(t *testing.T) {
	var b strings.Builder
	b.WriteString("constant,none,halfway,leak,number_leak,name,zip,fine,y,side\n")
	for i := range 2004 {
		side := "train"
		if i%4 > 1 {
			side = "test"
		}
		half := []string{"", "x"}[i/2%2] // missing in every training row
		fmt.Fprintf(&b, "7,NA,%s,%s,%d,name %d,%05d,%d,%d,%s\n", half, []string{"p", "q"}[i%2], 5-i%2, i, i, i%7, i%2, side)
	}
	b.WriteString("7,,,p,5,x,00001,Inf,rare,train\n")
	diff(t, "notes", []string{
		`target "y": of these classes there is one row only: "rare"`,
		`column "constant" is constant`,
		`column "none" has no values`,
		`column "halfway" has no values`,
		`column "leak" is identical to the target: is it known before the target is?`,
		`column "number_leak" is identical to the target: is it known before the target is?`,
		`column "name" has 1003 categories: is it a name, which tells rows apart and says nothing about new ones?`,
		`column "zip" has 1002 categories: is it a name, which tells rows apart and says nothing about new ones?`,
		`column "zip" holds digits with leading zeros and is taken as a category`,
		`column "fine": 1 values are not finite and taken as missing`,
	}, inspect(t, source(t, strings.Replace(b.String(), "p,5,x,00001,Inf,rare", "r,6,x,00001,Inf,rare", 1))).Notes)
}

func TestIgnoredColumnsAreNoFeatures(t *testing.T) {
	s := source(t, everyKind)
	s.Ignore = []string{"number", "time", "category"}
	diff(t, "features", []string{"integer", "boolean", "date"}, columnNames(inspect(t, s).Schema))
}
