package config

import (
	"encoding"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// nodeDecoder is for our own types that take more than one form.
type nodeDecoder interface {
	decodeNode(r *reporter, n *node) bool
}

var (
	durationType = reflect.TypeFor[time.Duration]()
	textType     = reflect.TypeFor[encoding.TextUnmarshaler]()
	nodeType     = reflect.TypeFor[nodeDecoder]()
)

// table decodes the keys of n into the structs that into points at; each takes the
// keys it knows. A key that none knows is a fault. It reports whether all went well.
func (r *reporter) table(n *node, into ...any) bool {
	if n.kind != kindTable {
		r.atValue(n, "found "+n.found()+", expected a table", try(tableHint(n)))
		return false
	}
	ts := targetsOf(into)
	ok := true
	meant := map[string]bool{} // keys that a misspelled one stands for
	for _, f := range n.fields {
		known := false
		for _, t := range ts {
			if field, has := t.field(f.name); has {
				known = true
				ok = r.decode(f, t.value.FieldByIndex(field.index)) && ok
			}
		}
		if !known {
			meant[r.unknownKey(f, ts)] = true
			ok = false
		}
	}
	return r.required(n, ts, meant) && ok
}

func tableHint(n *node) string {
	if strings.HasPrefix(n.name, "[") {
		return "{ … }"
	}
	return quoteKey(n.name) + " = { … }"
}

// decode puts n's value into v, which can be set. It reports what does not fit.
func (r *reporter) decode(n *node, v reflect.Value) bool {
	if n.kind == kindBroken {
		return false
	}
	t := v.Type()
	if v.CanAddr() {
		if v.Addr().Type().Implements(nodeType) {
			return v.Addr().Interface().(nodeDecoder).decodeNode(r, n)
		}
		if v.Addr().Type().Implements(textType) {
			return r.decodeText(n, v.Addr().Interface().(encoding.TextUnmarshaler))
		}
	}
	if t == durationType {
		return r.decodeDuration(n, v)
	}
	switch t.Kind() {
	case reflect.Pointer:
		p := reflect.New(t.Elem())
		ok := r.decode(n, p.Elem())
		v.Set(p)
		return ok
	case reflect.Bool:
		return r.decodeBool(n, v)
	case reflect.String:
		if n.kind != kindString {
			return r.wrong(n, "a text", quoted(n))
		}
		v.SetString(n.text())
		return true
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return r.decodeInteger(n, v)
	case reflect.Float32, reflect.Float64:
		return r.decodeFloat(n, v)
	case reflect.Slice:
		return r.decodeSlice(n, v)
	case reflect.Array:
		return r.decodeArray(n, v)
	case reflect.Map:
		return r.decodeMap(n, v)
	case reflect.Struct:
		if _, takesPort := (&target{fields: fieldsOf(t)}).field("port"); takesPort && n.kind == kindString {
			return r.wrong(n, "a table", portTable(n.raw()))
		}
		return r.table(n, v.Addr().Interface())
	case reflect.Interface:
		v.Set(reflect.ValueOf(n.value))
		return true
	}
	r.atValue(n, "this program has no way to read this key")
	return false
}

// wrong reports a value of another kind than expected; fix is a value that would do,
// or "".
func (r *reporter) wrong(n *node, want, fix string) bool {
	var notes []Note
	if fix != "" {
		notes = append(notes, try(assign(n, fix)))
	}
	r.atValue(n, fmt.Sprintf("found %s, expected %s", n.found(), want), notes...)
	n.spent()
	return false
}

// assign writes what to type: key = value, or the value alone in a list.
func assign(n *node, value string) string {
	if strings.HasPrefix(n.name, "[") {
		return value
	}
	return quoteKey(n.name) + " = " + value
}

func quoted(n *node) string {
	switch n.kind {
	case kindInteger, kindFloat, kindBool, kindTime:
		return strconv.Quote(n.raw())
	}
	return ""
}

func (r *reporter) decodeText(n *node, u encoding.TextUnmarshaler) bool {
	if n.kind != kindString {
		want, fix := textWanted(u), quoted(n)
		if fix != "" {
			if err := u.UnmarshalText([]byte(n.raw())); err != nil {
				fix = ""
				if _, told, ok := strings.Cut(err.Error(), "expected "); ok {
					want = told // its own words, which may say what to try
				}
			}
		}
		return r.wrong(n, want, fix)
	}
	if err := u.UnmarshalText([]byte(n.text())); err != nil {
		r.optionError(n, n, err)
		n.spent()
		return false
	}
	return true
}

// textWanted names what our own quantities are; a driver's type is a text to us.
func textWanted(u encoding.TextUnmarshaler) string {
	switch u.(type) {
	case *size:
		return errSize.Error()
	case *Rate:
		return errRate.Error()
	}
	return "a text"
}

func (r *reporter) decodeDuration(n *node, v reflect.Value) bool {
	switch n.kind {
	case kindString:
		d, err := parseDuration(n.text())
		if err != nil {
			fix := ""
			if _, ferr := strconv.ParseFloat(n.text(), 64); ferr == nil {
				fix = strconv.Quote(n.text() + "s")
			}
			return r.wrong(n, err.Error(), fix)
		}
		v.SetInt(int64(d))
		return true
	case kindInteger, kindFloat:
		return r.wrong(n, "a duration", strconv.Quote(n.raw()+"s"))
	}
	return r.wrong(n, "a duration", "")
}

func (r *reporter) decodeBool(n *node, v reflect.Value) bool {
	b, ok := n.value.(bool)
	if !ok {
		return r.wrong(n, "true or false", switchWords[strings.ToLower(n.text())])
	}
	v.SetBool(b)
	return true
}

func (r *reporter) decodeInteger(n *node, v reflect.Value) bool {
	i, ok := n.value.(int64)
	if !ok {
		fix := ""
		if _, err := strconv.ParseInt(n.text(), 0, 64); err == nil {
			fix = n.text()
		}
		return r.wrong(n, "a whole number", fix)
	}
	if v.CanInt() {
		if v.OverflowInt(i) {
			limit := int64(1)<<(v.Type().Bits()-1) - 1
			return r.wrong(n, fmt.Sprintf("a number from %d to %d", -limit-1, limit), "")
		}
		v.SetInt(i)
		return true
	}
	if i < 0 || v.OverflowUint(uint64(i)) {
		return r.wrong(n, fmt.Sprintf("a number from 0 to %d", uint64(math.MaxUint64)>>(64-v.Type().Bits())), "")
	}
	v.SetUint(uint64(i))
	return true
}

func (r *reporter) decodeFloat(n *node, v reflect.Value) bool {
	var f float64
	switch x := n.value.(type) {
	case int64:
		f = float64(x)
	case float64:
		f = x
	default:
		fix := ""
		if _, err := strconv.ParseFloat(n.text(), 64); err == nil {
			fix = n.text()
		}
		return r.wrong(n, "a number", fix)
	}
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return r.wrong(n, "a finite number", "")
	}
	v.SetFloat(f)
	return true
}

func (r *reporter) decodeSlice(n *node, v reflect.Value) bool {
	if n.kind != kindArray {
		fix := ""
		if n.kind != kindTable {
			fix = "[" + n.raw() + "]"
		}
		return r.wrong(n, "a list", fix)
	}
	v.Set(reflect.MakeSlice(v.Type(), len(n.items), len(n.items)))
	ok := true
	for i, item := range n.items {
		ok = r.decode(item, v.Index(i)) && ok
	}
	return ok
}

func (r *reporter) decodeArray(n *node, v reflect.Value) bool {
	if n.kind != kindArray || len(n.items) != v.Len() {
		return r.wrong(n, fmt.Sprintf("a list of %d", v.Len()), "")
	}
	ok := true
	for i, item := range n.items {
		ok = r.decode(item, v.Index(i)) && ok
	}
	return ok
}

func (r *reporter) decodeMap(n *node, v reflect.Value) bool {
	if n.kind != kindTable {
		return r.wrong(n, "a table", "")
	}
	if v.Type().Key().Kind() != reflect.String {
		r.atValue(n, "this program has no way to read this key")
		return false
	}
	v.Set(reflect.MakeMapWithSize(v.Type(), len(n.fields)))
	ok := true
	for _, f := range n.fields {
		item := reflect.New(v.Type().Elem()).Elem()
		ok = r.decode(f, item) && ok
		v.SetMapIndex(reflect.ValueOf(f.name).Convert(v.Type().Key()), item)
	}
	return ok
}
