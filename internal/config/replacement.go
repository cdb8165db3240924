package config

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
)

// replacement writes f under its right name, with a value that fits there.
func replacement(f *node, right string, ts []target) string {
	if f.kind == kindTable && !f.inline {
		for _, child := range f.fields {
			return "[" + joinPath(joinPath(f.parent.path(), right), quoteKey(child.name)) + "]"
		}
		return "[" + joinPath(f.parent.path(), right) + "]"
	}
	if fix, ok := translated(f, right); ok {
		return fix
	}
	value := f.raw()
	for _, t := range ts {
		field, has := t.field(right)
		if !has || fits(f, field.typ) {
			continue
		}
		asText := *f
		asText.kind, asText.value = kindString, f.raw()
		value = sample(field.typ)
		if field.example != "" {
			value = field.example
		}
		switch {
		case fits(&asText, field.typ):
			value = strconv.Quote(f.raw())
		case field.typ == durationType && f.kind == kindInteger:
			value = strconv.Quote(f.raw() + "s")
		}
	}
	if len(value) > 60 || strings.Contains(value, "\n") {
		value = "…"
	}
	return right + " = " + value
}

// translated knows what becomes of a value that is written in another way elsewhere.
func translated(f *node, right string) (fix string, ok bool) {
	number, isNumber := f.value.(int64)
	switch {
	case right == "line" && isNumber: // a baud rate
		return fmt.Sprintf("line = \"%d 8N1\"", number), true
	case right == "i2c" && isNumber: // an address without its bus
		return fmt.Sprintf("i2c = \"1:%s\"", f.raw()), true
	case right == "serial" && f.kind == kindString: // a port
		return "serial = " + portTable(f.raw()), true
	case right == "serial" && isNumber:
		return fmt.Sprintf("serial = { port = \"/dev/serial0\", line = \"%d 8N1\" }", number), true
	case right == "urls" && f.kind == kindString: // a host
		return fmt.Sprintf("urls = [\"mqtts://%s:8883\"]", strings.TrimPrefix(f.text(), "mqtt://")), true
	case right == "urls" && isNumber:
		return fmt.Sprintf("urls = [\"mqtt://HOST:%d\"]", number), true
	// Numbers of the old manuals: the first digit is the table, and they count from 1.
	case right == "input" && number >= 30001 && number <= 39999:
		return fmt.Sprintf("input = %d", number-30001), true
	case right == "input" && number >= 40001 && number <= 49999:
		return fmt.Sprintf("holding = %d", number-40001), true
	}
	return "", false
}

// portTable writes the table of a serial port, raw being its path in quotes.
func portTable(raw string) string { return fmt.Sprintf("{ port = %s, line = \"9600 8N1\" }", raw) }

// fits says whether n can be decoded into a t.
func fits(n *node, t reflect.Type) bool {
	var scratch reporter
	copied := n.copyTo(n.parent) // decode marks what it refuses
	return scratch.decode(copied, reflect.New(t).Elem())
}
