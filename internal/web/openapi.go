package web

import (
	"encoding/json"
	"net/http"
	"reflect"
	"strings"
	"time"

	"sensorgate/internal/config"
	"sensorgate/internal/status"
)

type object = map[string]any

// getOpenAPI answers with the OpenAPI 3.1 document, made from the table of routes and
// the Go types in it.
func (s *Server) getOpenAPI(w http.ResponseWriter, _ *http.Request) error {
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(s.document()) // an error is one of the connection
	return nil
}

// makeDocument is the document as JSON. It takes milliseconds, and anybody may ask for it:
// Server.document makes it once.
func (s *Server) makeDocument() []byte {
	b, err := json.Marshal(s.openAPI())
	if err != nil {
		panic(err) // it is made of texts and maps
	}
	return append(b, '\n')
}

func (s *Server) openAPI() object {
	types := schemas{object{}}
	types.of(reflect.TypeFor[Problem]())
	paths := object{}
	for _, r := range s.handlers.routes {
		at, _ := paths[r.path].(object)
		if at == nil {
			at = object{}
			paths[r.path] = at
		}
		at[strings.ToLower(r.method)] = types.operation(r)
	}
	server := s.o.Base
	if server == "" {
		server = "/"
	}
	return object{
		"openapi": "3.1.0",
		"info":    object{"title": "sensorgate", "version": s.o.Version, "license": object{"name": "Apache-2.0", "identifier": "Apache-2.0"}},
		"servers": []any{object{"url": server}},
		"paths":   paths,
		"components": object{
			"schemas": types.all,
			"securitySchemes": object{
				"token":    object{"type": "http", "scheme": "bearer", "description": "a line of the file of tokens: sensorgate passwd token add"},
				"password": object{"type": "http", "scheme": "basic", "description": "a user of the broker"},
				"login":    object{"type": "apiKey", "in": "cookie", "name": "sensorgate", "description": "set by POST " + api + "/login"},
			},
		},
	}
}

// schemas collects the named types.
type schemas struct{ all object }

func (t schemas) operation(r route) object {
	kind := r.kind
	if kind == "" {
		kind = "application/json"
	}
	ok := object{"description": "done"}
	content := object{}
	if r.answer != nil {
		content["schema"] = t.of(reflect.TypeOf(r.answer))
	}
	ok["content"] = object{kind: content}
	failed := object{"description": "why not, and what to try", "content": object{"application/problem+json": object{"schema": object{"$ref": "#/components/schemas/Problem"}}}}
	op := object{"summary": r.summary, "operationId": operationID(r), "x-role": r.least.String(), "responses": object{"200": ok, "default": failed}}
	if r.least > Nobody {
		op["security"] = []any{object{"token": []any{}}, object{"password": []any{}}, object{"login": []any{}}}
	} else {
		op["security"] = []any{}
	}
	var params []any
	for _, p := range r.params {
		params = append(params, object{"name": p.name, "in": p.in, "required": p.in == "path", "description": p.doc, "schema": object{"type": "string"}})
	}
	if params != nil {
		op["parameters"] = params
	}
	if r.body != nil {
		op["requestBody"] = object{"required": true, "content": object{"application/json": object{"schema": t.of(reflect.TypeOf(r.body))}}}
	}
	return op
}

// operationID is the route in one word: get_devices_device.
func operationID(r route) string {
	words := strings.FieldsFunc(strings.TrimPrefix(r.path, api), func(c rune) bool { return strings.ContainsRune("/{}.", c) })
	return strings.ToLower(r.method) + "_" + strings.Join(words, "_")
}

// of returns the schema of a type; a named struct is a reference.
func (t schemas) of(rt reflect.Type) object {
	switch {
	case rt == reflect.TypeFor[time.Time]():
		return object{"type": "string", "format": "date-time"}
	case rt == reflect.TypeFor[status.Value]():
		return object{"type": []any{"number", "boolean", "string"}}
	case rt == reflect.TypeFor[config.Problems](): // it writes itself
		return object{"type": "array", "items": t.of(reflect.TypeFor[Mark]())}
	case rt.Kind() == reflect.Pointer:
		return t.of(rt.Elem())
	}
	switch rt.Kind() {
	case reflect.Bool:
		return object{"type": "boolean"}
	case reflect.String:
		return object{"type": "string"}
	case reflect.Float32, reflect.Float64:
		return object{"type": "number"}
	case reflect.Slice, reflect.Array:
		return object{"type": "array", "items": t.of(rt.Elem())}
	case reflect.Map:
		return object{"type": "object", "additionalProperties": true}
	case reflect.Struct:
		return t.structOf(rt)
	case reflect.Interface:
		return object{}
	default:
		return object{"type": "integer"}
	}
}

func (t schemas) structOf(rt reflect.Type) object {
	name := rt.Name()
	if pkg := rt.PkgPath(); !strings.HasSuffix(pkg, "/web") {
		name = strings.ToUpper(pkg[strings.LastIndex(pkg, "/")+1:][:1]) + pkg[strings.LastIndex(pkg, "/")+2:] + name
	}
	ref := object{"$ref": "#/components/schemas/" + name}
	if t.all[name] != nil {
		return ref
	}
	properties := object{}
	t.all[name] = object{"type": "object", "properties": properties}
	var required []any
	for _, f := range reflect.VisibleFields(rt) {
		tag, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if f.Anonymous || tag == "" || tag == "-" || shadowed(rt, f) {
			continue
		}
		properties[tag] = t.of(f.Type)
		if !strings.Contains(f.Tag.Get("json"), "omit") {
			required = append(required, tag)
		}
	}
	if required != nil {
		t.all[name].(object)["required"] = required
	}
	return ref
}

// shadowed reports whether an outer field of the same name hides f.
func shadowed(rt reflect.Type, f reflect.StructField) bool {
	outer, ok := rt.FieldByName(f.Name)
	return ok && len(outer.Index) < len(f.Index)
}
