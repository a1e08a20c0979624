package judge

import (
	"maps"
	"reflect"
	"slices"

	"github.com/bakeoffhq/bakeoff"
	"github.com/bakeoffhq/bakeoff/internal/answers"
	"github.com/bakeoffhq/bakeoff/internal/dataset"
)

// Try decides a kept case by other rules: by those it was decided by, but for what differs between two
// readings of its pipeline's file, as it is and with what is tried. The variables in the file may have
// other values than they had then; what both readings say alike is left as it was.
//
// The champion is that of the night. Errors are those of Decide.
func Try(f *answers.File, as, with *bakeoff.Pipeline) (bakeoff.Decision, error) {
	c := Again(f)
	p := *c.Pipeline
	if as.AtLeast != with.AtLeast {
		p.AtLeast = with.AtLeast
	}
	tried(reflect.ValueOf(&p.Judge).Elem(), reflect.ValueOf(as.Judge), reflect.ValueOf(with.Judge))
	tried(reflect.ValueOf(&p.Gate).Elem(), reflect.ValueOf(as.Gate), reflect.ValueOf(with.Gate))
	c.Pipeline = &p
	if err := c.reslice(p.Judge.Slices); err != nil {
		return bakeoff.Decision{}, err
	}
	return Decide(c)
}

// reslice gives a case the columns of those names, as far as they are kept.
func (c *Case) reslice(names []string) error {
	var columns []dataset.Column
	for _, name := range names {
		i := slices.IndexFunc(c.Slices, func(s dataset.Column) bool { return s.Name == name })
		if i < 0 {
			return bakeoff.Errorf(bakeoff.CodeInvalid, "judge.slices: the values of %s were not kept: of a night there are only those that it was sliced by", name)
		}
		columns = append(columns, c.Slices[i])
	}
	c.Slices = columns
	return nil
}

// tried gives each field of a struct that differs between two others the second's value; of a map,
// each key.
func tried(kept, as, with reflect.Value) {
	for i := range kept.NumField() {
		old, now := as.Field(i), with.Field(i)
		switch {
		case reflect.DeepEqual(old.Interface(), now.Interface()):
		case now.Type() == reflect.TypeFor[map[string]float64]():
			kept.Field(i).Set(reflect.ValueOf(triedKeys(kept.Field(i).Interface().(map[string]float64),
				old.Interface().(map[string]float64), now.Interface().(map[string]float64))))
		default:
			kept.Field(i).Set(now)
		}
	}
}

func triedKeys(kept, as, with map[string]float64) map[string]float64 {
	result := maps.Clone(kept)
	if result == nil {
		result = map[string]float64{}
	}
	for key := range as {
		if _, ok := with[key]; !ok {
			delete(result, key)
		}
	}
	for key, v := range with {
		if old, ok := as[key]; !ok || old != v {
			result[key] = v
		}
	}
	return result
}
