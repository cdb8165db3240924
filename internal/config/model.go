package config

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"sensorgate/internal/toml"
)

// model is one template: the body of a device table.
type model struct {
	root  *toml.Node
	title string
	ok    bool
}

// aboutModel are the keys of a model's file that are not of a device table.
var aboutModel = []string{"title", "source", "sources", "one_source", "unconfirmed", "setpoints", "tested"}

// ownModels is the folder beside the configuration with the user's own models.
const ownModels = "models"

// fromModel puts the device's table over its model's.
func (l *loader) fromModel(n, name *toml.Node) (*toml.Node, bool) {
	m, seen := l.models[name.Text()]
	if !seen {
		m = l.loadModel(name)
		l.models[name.Text()] = m
	}
	if m.root == nil {
		if seen {
			l.noModel(name)
		}
		return nil, false
	}
	return toml.Overlay(m.applying(n), n, layered), m.ok
}

// pointless are keys of a model that have no meaning for a device with another key: a
// connection has no speed, and the same meter has one on its RS-485 side.
var pointless = map[string]string{"tcp": "line"}

// applying returns what of the model applies to the device's own table n.
func (m *model) applying(n *toml.Node) *toml.Node {
	for given, key := range pointless {
		if n.Field(given) == nil || m.root.Field(key) == nil {
			continue
		}
		rest := &toml.Node{Kind: toml.KindTable, Source: m.root.Source, Opened: m.root.Opened}
		for _, f := range m.root.Fields {
			if f.Name != key {
				rest.Add(f)
			}
		}
		return rest
	}
	return m.root
}

func (l *loader) loadModel(name *toml.Node) *model {
	src, ok := l.modelSource(name.Text())
	if !ok {
		l.noModel(name)
		return &model{}
	}
	root, ok := l.Parse(src)
	if !ok {
		return &model{root: &toml.Node{Kind: toml.KindTable, Source: src}}
	}
	body := &toml.Node{Kind: toml.KindTable, Source: src, Opened: true}
	for _, f := range root.Fields {
		if !slices.Contains(aboutModel, f.Name) {
			body.Add(f)
		}
	}
	return &model{root: body, title: root.Field("title").Text(), ok: true}
}

// modelSource finds the text of a model: the user's own first.
func (l *loader) modelSource(name string) (*toml.Source, bool) {
	if !fs.ValidPath(name) || name == "." {
		return nil, false
	}
	own := filepath.Join(l.dir, ownModels, filepath.FromSlash(name)+".toml")
	if text, err := toml.ReadFile(own); err == nil {
		return &toml.Source{Name: own, Text: text}, true
	}
	for _, dir := range l.cat.Models {
		if text, err := fs.ReadFile(dir, name+".toml"); err == nil {
			return &toml.Source{Name: "model " + name, Text: string(text)}, true
		}
	}
	return nil, false
}

func (l *loader) noModel(name *toml.Node) {
	names := ModelNames(l.cat, l.dir)
	fix := ""
	if right := toml.Nearest(strings.ToLower(name.Text()), names); right != "" {
		fix = fmt.Sprintf("model = %q", right)
	}
	l.AtValue(name, fmt.Sprintf("no model is called %q", name.Text()), toml.Expected("one that sensorgate model list shows"), toml.Try(fix))
}

// Model is one template for people.
type Model struct {
	Name   string `json:"name"`
	Driver string `json:"driver"`
	Title  string `json:"title"`
	Source string `json:"source"` // what it was made from
	Tested string `json:"tested"` // on what hardware; "no" if on none
	Text   string `json:"text"`

	// Sources are where the registers and units come from, each "maker: …" or "project: …".
	// What one project copied from another counts once.
	Sources     []string `json:"sources,omitempty"`
	Channels    []string `json:"channels"`
	OneSource   []string `json:"one_source,omitempty"`  // channels that only one of them has
	Unconfirmed []string `json:"unconfirmed,omitempty"` // channels that none of them has

	// SetPoints are channels that are read, and take commands once the user's file says
	// write = true for them.
	SetPoints []string `json:"setpoints,omitempty"`
}

// makerSource begins a source that is the maker's own document.
const makerSource = "maker: "

// Confirmation is how well the registers of a channel are known: "maker" by the maker's
// own document alone, "two" by two independent sources, "one", or "none".
func (m *Model) Confirmation(channel string) string {
	switch {
	case slices.Contains(m.Unconfirmed, channel) || len(m.Sources) == 0:
		return "none"
	case slices.Contains(m.OneSource, channel):
		return "one"
	case len(m.Sources) > 1:
		return "two"
	case strings.HasPrefix(m.Sources[0], makerSource):
		return "maker"
	}
	return "one"
}

// Mentions reports whether a model has to do with a word: a maker, a kind of device, a
// driver, a quantity. With "" every model has.
func (m *Model) Mentions(word string) bool {
	text := strings.Join(append([]string{m.Name, m.Title, m.Driver}, m.Channels...), " ")
	return strings.Contains(strings.ToLower(text), strings.ToLower(word))
}

// Models returns all models with what they say of themselves, sorted by name. All processors
// read: more than a hundred files of TOML are a while for one of a small board.
func Models(cat Catalogue, dir string) []Model {
	names := ModelNames(cat, dir)
	models := make([]Model, len(names))
	var next atomic.Int64
	var readers sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		readers.Go(func() {
			for i := next.Add(1) - 1; i < int64(len(names)); i = next.Add(1) - 1 {
				models[i], _ = ReadModel(cat, dir, names[i])
			}
		})
	}
	readers.Wait()
	return slices.DeleteFunc(models, func(m Model) bool { return m.Name == "" }) // gone meanwhile
}

// ReadModel returns one model with what it says of itself.
func ReadModel(cat Catalogue, dir, name string) (Model, bool) {
	l := newLoader(cat)
	l.dir = dir
	return l.readModel(name)
}

func (l *loader) readModel(name string) (Model, bool) {
	src, ok := l.modelSource(name)
	if !ok {
		return Model{}, false
	}
	m := Model{Name: name, Text: src.Text, Tested: "no"}
	root, ok := l.Parse(src)
	if !ok {
		return m, true
	}
	m.about(root)
	m.Driver, m.Title = root.Field("driver").Text(), root.Field("title").Text()
	if m.Source == "" {
		m.Source = root.Field("source").Text()
	}
	if t := root.Field("tested"); t.Text() != "" {
		m.Tested = t.Text()
	} else if yes, _ := t.Boolean(); yes {
		m.Tested = "yes"
	}
	return m, true
}

// about reads what a model's file says of itself.
func (m *Model) about(root *toml.Node) {
	for key, to := range map[string]*[]string{"sources": &m.Sources, "one_source": &m.OneSource, "unconfirmed": &m.Unconfirmed, "setpoints": &m.SetPoints} {
		if list := root.Field(key); list != nil {
			for _, item := range list.Items {
				*to = append(*to, item.Text())
			}
		}
	}
	if channels := root.Field("channels"); channels != nil {
		for _, c := range channels.Fields {
			m.Channels = append(m.Channels, c.Name)
		}
	}
	m.Source = strings.Join(m.Sources, "; ")
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

// layered reports whether a table is merged with the model's instead of replacing it:
// the channels, and each of them.
func layered(f, parent *toml.Node) bool {
	return f.Name == "channels" || parent.Name == "channels"
}
