package learn

import "reflect"

// Memory returns how many bytes the model takes: what it holds, and what that holds.
func (m *Model) Memory() int64 {
	v := reflect.ValueOf(m).Elem()
	return int64(v.Type().Size()) + held(v)
}

// held returns the bytes that a value holds beyond its own. A model is a tree of structs and slices:
// nothing in it is held twice.
func held(v reflect.Value) int64 {
	switch v.Kind() {
	case reflect.String:
		return int64(v.Len())
	case reflect.Pointer, reflect.Interface:
		if v.IsNil() {
			return 0
		}
		return int64(v.Elem().Type().Size()) + held(v.Elem())
	case reflect.Slice:
		total := int64(v.Cap()) * int64(v.Type().Elem().Size())
		if !holds(v.Type().Elem()) {
			return total
		}
		for i := range v.Len() {
			total += held(v.Index(i))
		}
		return total
	case reflect.Struct:
		var total int64
		for i := range v.NumField() {
			total += held(v.Field(i))
		}
		return total
	}
	return 0
}

// holds reports whether values of a type may hold more than themselves, so that millions of plain
// numbers need not be looked at one by one.
func holds(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.String, reflect.Pointer, reflect.Interface, reflect.Slice, reflect.Map:
		return true
	case reflect.Struct:
		for i := range t.NumField() {
			if holds(t.Field(i).Type) {
				return true
			}
		}
	}
	return false
}
