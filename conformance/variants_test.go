package conformance

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apimachinery/pkg/runtime"
)

// texts has values that the patterns of some field refuse. An empty text is among them.
var texts = []string{
	"", "a", "A", "1", "a b", "a_b", "a.b", "-a", "a-", "*", "*.a", "a/b", "a\tb", "é", "http", "https://a.example", "https://a.example/",
	"https://*:1", "10.0.0.1", "10.0.0.0/8", "10.0.0.0/33", "10.0.0.0/08", "::/0", "::/129", "300.0.0.0/8", "10s", "1h2m3s4ms", "10", "-10s",
	"1.5s", "100000h",
}

// longestRepetition bounds the length of lists and texts that are made to exceed a limit.
const longestRepetition = 5000

// A variant is an object that differs from a seed in one place.
type variant struct {
	path   string // the place, without the indexes of lists
	what   string // the value there
	object map[string]any
}

// variants changes every value of a seed's spec in every way that its schema suggests: to its bounds and beyond, to other types, without
// each field, and with each field that is absent. Paths for which skip is true stay as they are.
func variants(seed map[string]any, spec *schema.Structural, skip func(path string) bool) []variant {
	found := []variant{{"", "as it is", seed}}
	var walk func(value any, at *schema.Structural, path []any)
	walk = func(value any, at *schema.Structural, path []any) {
		if at == nil || skip(fieldPath(path)) {
			return
		}
		for _, other := range replacements(value, at, func(field string) bool { return skip(fieldPath(append(slices.Clone(path), field))) }) {
			object := runtime.DeepCopyJSON(seed)
			setAt(object, path, other)
			found = append(found, variant{fieldPath(path), shown(other), object})
		}
		switch value := value.(type) {
		case map[string]any:
			for _, field := range sortedKeys(value) {
				below, known := at.Properties[field]
				if known {
					walk(value[field], &below, append(slices.Clone(path), field))
				} else if at.AdditionalProperties != nil {
					walk(value[field], at.AdditionalProperties.Structural, append(slices.Clone(path), field))
				}
			}
		case []any:
			for index, item := range value {
				walk(item, at.Items, append(slices.Clone(path), index))
			}
		}
	}
	walk(seed["spec"], spec, []any{"spec"})
	return found
}

func shown(value any) string {
	text := fmt.Sprint(value)
	if len(text) > 80 {
		return text[:80] + "..."
	}
	return text
}

// replacements are the values that take the place of another one.
func replacements(value any, at *schema.Structural, skip func(field string) bool) []any {
	limits := at.ValueValidation
	if limits == nil {
		limits = &schema.ValueValidation{}
	}
	others := []any{map[string]any{"unknown": "x"}, []any{"x"}, "x", int64(1), 1.5, true}
	switch value := value.(type) {
	case string:
		for _, text := range texts {
			others = append(others, text)
		}
		for _, allowed := range limits.Enum {
			others = append(others, allowed.Object)
		}
		for _, limit := range []*int64{limits.MinLength, limits.MaxLength} {
			for _, length := range around(limit) {
				others = append(others, strings.Repeat("a", length))
			}
		}
	case int64, float64:
		others = append(others, int64(-1), int64(0), int64(1)<<31, int64(1)<<32, int64(1)<<62)
		for _, limit := range []*float64{limits.Minimum, limits.Maximum} {
			if limit != nil {
				others = append(others, int64(*limit)-1, int64(*limit), int64(*limit)+1)
			}
		}
	case []any:
		others = append(others, []any{})
		if len(value) > 0 {
			others = append(others, append(slices.Clone(value), value[0]))
		}
		for _, limit := range []*int64{limits.MinItems, limits.MaxItems} {
			for _, length := range around(limit) {
				others = append(others, distinct(value, length))
			}
		}
	case map[string]any:
		others = append(others, changed(value, "unknownField", "x"))
		for _, field := range sortedKeys(value) {
			if !skip(field) {
				others = append(others, changed(value, field, nil))
			}
		}
		for _, field := range sortedKeys(at.Properties) {
			if _, present := value[field]; !present && !skip(field) {
				below := at.Properties[field]
				others = append(others, changed(value, field, sample(&below)))
			}
		}
	}
	return others
}

// sample is a small value of a schema.
func sample(at *schema.Structural) any {
	limits := at.ValueValidation
	if limits == nil {
		limits = &schema.ValueValidation{}
	}
	if len(limits.Enum) > 0 {
		return limits.Enum[0].Object
	}
	switch at.Type {
	case "boolean":
		return true
	case "integer", "number":
		if limits.Minimum != nil {
			return int64(*limits.Minimum)
		}
		return int64(1)
	case "array":
		return []any{sample(at.Items)}
	case "object":
		object := map[string]any{}
		for _, field := range limits.Required {
			below := at.Properties[field]
			object[field] = sample(&below)
		}
		return object
	default:
		if limits.Format == "duration" || strings.Contains(limits.Pattern, "ms|") {
			return "10s"
		}
		return "a"
	}
}

// around returns the lengths at a limit and next to it.
func around(limit *int64) (lengths []int) {
	if limit == nil || *limit > longestRepetition {
		return nil
	}
	for _, length := range []int64{*limit - 1, *limit, *limit + 1} {
		if length >= 0 {
			lengths = append(lengths, int(length))
		}
	}
	return lengths
}

// distinct makes a list of a length from the items of another one. Texts and names are numbered, because many lists must not have equal
// items.
func distinct(items []any, length int) []any {
	list := []any{}
	for index := range length {
		if len(items) == 0 {
			return list
		}
		item := runtime.DeepCopyJSONValue(items[index%len(items)])
		if index >= len(items) {
			switch numbered := item.(type) {
			case string:
				item = numbered + strconv.Itoa(index)
			case map[string]any:
				if name, ok := numbered["name"].(string); ok {
					numbered["name"] = name + strconv.Itoa(index)
				}
			}
		}
		list = append(list, item)
	}
	return list
}

// changed copies an object with another value of a field; nil removes the field.
func changed(object map[string]any, field string, value any) map[string]any {
	other := runtime.DeepCopyJSON(object)
	if value == nil {
		delete(other, field)
	} else {
		other[field] = value
	}
	return other
}

func setAt(object any, path []any, value any) {
	for ; len(path) > 1; path = path[1:] {
		switch step := path[0].(type) {
		case string:
			object = object.(map[string]any)[step]
		case int:
			object = object.([]any)[step]
		}
	}
	switch step := path[0].(type) {
	case string:
		object.(map[string]any)[step] = value
	case int:
		object.([]any)[step] = value
	}
}

// fieldPath is a path without the indexes of lists: spec.targetRefs.name.
func fieldPath(path []any) string {
	var fields []string
	for _, step := range path {
		if field, ok := step.(string); ok {
			fields = append(fields, field)
		}
	}
	return strings.Join(fields, ".")
}

func sortedKeys[V any](object map[string]V) []string {
	keys := make([]string, 0, len(object))
	for key := range object {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}
