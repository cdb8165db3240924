package toml

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
)

// ReadFile reads a file, but not an endless one.
func ReadFile(path string) (string, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return "", err
	case info.IsDir():
		return "", errors.New("this is a directory")
	case info.Size() > MaxFileSize:
		return "", fmt.Errorf("the file has %d MiB, more than any configuration needs (limit %d MiB)", info.Size()>>20, MaxFileSize>>20)
	}
	data, err := os.ReadFile(path)
	return string(data), err
}

// Unreadable reports a file that cannot be read; missing and denied are what to type if
// there is none, or if this user may not.
func (r *Reporter) Unreadable(path string, err error, missing, denied string) {
	text, notes := err.Error(), []Note(nil)
	var pe *fs.PathError
	if errors.As(err, &pe) {
		text = pe.Err.Error()
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		text, notes = "there is no such file", []Note{Try(missing)}
	case errors.Is(err, fs.ErrPermission):
		text, notes = "this user may not read it", []Note{Try(denied)}
	}
	r.whole(path, text, notes...)
}

// Spread says what may stand in more than one file.
type Spread struct {
	Tables []string // at the top: each entry of one may come from another file
	Lists  []string // table.key: they add up, in the order of the files
}

// Merge joins the trees of several files. What stands in two files and is not in may is a
// fault that names both.
func (r *Reporter) Merge(roots []*Node, may Spread) *Node {
	if len(roots) == 1 {
		return roots[0]
	}
	all := &Node{Kind: KindTable, Source: roots[0].Source, Opened: true}
	for _, root := range roots {
		for _, f := range root.Fields {
			old := all.Field(f.Name)
			switch {
			case old == nil:
				all.Add(f)
			case slices.Contains(may.Tables, f.Name) && old.Kind == KindTable && f.Kind == KindTable:
				r.mergeEntries(old, f, may.Lists)
			default:
				r.inTwoFiles(old, f)
			}
		}
	}
	return all
}

func (r *Reporter) mergeEntries(into, from *Node, lists []string) {
	for _, f := range from.Fields {
		old := into.Field(f.Name)
		switch {
		case old == nil:
			into.Add(f)
		case slices.Contains(lists, into.Name+"."+f.Name) && old.Kind == KindArray && f.Kind == KindArray:
			// The nodes are of this one run: nobody else sees the longer list.
			old.Items = append(old.Items, f.Items...)
		default:
			r.inTwoFiles(old, f)
		}
	}
}

func (r *Reporter) inTwoFiles(first, again *Node) {
	r.AtKey(again, fmt.Sprintf("stands in two files, first in %s:%d", first.Source.Name, first.Line()))
}

// Subtree keeps a part of the tree, to be decoded later.
type Subtree struct{ Node *Node }

// DecodeNode implements NodeDecoder.
func (s *Subtree) DecodeNode(_ *Reporter, n *Node) bool {
	s.Node = n
	return true
}

// KeyType implements Typed.
func (Subtree) KeyType() (string, Object) { return "table", Object{"type": "object"} }

// DefaultText implements Defaulted.
func (Subtree) DefaultText() string { return "" }
