package toml

import (
	"fmt"
	"slices"
	"sort"
	"strings"
)

// TableText is a table as it stands in the file: each key with its value, in the
// order of the keys' paths. From it people learn what has changed.
type TableText []keyText

type keyText struct{ path, raw string }

// shown is the value as a plan may show it: short, and without secrets. What is one, its key
// says.
func (k keyText) shown() string {
	key := k.path[strings.LastIndexByte(k.path, '.')+1:] + " = "
	return Shorten(strings.TrimPrefix(WithoutSecrets(key+k.raw), key), 60)
}

// TextOf returns the text of a table, nil for a nil node.
func TextOf(n *Node) TableText {
	if n == nil {
		return nil
	}
	var t TableText
	var walk func(path string, n *Node)
	walk = func(path string, n *Node) {
		if n.Kind != KindTable {
			t = append(t, keyText{path, n.Raw()})
			return
		}
		for _, f := range n.Fields {
			walk(joinPath(path, f.Name), f)
		}
	}
	walk("", n)
	sort.Slice(t, func(i, k int) bool { return t[i].path < t[k].path })
	return t
}

// Equal reports whether the same keys have the same values, as they are written.
func (t TableText) Equal(o TableText) bool { return slices.Equal(t, o) }

// DiffText lists the keys that differ. If none does, the cause is elsewhere.
func DiffText(a, b TableText, elsewhere string) (why []string) {
	old := make(map[string]keyText, len(a))
	for _, k := range a {
		old[k.path] = k
	}
	for _, k := range b {
		was, there := old[k.path]
		delete(old, k.path)
		switch {
		case !there:
			why = append(why, k.path+": new, "+k.shown())
		case was != k:
			why = append(why, fmt.Sprintf("%s: %s → %s", k.path, was.shown(), k.shown()))
		}
	}
	for _, k := range a {
		if was, gone := old[k.path]; gone {
			why = append(why, k.path+": gone, was "+was.shown())
		}
	}
	if len(why) == 0 {
		return []string{elsewhere + " changed"}
	}
	return why
}
