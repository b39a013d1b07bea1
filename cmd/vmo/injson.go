package main

import (
	"reflect"
	"slices"
	"strings"
)

// inJSON is the sentence of a command's help that names the fields of its answer.
// They come from the type of what is printed, so that the two cannot disagree.
func inJSON(answer any) string { return wrapped("In JSON: " + fieldsOf(answer) + ".") }

// fieldsOf lists the fields that a value has in JSON, or each value of a list,
// without those of another.
func fieldsOf(answer any, without ...any) string {
	names := jsonFields(reflect.ValueOf(answer))
	for _, other := range without {
		known := jsonFields(reflect.ValueOf(other))
		names = slices.DeleteFunc(names, func(name string) bool { return slices.Contains(known, name) })
	}
	return strings.Join(names, ", ")
}

func jsonFields(v reflect.Value) (names []string) {
	if v.Kind() == reflect.Map {
		for _, key := range v.MapKeys() {
			names = append(names, key.String())
		}
		slices.Sort(names)
		return names
	}
	t := v.Type()
	if t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	for _, f := range reflect.VisibleFields(t) {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name != "" && name != "-" && f.IsExported() {
			names = append(names, name)
		}
	}
	return names
}

// wrapped breaks a text into lines as long as those of the other help.
func wrapped(text string) string {
	var b strings.Builder
	column := 0
	for i, word := range strings.Fields(text) {
		switch {
		case i == 0:
		case column+1+len(word) > 84:
			b.WriteByte('\n')
			column = 0
		default:
			b.WriteByte(' ')
			column++
		}
		b.WriteString(word)
		column += len(word)
	}
	return b.String()
}
