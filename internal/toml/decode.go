package toml

import (
	"encoding"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// NodeDecoder is for our own types that take more than one form.
type NodeDecoder interface {
	DecodeNode(r *Reporter, n *Node) bool
}

var (
	durationType = reflect.TypeFor[time.Duration]()
	textType     = reflect.TypeFor[encoding.TextUnmarshaler]()
	nodeType     = reflect.TypeFor[NodeDecoder]()
)

// Table decodes the keys of n into the structs that into points at; each takes the
// Keys it knows. A key that none knows is a fault. It reports whether all went well.
func (r *Reporter) Table(n *Node, into ...any) bool {
	if n.Kind != KindTable {
		r.AtValue(n, "found "+n.Found()+", expected a table", Try(TableHint(n)))
		return false
	}
	ts := targetsOf(into)
	ok := true
	meant := map[string]bool{} // keys that a misspelled one stands for
	for _, f := range n.Fields {
		r.oldName(n, f, ts)
		known := false
		for _, t := range ts {
			if field, has := t.field(f.Name); has {
				known = true
				ok = r.decodeField(f, t.value.FieldByIndex(field.index), field.typ) && ok
			}
		}
		if !known {
			meant[r.unknownKey(f, ts)] = true
			ok = false
		}
	}
	return r.required(n, ts, meant) && ok
}

// oldName takes f under its new name if the targets know its old one. A file that
// worked goes on working; the warning says what to type.
func (r *Reporter) oldName(n, f *Node, ts []target) {
	field, is := renamed(ts, f.Name)
	if !is || n.Field(field.key) != nil {
		return // both names: the old one is reported as unknown
	}
	r.AtKey(f, f.Name+" is now called "+field.key, Try(assign(&Node{Name: field.key}, Shorten(f.Raw(), 60)))).Warn()
	n.rename(f, field.key)
}

// TableHint is how to write n as a table.
func TableHint(n *Node) string {
	if strings.HasPrefix(n.Name, "[") {
		return "{ … }"
	}
	return QuoteKey(n.Name) + " = { … }"
}

// decodeField puts n's value into v as a value of type t: an int of a package that knows
// no Size can be written as one.
func (r *Reporter) decodeField(n *Node, v reflect.Value, t reflect.Type) bool {
	if v.Type() == t {
		return r.decode(n, v)
	}
	as := reflect.New(t).Elem()
	ok := r.decode(n, as)
	if ok && v.OverflowInt(as.Int()) {
		return r.Wrong(n, "a smaller size", "")
	}
	v.SetInt(as.Int())
	return ok
}

// decode puts n's value into v, which can be set. It reports what does not fit.
func (r *Reporter) decode(n *Node, v reflect.Value) bool {
	if n.Kind == KindBroken {
		return false
	}
	t := v.Type()
	if v.CanAddr() {
		if v.Addr().Type().Implements(nodeType) {
			return v.Addr().Interface().(NodeDecoder).DecodeNode(r, n)
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
		if n.Kind != KindString {
			return r.Wrong(n, "a text", Quoted(n))
		}
		v.SetString(n.Text())
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
		if n.Kind == KindString && r.Hints.AsTable != nil {
			if fix := r.Hints.AsTable(n, keysOf([]target{{fields: fieldsOf(t)}})); fix != "" {
				return r.Wrong(n, "a table", fix)
			}
		}
		return r.Table(n, v.Addr().Interface())
	case reflect.Interface:
		v.Set(reflect.ValueOf(n.Value))
		return true
	}
	r.AtValue(n, "this program has no way to read this key")
	return false
}

// Wrong reports a value of another kind than expected; fix is a value that would do,
// or "".
func (r *Reporter) Wrong(n *Node, want, fix string) bool {
	var notes []Note
	if fix != "" {
		notes = append(notes, Try(assign(n, fix)))
	}
	r.AtValue(n, fmt.Sprintf("found %s, expected %s", n.Found(), want), notes...)
	n.spent()
	return false
}

// assign writes what to type: key = value, or the value alone in a list.
func assign(n *Node, value string) string {
	if strings.HasPrefix(n.Name, "[") {
		return value
	}
	return QuoteKey(n.Name) + " = " + value
}

// Quoted is the value of n as a text, "" where that makes no sense.
func Quoted(n *Node) string {
	switch n.Kind {
	case KindInteger, KindFloat, KindBool, kindTime:
		return strconv.Quote(n.Raw())
	}
	return ""
}

func (r *Reporter) decodeText(n *Node, u encoding.TextUnmarshaler) bool {
	if n.Kind != KindString {
		want, fix := textWanted(u), Quoted(n)
		if fix != "" {
			if err := u.UnmarshalText([]byte(n.Raw())); err != nil {
				fix = ""
				if _, wanted, ok := strings.Cut(err.Error(), "expected "); ok {
					want = wanted // its own words, which may say what to try
				}
			}
		}
		return r.Wrong(n, want, fix)
	}
	if err := u.UnmarshalText([]byte(n.Text())); err != nil {
		r.OptionError(n, n, err)
		n.spent()
		return false
	}
	return true
}

// textWanted names what our own quantities are; a driver's type is a text to us.
func textWanted(u encoding.TextUnmarshaler) string {
	switch u.(type) {
	case *Size:
		return errSize.Error()
	case *Rate:
		return errRate.Error()
	}
	return "a text"
}

func (r *Reporter) decodeDuration(n *Node, v reflect.Value) bool {
	switch n.Kind {
	case KindString:
		d, err := parseDuration(n.Text())
		if err != nil {
			fix := ""
			if _, ferr := strconv.ParseFloat(n.Text(), 64); ferr == nil {
				fix = strconv.Quote(n.Text() + "s")
			}
			return r.Wrong(n, err.Error(), fix)
		}
		v.SetInt(int64(d))
		return true
	case KindInteger, KindFloat:
		return r.Wrong(n, "a duration", strconv.Quote(n.Raw()+"s"))
	}
	return r.Wrong(n, "a duration", "")
}

func (r *Reporter) decodeBool(n *Node, v reflect.Value) bool {
	b, ok := n.Value.(bool)
	if !ok {
		return r.Wrong(n, "true or false", switchWords[strings.ToLower(n.Text())])
	}
	v.SetBool(b)
	return true
}

func (r *Reporter) decodeInteger(n *Node, v reflect.Value) bool {
	i, ok := n.Value.(int64)
	if !ok {
		fix := ""
		if _, err := strconv.ParseInt(n.Text(), 0, 64); err == nil {
			fix = n.Text()
		}
		return r.Wrong(n, "a whole number", fix)
	}
	if v.CanInt() {
		if v.OverflowInt(i) {
			limit := int64(1)<<(v.Type().Bits()-1) - 1
			return r.Wrong(n, fmt.Sprintf("a number from %d to %d", -limit-1, limit), "")
		}
		v.SetInt(i)
		return true
	}
	if i < 0 || v.OverflowUint(uint64(i)) {
		return r.Wrong(n, fmt.Sprintf("a number from 0 to %d", uint64(math.MaxUint64)>>(64-v.Type().Bits())), "")
	}
	v.SetUint(uint64(i))
	return true
}

func (r *Reporter) decodeFloat(n *Node, v reflect.Value) bool {
	var f float64
	switch x := n.Value.(type) {
	case int64:
		f = float64(x)
	case float64:
		f = x
	default:
		fix := ""
		if _, err := strconv.ParseFloat(n.Text(), 64); err == nil {
			fix = n.Text()
		}
		return r.Wrong(n, "a number", fix)
	}
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return r.Wrong(n, "a finite number", "")
	}
	v.SetFloat(f)
	return true
}

func (r *Reporter) decodeSlice(n *Node, v reflect.Value) bool {
	if n.Kind != KindArray {
		fix := ""
		if n.Kind != KindTable {
			fix = "[" + n.Raw() + "]"
		}
		return r.Wrong(n, "a list", fix)
	}
	v.Set(reflect.MakeSlice(v.Type(), len(n.Items), len(n.Items)))
	ok := true
	for i, item := range n.Items {
		ok = r.decode(item, v.Index(i)) && ok
	}
	return ok
}

func (r *Reporter) decodeArray(n *Node, v reflect.Value) bool {
	if n.Kind != KindArray || len(n.Items) != v.Len() {
		return r.Wrong(n, fmt.Sprintf("a list of %d", v.Len()), "")
	}
	ok := true
	for i, item := range n.Items {
		ok = r.decode(item, v.Index(i)) && ok
	}
	return ok
}

func (r *Reporter) decodeMap(n *Node, v reflect.Value) bool {
	if n.Kind != KindTable {
		return r.Wrong(n, "a table", "")
	}
	if v.Type().Key().Kind() != reflect.String {
		r.AtValue(n, "this program has no way to read this key")
		return false
	}
	v.Set(reflect.MakeMapWithSize(v.Type(), len(n.Fields)))
	ok := true
	for _, f := range n.Fields {
		item := reflect.New(v.Type().Elem()).Elem()
		ok = r.decode(f, item) && ok
		v.SetMapIndex(reflect.ValueOf(f.Name).Convert(v.Type().Key()), item)
	}
	return ok
}
