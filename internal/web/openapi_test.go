package web

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"sensorgate/internal/history"
)

// The document names every route with its role, and every reference in it leads somewhere.
func TestOpenAPIDescribesTheHandlers(t *testing.T) {
	s := newServed(t, nil)
	w := s.ask("stranger", "GET", api+"/openapi.json", "")
	var doc struct {
		OpenAPI string `json:"openapi"`
		Paths   map[string]map[string]struct {
			Role string `json:"x-role"`
		}
		Components struct{ Schemas map[string]json.RawMessage }
	}
	if err := json.Unmarshal(w.Body.Bytes(), &doc); err != nil {
		t.Fatal(err)
	}
	for _, rt := range s.handlers.routes {
		if got := doc.Paths[rt.path][strings.ToLower(rt.method)].Role; got != rt.least.String() {
			t.Errorf("%s %s has the role %q in the document, want %s", rt.method, rt.path, got, rt.least)
		}
	}
	for _, part := range strings.Split(w.Body.String(), `"#/components/schemas/`)[1:] {
		name, _, _ := strings.Cut(part, `"`)
		if doc.Components.Schemas[name] == nil {
			t.Errorf("the schema %s is missing", name)
		}
	}
	if doc.Components.Schemas["StatusSnapshot"] == nil || doc.Components.Schemas["Channel"] == nil {
		t.Errorf("schemas: %d", len(doc.Components.Schemas))
	}
}

// Answers have the fields that the document says they have, and no others.
func TestAnswersMatchTheDocument(t *testing.T) {
	s := newServed(t, nil)
	s.gateway.store.Add("pump/power", history.Number, testNow, history.Value{Number: 1})
	doc := s.openAPI()
	schemas := doc["components"].(object)["schemas"].(object)
	for _, rt := range s.handlers.routes {
		if rt.method != "GET" || rt.answer == nil {
			continue
		}
		path := strings.NewReplacer("{upstream}", "cloud", "{device}", "pump", "{channel}", "power", "{maker}", "eastron", "{model}", "sdm630").Replace(rt.path)
		w := s.ask("socket", "GET", path, "")
		var v any
		if err := json.Unmarshal(w.Body.Bytes(), &v); err != nil {
			t.Errorf("%s: %v", path, err)
			continue
		}
		at := doc["paths"].(object)[rt.path].(object)["get"].(object)["responses"].(object)["200"].(object)["content"].(object)["application/json"].(object)["schema"].(object)
		for _, fault := range mismatch(schemas, at, v, rt.path) {
			t.Error(fault)
		}
	}
}

// mismatch compares a value with its schema.
func mismatch(all, schema object, v any, at string) (faults []string) {
	if ref, ok := schema["$ref"].(string); ok {
		schema = all[strings.TrimPrefix(ref, "#/components/schemas/")].(object)
	}
	switch v := v.(type) {
	case map[string]any:
		properties, ok := schema["properties"].(object)
		if !ok {
			if schema["additionalProperties"] == nil && len(schema) > 0 {
				faults = append(faults, at+": an object that is not in the document")
			}
			return faults
		}
		for k, x := range v {
			p, known := properties[k].(object)
			if !known {
				faults = append(faults, at+"."+k+" is not in the document")
				continue
			}
			faults = append(faults, mismatch(all, p, x, at+"."+k)...)
		}
		required, _ := schema["required"].([]any)
		for _, k := range required {
			if _, there := v[k.(string)]; !there {
				faults = append(faults, at+"."+k.(string)+" is missing")
			}
		}
	case []any:
		items, ok := schema["items"].(object)
		if !ok {
			return append(faults, at+": a list that is not in the document")
		}
		for _, x := range v {
			faults = append(faults, mismatch(all, items, x, at+"[]")...)
		}
	case string, float64, bool:
		name := map[string]string{"string": "string", "float64": "number", "bool": "boolean"}[fmt.Sprintf("%T", v)]
		types := fmt.Sprint(schema["type"])
		if len(schema) > 0 && !strings.Contains(types, name) && !(name == "number" && types == "integer") {
			faults = append(faults, fmt.Sprintf("%s is a %T, the document says %v", at, v, schema["type"]))
		}
	}
	return faults
}
