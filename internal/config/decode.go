package config

import (
	"encoding"
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"sensorgate/drivers"
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

// required reports the keys that must be there and are not.
func (r *reporter) required(n *node, ts []target, meant map[string]bool) bool {
	ok := true
	for _, t := range ts {
		for _, f := range t.fields {
			if f.required && !meant[f.key] && n.field(f.key) == nil {
				r.missing(n, &f)
				ok = false
			}
		}
	}
	return ok
}

func (r *reporter) missing(n *node, f *optionField) {
	var notes []Note
	if f.doc != "" {
		notes = append(notes, expected(f.key+": "+f.doc))
	}
	value := f.example
	if value == "" {
		value = sample(f.typ)
	}
	r.atKey(n, f.key+" is missing", append(notes, try(f.key+" = "+value))...)
}

// sample is a value of the type, for a suggestion.
func sample(t reflect.Type) string {
	switch {
	case t == nil:
		return `"…"`
	case t == durationType:
		return `"5s"`
	case reflect.PointerTo(t).Implements(textType):
		return `"…"`
	}
	switch t.Kind() {
	case reflect.Pointer:
		return sample(t.Elem())
	case reflect.Bool:
		return "true"
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return "1"
	case reflect.Float32, reflect.Float64:
		return "1.0"
	case reflect.Slice, reflect.Array:
		return "[ … ]"
	case reflect.Struct, reflect.Map:
		return "{ … }"
	}
	return `"…"`
}

// maxListed is how many of the keys that are possible a message lists.
const maxListed = 12

// unknownKey reports f and gives the key that it was probably meant to be, or "".
func (r *reporter) unknownKey(f *node, ts []target) string {
	if r.full() {
		return ""
	}
	p := r.atKey(f, fmt.Sprintf("unknown key %q", f.name), expected(choices(ts)))
	p.Path = f.parent.path()
	right := suggest(f.name, keysOf(ts))
	if f.parent.parent == nil && slices.Contains(r.drivers, f.name) {
		p.Notes = append(p.Notes, try(fmt.Sprintf("[device.%s] with driver = %q in it", f.name, f.name)))
		return ""
	}
	if right != "" {
		p.Notes = append(p.Notes, try(replacement(f, right, ts)))
	}
	return right
}

// choices lists the keys of the targets. Of those with a choice tag exactly one is
// to be given, and they come first.
func choices(ts []target) string {
	var oneOf, others []string
	for _, key := range keysOf(ts) {
		if isChoice(ts, key) {
			oneOf = append(oneOf, key)
		} else {
			others = append(others, key)
		}
	}
	if len(oneOf) == 0 {
		return listKeys(others)
	}
	more := ""
	if len(others) > maxListed-len(oneOf) {
		others, more = others[:maxListed-len(oneOf)], ", …"
	}
	return "one of " + strings.Join(oneOf, ", ") + "; and " + strings.Join(others, ", ") + more
}

func isChoice(ts []target, key string) bool {
	for _, t := range ts {
		if f, ok := t.field(key); ok && f.choice {
			return true
		}
	}
	return false
}

func listKeys(valid []string) string {
	if len(valid) == 0 {
		return "no keys here"
	}
	if len(valid) > maxListed {
		return "one of " + strings.Join(valid[:maxListed], ", ") + ", …"
	}
	return "one of " + strings.Join(valid, ", ")
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

// optionError reports what an option's own check or UnmarshalText says. The keys of
// a KeyError count from base; at is where the fault is if it has none.
func (r *reporter) optionError(base, at *node, err error) {
	if joined, ok := err.(interface{ Unwrap() []error }); ok && !isKeyError(err) {
		for _, e := range joined.Unwrap() {
			r.optionError(base, at, e)
		}
		return
	}
	var ke *drivers.KeyError
	if !errors.As(err, &ke) {
		r.atValue(at, withFound(at, err.Error()))
		return
	}
	where, exact := lookup(base, ke.Key)
	fix := ke.Try
	if fix != "" && !strings.Contains(fix, "=") && exact {
		fix = assign(where, fix)
	}
	p := r.atValue(where, ke.Problem, expected(ke.Expected), try(fix))
	if !exact && ke.Key != "" {
		p.Path = joinPath(base.path(), ke.Key)
	}
}

func isKeyError(err error) bool {
	_, ok := err.(*drivers.KeyError)
	return ok
}

// withFound puts what was found in front of an error that does not say it.
func withFound(at *node, text string) string {
	switch {
	case at.kind != kindString || strings.HasPrefix(text, "found "):
		return text
	case strings.HasPrefix(text, "a ") || strings.HasPrefix(text, "an "):
		return fmt.Sprintf("found %s, expected %s", at.found(), text)
	case strings.HasPrefix(text, "expected "):
		return fmt.Sprintf("found %s, %s", at.found(), text)
	case strings.Contains(text, at.text()):
		return text
	}
	return fmt.Sprintf("found %s: %s", at.found(), text)
}

func joinPath(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// lookup follows a dotted key from n as far as there are nodes. exact is false if
// it had to stop above.
func lookup(n *node, key string) (at *node, exact bool) {
	for rest := key; rest != ""; {
		var part string
		if f := n.field(rest); f != nil { // a channel's name may have a dot in it
			return f, true
		}
		part, rest, _ = strings.Cut(rest, ".")
		next := n.field(part)
		if next == nil {
			return n, false
		}
		n = next
	}
	return n, true
}
