// Prints how strategic merge patches treat each field of the kinds that Kubernetes serves itself.
//
// The API server looks up the tags `patchStrategy` and `patchMergeKey` of its Go types by
// reflection, and so does this program, with the versions that ../go.mod pins:
//
//	go run ./merge-keys > ../../kymo-patch/src/merge_keys.tsv
//
// crates/kymo-patch/src/table.rs says what the lines mean.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"path"
	"reflect"
	"runtime/debug"
	"slices"
	"strings"

	apiextensions "k8s.io/apiextensions-apiserver/pkg/client/clientset/clientset/scheme"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	kubernetes "k8s.io/client-go/kubernetes/scheme"
	aggregator "k8s.io/kube-aggregator/pkg/client/clientset_generated/clientset/scheme"
)

var unmarshaler = reflect.TypeFor[json.Unmarshaler]()

type table struct {
	kinds []string
	types map[string]reflect.Type
	lines []string
}

func main() {
	t := table{types: map[string]reflect.Type{}}
	for _, scheme := range []*runtime.Scheme{kubernetes.Scheme, apiextensions.Scheme, aggregator.Scheme} {
		for kind, typ := range scheme.AllKnownTypes() {
			meta, ok := typ.FieldByName("ObjectMeta")
			if !ok || meta.Type != reflect.TypeFor[metav1.ObjectMeta]() {
				continue // A list, or the options of a request.
			}
			t.kinds = append(t.kinds, strings.Join([]string{
				"kind", kind.GroupVersion().String(), kind.Kind, t.visit(typ),
			}, "\t"))
		}
	}
	slices.Sort(t.kinds)
	slices.Sort(t.lines)
	out := bufio.NewWriter(os.Stdout)
	build, _ := debug.ReadBuildInfo()
	for _, module := range build.Deps {
		if module.Path == "k8s.io/client-go" {
			fmt.Fprintf(out, "# Printed by crates/kymo-testkit/control-plane/merge-keys with %s %s.\n", module.Path, module.Replace.Version)
		}
	}
	for _, line := range slices.Concat(t.kinds, t.lines) {
		fmt.Fprintln(out, line)
	}
	if err := out.Flush(); err != nil {
		panic(err)
	}
}

// visit writes the line of a type and of all types below it, and returns the name of the type.
func (t *table) visit(typ reflect.Type) string {
	folder, version := path.Split(typ.PkgPath())
	name := path.Base(folder) + "." + version + "." + typ.Name()
	if other, ok := t.types[name]; ok {
		if other != typ {
			panic(fmt.Sprintf("two types are called %s: %v and %v", name, typ, other))
		}
		return name
	}
	t.types[name] = typ
	t.lines = append(t.lines, strings.Join(append([]string{"type", name}, t.fields(typ)...), "\t"))
	return name
}

func (t *table) fields(typ reflect.Type) []string {
	var fields []string
	for i := range typ.NumField() {
		field := typ.Field(i)
		name, options, _ := strings.Cut(field.Tag.Get("json"), ",")
		switch {
		case name == "-" || !field.IsExported():
		case name == "" && field.Anonymous:
			fields = append(fields, t.fields(field.Type)...)
		case name == "":
			panic(fmt.Sprintf("%v.%s has no name in JSON", typ, field.Name))
		default:
			isOmitted := slices.Contains(strings.Split(options, ","), "omitempty")
			if text := t.field(name, field, isOmitted); text != "" {
				fields = append(fields, text)
			}
		}
	}
	slices.Sort(fields)
	return fields
}

// field describes what the tags say of a field; empty where they say nothing.
func (t *table) field(name string, field reflect.StructField, isOmitted bool) string {
	typ := field.Type
	isPointer := typ.Kind() == reflect.Pointer
	if isPointer {
		typ = typ.Elem()
	}
	of, shape := typ, ""
	switch typ.Kind() {
	case reflect.Struct:
		shape = "s"
	case reflect.Map:
		of, shape = typ.Elem(), "m"
	case reflect.Slice:
		if typ.Elem().Kind() == reflect.Uint8 {
			break // Base64 text.
		}
		of, shape = typ.Elem(), "l"
	case reflect.Interface:
		return ""
	}
	if of.Kind() == reflect.Pointer {
		of = of.Elem()
	}
	to := ""
	switch {
	case of.Kind() != reflect.Struct:
	case !reflect.PointerTo(of).Implements(unmarshaler):
		to = t.visit(of)
	case shape == "s" && !isFree(of):
		return "" // A time, a quantity: text or a number.
	}
	if shape == "" {
		if isOmitted && !isPointer {
			return name + ":z"
		}
		return ""
	}
	if shape != "s" && (isPointer || !isOmitted) {
		shape = strings.ToUpper(shape)
	}
	columns := []string{name, shape, to, field.Tag.Get("patchStrategy"), field.Tag.Get("patchMergeKey")}
	return strings.TrimRight(strings.Join(columns, ":"), ":")
}

// isFree tells whether any JSON can be where the type is.
func isFree(typ reflect.Type) bool {
	return slices.Contains([]string{"RawExtension", "FieldsV1", "JSON"}, typ.Name())
}
