// Prints strategic merge patches and what Kubernetes' own library makes of them.
//
// Each line is {"apiVersion", "kind", "object", "patch", "result"}: made-up objects with a few
// elements in each list, and patches with directives in and out of their place. The result is
// read into the Go type and written again, as the API server does; it is absent where the server
// refuses the patch.
//
//	go run ./merge-cases -seed 1 -count 300 > ../../kymo-patch/tests/cases.ndjson
package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand"
	"os"
	"reflect"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	kjson "k8s.io/apimachinery/pkg/util/json"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
	"k8s.io/client-go/kubernetes/scheme"
)

var kinds = []schema.GroupVersionKind{
	{Version: "v1", Kind: "Pod"},
	{Version: "v1", Kind: "Pod"},
	{Version: "v1", Kind: "Node"},
	{Version: "v1", Kind: "Service"},
	{Version: "v1", Kind: "ServiceAccount"},
	{Group: "apps", Version: "v1", Kind: "Deployment"},
	{Group: "apps", Version: "v1", Kind: "DaemonSet"},
	{Group: "batch", Version: "v1", Kind: "CronJob"},
	{Group: "policy", Version: "v1", Kind: "PodDisruptionBudget"},
	{Group: "admissionregistration.k8s.io", Version: "v1", Kind: "ValidatingWebhookConfiguration"},
	{Group: "storage.k8s.io", Version: "v1", Kind: "CSINode"},
}

var unmarshaler = reflect.TypeFor[json.Unmarshaler]()

type generator struct {
	*rand.Rand
}

type object = map[string]any

func main() {
	seed := flag.Int64("seed", 1, "of the random numbers")
	count := flag.Int("count", 300, "of lines")
	longest := flag.Int("longest", 2000, "bytes of a line")
	flag.Parse()
	g := generator{rand.New(rand.NewSource(*seed))}
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	for printed := 0; printed < *count; {
		line, err := json.Marshal(g.line())
		if err != nil {
			panic(err)
		}
		if len(line) <= *longest {
			printed++
			fmt.Fprintln(out, string(line))
		}
	}
}

func (g generator) line() object {
	kind := kinds[g.Intn(len(kinds))]
	empty, err := scheme.Scheme.New(kind)
	if err != nil {
		panic(err)
	}
	typ := reflect.TypeOf(empty).Elem()
	var before object
	for before == nil {
		made := g.fields(typ, 0)
		made["apiVersion"], made["kind"] = kind.GroupVersion().String(), kind.Kind
		before, _ = written(made, kind)
	}
	patch := g.patch(typ, before, 0)
	line := object{"apiVersion": before["apiVersion"], "kind": before["kind"], "object": before, "patch": copied(patch)}
	if after := merged(before, patch, empty); after != nil {
		if result, err := written(after, kind); err == nil {
			line["result"] = result
		}
	}
	return line
}

// merged is nil where the library refuses or panics; the server answers a panic with an error.
func merged(before, patch object, empty runtime.Object) (result object) {
	defer func() {
		if recover() != nil {
			result = nil
		}
	}()
	typed := empty.DeepCopyObject()
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(before, typed); err != nil {
		panic(err)
	}
	original, err := runtime.DefaultUnstructuredConverter.ToUnstructured(typed)
	if err != nil {
		panic(err)
	}
	result, err = strategicpatch.StrategicMergeMapPatch(original, patch, empty)
	if err != nil {
		return nil
	}
	return result
}

// written reads an object into its type and writes it.
func written(from object, kind schema.GroupVersionKind) (object, error) {
	typed, err := scheme.Scheme.New(kind)
	if err != nil {
		return nil, err
	}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(from, typed); err != nil {
		return nil, err
	}
	text, err := json.Marshal(typed)
	if err != nil {
		return nil, err
	}
	return read(text), nil
}

func read(text []byte) object {
	var into object
	if err := kjson.Unmarshal(text, &into); err != nil {
		panic(err)
	}
	return into
}

func copied(from object) object {
	text, err := json.Marshal(from)
	if err != nil {
		panic(err)
	}
	return read(text)
}

func (g generator) chance(percent int) bool { return g.Intn(100) < percent }

func pick[T any](g generator, from []T) T { return from[g.Intn(len(from))] }

// named lists the fields of a type, those of embedded types included.
func named(typ reflect.Type) (fields []reflect.StructField) {
	for i := range typ.NumField() {
		field := typ.Field(i)
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		if name == "resourceFieldRef" {
			continue // Its divisor is never without a value.
		}
		if name == "" && field.Anonymous {
			fields = append(fields, named(field.Type)...)
		} else if name != "-" && name != "managedFields" && name != "apiVersion" && name != "kind" {
			field.Name = name
			fields = append(fields, field)
		}
	}
	return fields
}

func element(typ reflect.Type) reflect.Type {
	for typ.Kind() == reflect.Pointer {
		typ = typ.Elem()
	}
	return typ
}

func isStruct(typ reflect.Type) bool {
	return typ.Kind() == reflect.Struct && !reflect.PointerTo(typ).Implements(unmarshaler)
}

func isList(typ reflect.Type) bool {
	return typ.Kind() == reflect.Slice && typ.Elem().Kind() != reflect.Uint8
}

// share is how many of a hundred fields are there: those at the top, those that are merged.
func share(field reflect.StructField, depth int) int {
	switch {
	case depth < 2:
		return 60
	case field.Tag.Get("patchStrategy") != "":
		return 45
	case slices.Contains([]string{"template", "spec", "jobTemplate", "labels", "tolerations", "command"}, field.Name):
		return 45
	}
	return 40 / (depth * depth)
}

func (g generator) fields(typ reflect.Type, depth int) object {
	made := object{}
	for _, field := range named(typ) {
		if g.chance(share(field, depth)) {
			if value := g.value(field, depth); value != nil {
				made[field.Name] = value
			}
		}
	}
	return made
}

func (g generator) value(field reflect.StructField, depth int) any {
	typ := element(field.Type)
	switch {
	case isStruct(typ):
		return g.fields(typ, depth+1)
	case isList(typ):
		key := field.Tag.Get("patchMergeKey")
		list := []any{}
		for range g.Intn(4) {
			made := g.element(element(typ.Elem()), key, depth)
			// What comes of a plain value that is there twice depends on the capacity of a slice.
			if _, isObject := made.(object); isObject || made != nil && !slices.Contains(list, made) {
				list = append(list, made)
			}
		}
		return list
	case typ.Kind() == reflect.Map && element(typ.Elem()).Kind() == reflect.String:
		entries := object{}
		for range g.Intn(3) {
			entries[pick(g, []string{"a", "b", "c", "d"})] = pick(g, []string{"x", "y", ""})
		}
		return entries
	}
	return g.plain(typ)
}

func (g generator) element(typ reflect.Type, key string, depth int) any {
	if !isStruct(typ) {
		return g.plain(typ)
	}
	made := g.fields(typ, depth+1)
	if key != "" {
		made[key] = g.key(typ, key)
	}
	return made
}

// key makes one of few values, so that the elements of two lists meet.
func (g generator) key(typ reflect.Type, key string) any {
	for _, field := range named(typ) {
		if field.Name == key && element(field.Type).Kind() == reflect.Int32 {
			return int64(1 + g.Intn(4))
		}
	}
	return pick(g, []string{"a", "b", "c", "d"})
}

func (g generator) plain(typ reflect.Type) any {
	switch typ.Kind() {
	case reflect.String:
		return pick(g, []string{"a", "b", "c", "d", "e", ""})
	case reflect.Int32, reflect.Int64, reflect.Int:
		return int64(g.Intn(3))
	case reflect.Bool:
		return g.chance(50)
	}
	return nil
}

// patch makes a patch of a type; now is what it will meet.
func (g generator) patch(typ reflect.Type, now object, depth int) object {
	patch := object{}
	if depth > 0 && g.chance(4) {
		patch["$patch"] = pick(g, []string{"replace", "delete", "merge"})
	}
	for _, field := range named(typ) {
		_, isThere := now[field.Name]
		if !g.chance(share(field, depth)) && !(isThere && g.chance(20)) {
			continue
		}
		typ := element(field.Type)
		switch below, _ := now[field.Name].(object); {
		case g.chance(8):
			patch[field.Name] = nil
		case isStruct(typ):
			patch[field.Name] = g.patch(typ, below, depth+1)
		case isList(typ):
			list, _ := now[field.Name].([]any)
			g.list(patch, field, list, depth)
		case typ.Kind() == reflect.Map && element(typ.Elem()).Kind() == reflect.String:
			entries := object{}
			for range g.Intn(3) {
				entries[pick(g, []string{"a", "b", "c", "d"})] = pick(g, []any{"x", "y", nil})
			}
			patch[field.Name] = entries
		default:
			if value := g.plain(typ); value != nil {
				patch[field.Name] = value
			}
		}
	}
	if depth > 0 && g.chance(5) {
		keep := []any{}
		for _, field := range named(typ) {
			_, isSet := patch[field.Name]
			if isSet || g.chance(30) {
				keep = append(keep, field.Name)
			}
		}
		if g.chance(90) || len(keep) == 0 {
			patch["$retainKeys"] = keep
		} else {
			patch["$retainKeys"] = keep[1:]
		}
	}
	return patch
}

func (g generator) list(patch object, field reflect.StructField, now []any, depth int) {
	typ := element(element(field.Type).Elem())
	key := field.Tag.Get("patchMergeKey")
	isMerged := strings.Contains(field.Tag.Get("patchStrategy"), "merge")
	list := []any{}
	for range g.Intn(4) {
		if !isStruct(typ) {
			if value := g.plain(typ); value != nil {
				list = append(list, value)
			}
			continue
		}
		var made object
		if len(now) > 0 && g.chance(60) {
			below, _ := pick(g, now).(object)
			made = g.patch(typ, below, depth+1)
			if value, ok := below[key]; ok {
				made[key] = value
			}
		} else {
			made = g.patch(typ, nil, depth+1)
			if key != "" {
				made[key] = g.key(typ, key)
			}
		}
		if _, is := made["$patch"]; is || isMerged && g.chance(25) {
			made = object{"$patch": pick(g, []string{"delete", "delete", "delete", "replace", "merge"}), key: made[key]}
		}
		// What comes of an element that is there twice depends on what is left over from the first.
		isNew := key == "" || !slices.ContainsFunc(list, func(other any) bool { return other.(object)[key] == made[key] })
		if isNew {
			if g.chance(1) {
				delete(made, key)
			}
			list = append(list, made)
		}
	}
	if !g.chance(12) {
		patch[field.Name] = list
	}
	if !isMerged && g.chance(97) {
		return
	}
	if g.chance(30) {
		patch["$setElementOrder/"+field.Name] = g.order(list, now, key)
	}
	if !isStruct(typ) && g.chance(30) {
		gone := []any{}
		for _, value := range now {
			// One that is deleted and added comes or goes as the library pleases.
			if g.chance(50) && !slices.Contains(list, value) {
				gone = append(gone, value)
			}
		}
		patch["$deleteFromPrimitiveList/"+field.Name] = gone
	}
}

// order sets an order that the patch mostly follows.
func (g generator) order(list, now []any, key string) []any {
	order := []any{}
	add := func(value any) {
		if fields, ok := value.(object); ok {
			if fields["$patch"] == "delete" {
				return
			}
			value = object{key: fields[key]}
		}
		isNew := !slices.ContainsFunc(order, func(other any) bool { return reflect.DeepEqual(other, value) })
		if isNew {
			order = append(order, value)
		}
	}
	for _, value := range list {
		if len(now) > 0 && g.chance(30) {
			add(pick(g, now))
		}
		if g.chance(97) {
			add(value)
		}
	}
	for range g.Intn(3) {
		if len(now) > 0 {
			add(pick(g, now))
		}
	}
	if g.chance(3) {
		return []any{}
	}
	return order
}
