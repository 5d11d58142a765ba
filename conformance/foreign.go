package conformance

import (
	"reflect"
	"slices"
)

// keepForeign copies the parts that the daemon does not own from the status that a client wrote last: entries of other
// controllers in parents and ancestors, and conditions of types that the daemon does not set.
func keepForeign(shown, written any, controller string) {
	to, _ := shown.(map[string]any)
	from, _ := written.(map[string]any)
	if to == nil || from == nil {
		return
	}
	keepConditions(to, from)
	for _, list := range []string{"parents", "ancestors"} {
		ours, present := to[list].([]any)
		if !present {
			continue
		}
		foreign := func(entry any) bool { return valueOf(entry, "controllerName") != controller }
		for _, entry := range asList(from[list]) {
			if foreign(entry) && !containsEqual(ours, entry) {
				ours = append(ours, entry)
			}
		}
		to[list] = ours
	}
	for _, listener := range asList(to["listeners"]) {
		for _, before := range asList(from["listeners"]) {
			if name := valueOf(listener, "name"); name != nil && name == valueOf(before, "name") {
				keepConditions(listener.(map[string]any), before.(map[string]any))
			}
		}
	}
}

func keepConditions(to, from map[string]any) {
	conditions := asList(to["conditions"])
	known := map[any]bool{}
	for _, condition := range conditions {
		known[valueOf(condition, "type")] = true
	}
	for _, condition := range asList(from["conditions"]) {
		if !known[valueOf(condition, "type")] {
			conditions = append(conditions, condition)
		}
	}
	if len(conditions) > 0 {
		to["conditions"] = conditions
	}
}

func asList(value any) []any {
	list, _ := value.([]any)
	return list
}

func valueOf(value any, name string) any {
	object, _ := value.(map[string]any)
	return object[name]
}

func containsEqual(list []any, value any) bool {
	return slices.ContainsFunc(list, func(one any) bool { return reflect.DeepEqual(one, value) })
}
