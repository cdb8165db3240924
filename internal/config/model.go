package config

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// model is one template: the body of a device table.
type model struct {
	root *node
	ok   bool
}

// ownModels is the folder beside the configuration with the user's own models.
const ownModels = "models"

// fromModel puts the device's table over its model's.
func (l *loader) fromModel(n, name *node) (*node, bool) {
	m, seen := l.models[name.text()]
	if !seen {
		m = l.loadModel(name)
		l.models[name.text()] = m
	}
	if m.root == nil {
		if seen {
			l.noModel(name)
		}
		return nil, false
	}
	return overlay(m.root, n), m.ok
}

func (l *loader) loadModel(name *node) *model {
	src, ok := l.modelSource(name.text())
	if !ok {
		l.noModel(name)
		return &model{}
	}
	root, ok := l.parse(src)
	if !ok {
		return &model{root: &node{kind: kindTable, src: src}}
	}
	body := &node{kind: kindTable, src: src, opened: true}
	for _, f := range root.fields {
		if !slices.Contains([]string{"title", "source", "tested"}, f.name) {
			body.add(f)
		}
	}
	return &model{root: body, ok: true}
}

// modelSource finds the text of a model: the user's own first.
func (l *loader) modelSource(name string) (*source, bool) {
	if !fs.ValidPath(name) || name == "." {
		return nil, false
	}
	own := filepath.Join(l.dir, ownModels, filepath.FromSlash(name)+".toml")
	if text, err := readFile(own); err == nil {
		return &source{name: own, text: text}, true
	}
	for _, dir := range l.cat.Models {
		if text, err := fs.ReadFile(dir, name+".toml"); err == nil {
			return &source{name: "model " + name, text: string(text)}, true
		}
	}
	return nil, false
}

func (l *loader) noModel(name *node) {
	names := ModelNames(l.cat, l.dir)
	fix := ""
	if right := nearest(strings.ToLower(name.text()), names); right != "" {
		fix = fmt.Sprintf("model = %q", right)
	}
	l.atValue(name, fmt.Sprintf("no model is called %q", name.text()), expected("one that sensorgate model list shows"), try(fix))
}

// Model is one template for people.
type Model struct {
	Name   string `json:"name"`
	Driver string `json:"driver"`
	Title  string `json:"title"`
	Source string `json:"source"` // what it was made from
	Tested string `json:"tested"` // on what hardware; "no" if on none
	Text   string `json:"text"`
}

// Models gives all models with what they say of themselves, sorted by name.
func Models(cat Catalogue, dir string) []Model {
	l := newLoader(cat)
	l.dir = dir
	var models []Model
	for _, name := range ModelNames(cat, dir) {
		src, ok := l.modelSource(name)
		if !ok {
			continue
		}
		m := Model{Name: name, Text: src.text, Tested: "no"}
		if root, ok := l.parse(src); ok {
			m.Driver, m.Title, m.Source = root.field("driver").text(), root.field("title").text(), root.field("source").text()
			if t := root.field("tested"); t.text() != "" {
				m.Tested = t.text()
			} else if yes, _ := t.boolean(); yes {
				m.Tested = "yes"
			}
		}
		models = append(models, m)
	}
	return models
}

// boolean gives the value of a node that is true or false.
func (n *node) boolean() (b, ok bool) {
	if n == nil {
		return false, false
	}
	b, ok = n.value.(bool)
	return b, ok
}

// ModelNames lists all models, sorted: those of the catalogue and those in the
// models folder of dir.
func ModelNames(cat Catalogue, dir string) []string {
	var names []string
	collect := func(fsys fs.FS) {
		// What cannot be read is not a model; there is nobody to tell.
		_ = fs.WalkDir(fsys, ".", func(path string, d fs.DirEntry, err error) error {
			if err == nil && !d.IsDir() && strings.HasSuffix(path, ".toml") {
				names = append(names, strings.TrimSuffix(path, ".toml"))
			}
			return nil
		})
	}
	for _, fsys := range cat.Models {
		collect(fsys)
	}
	collect(os.DirFS(filepath.Join(dir, ownModels)))
	slices.Sort(names)
	return slices.Compact(names)
}

// overlay gives a copy of base with over's fields in place of its own; channels are
// laid over each other one by one.
func overlay(base, over *node) *node {
	out := *over
	out.fields, out.index = nil, nil
	for _, f := range base.fields {
		if over.field(f.name) == nil {
			out.add(f.copyTo(&out))
		}
	}
	for _, f := range over.fields {
		b := base.field(f.name)
		switch {
		case b == nil || b.kind != kindTable || f.kind != kindTable || !layered(f, over):
			out.add(f.copyTo(&out))
		default:
			merged := overlay(b, f)
			out.add(merged)
		}
	}
	for _, f := range out.fields {
		f.parent = &out
	}
	return &out
}

// layered says whether a table is merged with the model's instead of replacing it:
// the channels, and each of them.
func layered(f, parent *node) bool {
	return f.name == "channels" || parent.name == "channels"
}

// copyTo copies a node with all below it, so that its path leads through parent.
func (n *node) copyTo(parent *node) *node {
	c := *n
	c.parent = parent
	c.fields, c.index, c.items = nil, nil, nil
	for _, f := range n.fields {
		c.add(f.copyTo(&c))
	}
	for _, item := range n.items {
		c.items = append(c.items, item.copyTo(&c))
	}
	return &c
}
