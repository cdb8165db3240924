package toml

import (
	"fmt"
	"strconv"
	"strings"
)

// Kind of a node.
type kind uint8

const (
	kindNone kind = iota
	KindTable
	KindArray
	KindString
	KindInteger
	KindFloat
	KindBool
	kindTime
	KindBroken // did not parse; reported already, so nobody complains about it again
)

// Node is one key with its value, or one item of an array, and where it stands.
type Node struct {
	Kind   kind
	Name   string // key, or "[2]" for an item
	Parent *Node
	Source *Source
	key    span // of the key; for a table with a header: of the name in the header
	val    span // of the value; for a table with a header: of the name in the header
	Value  any  // of a scalar, as the TOML library decoded it

	Fields []*Node          // of a table, in the order of the file
	index  map[string]*Node // of fields, once there are many
	Items  []*Node          // of an array
	Opened bool             // a table that has a header or braces of its own
	inline bool             // a table in braces, or an array in brackets: it cannot be extended
}

// manyFields is where a table gets an index: 5,000 devices must not cost 5,000² steps.
const manyFields = 16

// Field returns the entry called name, or nil.
func (n *Node) Field(name string) *Node {
	if n == nil {
		return nil
	}
	if n.index != nil {
		return n.index[name]
	}
	for _, f := range n.Fields {
		if f.Name == name {
			return f
		}
	}
	return nil
}

// Add enters f as a field of n. There is none of that name yet.
func (n *Node) Add(f *Node) {
	f.Parent = n
	n.Fields = append(n.Fields, f)
	switch {
	case n.index != nil:
		n.index[f.Name] = f
	case len(n.Fields) > manyFields:
		n.index = make(map[string]*Node, 2*len(n.Fields))
		for _, f := range n.Fields {
			n.index[f.Name] = f
		}
	}
}

// rename lets f, a field of n, be found under another name.
func (n *Node) rename(f *Node, name string) {
	if n.index != nil {
		delete(n.index, f.Name)
		n.index[name] = f
	}
	f.Name = name
}

// Path is what people call the node: device.grid.channels.power, bridge.cloud.rules[2].
func (n *Node) Path() string {
	if n == nil || n.Parent == nil {
		return ""
	}
	up := n.Parent.Path()
	switch {
	case strings.HasPrefix(n.Name, "[") && n.Parent.Kind == KindArray:
		return up + n.Name
	case up == "":
		return QuoteKey(n.Name)
	}
	return up + "." + QuoteKey(n.Name)
}

// spent marks a value that was refused, so that one mistake is reported once.
func (n *Node) spent() {
	if n != nil {
		n.Kind = KindBroken
	}
}

// Raw is the value as it is written in the file.
func (n *Node) Raw() string {
	if n.Source == nil || n.val.end > len(n.Source.Text) || n.val.off > n.val.end {
		return ""
	}
	return n.Source.Text[n.val.off:n.val.end]
}

// Line is where the node begins.
func (n *Node) Line() int {
	if n.Source == nil {
		return 0
	}
	return n.Source.lineOf(n.key.off)
}

// Text returns a string's value, "" for anything else.
func (n *Node) Text() string {
	if n == nil || n.Kind != KindString {
		return ""
	}
	s, _ := n.Value.(string)
	return s
}

// Keys lists the names of a table's fields.
func (n *Node) Keys() []string {
	if n == nil {
		return nil
	}
	names := make([]string, len(n.Fields))
	for i, f := range n.Fields {
		names[i] = f.Name
	}
	return names
}

// Found returns what stands there, as a person would: the number 5, the text "x".
func (n *Node) Found() string {
	switch n.Kind {
	case KindTable:
		return "a table"
	case KindArray:
		return fmt.Sprintf("a list of %d", len(n.Items))
	case KindString:
		return "the text " + Shorten(strconv.Quote(n.Text()), 60)
	case KindInteger, KindFloat:
		return "the number " + Shorten(n.Raw(), 40)
	case KindBool:
		return n.Raw()
	case kindTime:
		return "the time " + n.Raw()
	}
	return "nothing"
}

// QuoteKey writes a key as TOML needs it.
func QuoteKey(key string) string {
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

// Shorten cuts s to at most n characters.
func Shorten(s string, n int) string {
	runes := 0
	for i := range s {
		if runes == n-1 {
			return s[:i] + "…"
		}
		runes++
	}
	return s
}

// Boolean returns the value of a node that is true or false.
func (n *Node) Boolean() (b, ok bool) {
	if n == nil {
		return false, false
	}
	b, ok = n.Value.(bool)
	return b, ok
}

// FieldsOrNone lists the fields of a table; a nil node has none.
func (n *Node) FieldsOrNone() []*Node {
	if n == nil {
		return nil
	}
	return n.Fields
}

// Before reports whether the key of n stands before that of o in their file.
func (n *Node) Before(o *Node) bool { return n.key.off < o.key.off }
