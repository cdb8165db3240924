package config

import (
	"fmt"
	"strconv"
	"strings"
)

// kind of a node.
type kind uint8

const (
	kindNone kind = iota
	kindTable
	kindArray
	kindString
	kindInteger
	kindFloat
	kindBool
	kindTime
	kindBroken // did not parse; reported already, so nobody complains about it again
)

// node is one key with its value, or one item of an array, and where it stands.
type node struct {
	kind   kind
	name   string // key, or "[2]" for an item
	parent *node
	src    *source
	key    span // of the key; for a table with a header: of the name in the header
	val    span // of the value; for a table with a header: of the name in the header
	value  any  // of a scalar, as the TOML library decoded it

	fields []*node          // of a table, in the order of the file
	index  map[string]*node // of fields, once there are many
	items  []*node          // of an array
	opened bool             // a table that has a header or braces of its own
	inline bool             // a table in braces, or an array in brackets: it cannot be extended
}

// manyFields is where a table gets an index: 5,000 devices must not cost 5,000² steps.
const manyFields = 16

// field gives the entry called name, or nil.
func (n *node) field(name string) *node {
	if n == nil {
		return nil
	}
	if n.index != nil {
		return n.index[name]
	}
	for _, f := range n.fields {
		if f.name == name {
			return f
		}
	}
	return nil
}

// add enters f as a field of n. There is none of that name yet.
func (n *node) add(f *node) {
	f.parent = n
	n.fields = append(n.fields, f)
	switch {
	case n.index != nil:
		n.index[f.name] = f
	case len(n.fields) > manyFields:
		n.index = make(map[string]*node, 2*len(n.fields))
		for _, f := range n.fields {
			n.index[f.name] = f
		}
	}
}

// path is what people call the node: device.grid.channels.power, bridge.cloud.rules[2].
func (n *node) path() string {
	if n == nil || n.parent == nil {
		return ""
	}
	up := n.parent.path()
	switch {
	case strings.HasPrefix(n.name, "[") && n.parent.kind == kindArray:
		return up + n.name
	case up == "":
		return quoteKey(n.name)
	}
	return up + "." + quoteKey(n.name)
}

// spent marks a value that was refused, so that one mistake is reported once.
func (n *node) spent() {
	if n != nil {
		n.kind = kindBroken
	}
}

// raw is the value as it is written in the file.
func (n *node) raw() string {
	if n.src == nil || n.val.end > len(n.src.text) || n.val.off > n.val.end {
		return ""
	}
	return n.src.text[n.val.off:n.val.end]
}

// line is where the node begins.
func (n *node) line() int {
	if n.src == nil {
		return 0
	}
	return n.src.lineOf(n.key.off)
}

// text gives a string's value, "" for anything else.
func (n *node) text() string {
	if n == nil || n.kind != kindString {
		return ""
	}
	s, _ := n.value.(string)
	return s
}

// keys lists the names of a table's fields.
func (n *node) keys() []string {
	if n == nil {
		return nil
	}
	names := make([]string, len(n.fields))
	for i, f := range n.fields {
		names[i] = f.name
	}
	return names
}

// found says what stands there, as a person would: the number 5, the text "x".
func (n *node) found() string {
	switch n.kind {
	case kindTable:
		return "a table"
	case kindArray:
		return fmt.Sprintf("a list of %d", len(n.items))
	case kindString:
		return "the text " + shorten(strconv.Quote(n.text()), 60)
	case kindInteger, kindFloat:
		return "the number " + shorten(n.raw(), 40)
	case kindBool:
		return n.raw()
	case kindTime:
		return "the time " + n.raw()
	}
	return "nothing"
}

// quoteKey writes a key as TOML needs it.
func quoteKey(key string) string {
	if isBareKey(key) {
		return key
	}
	return strconv.Quote(key)
}

func isBareKey(key string) bool {
	for i := 0; i < len(key); i++ {
		if !isBareByte(key[i]) {
			return false
		}
	}
	return key != ""
}

func isBareByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_'
}

// shorten cuts s to at most n characters.
func shorten(s string, n int) string {
	runes := 0
	for i := range s {
		if runes == n-1 {
			return s[:i] + "…"
		}
		runes++
	}
	return s
}
