package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"sensorgate/drivers"
)

// Catalogue is what a configuration may choose from. It is handed in, because this
// package knows no hardware.
type Catalogue struct {
	Drivers   *drivers.Registry
	SerialBus func() any // new options of [serial.NAME]
	Models    []fs.FS    // model data files NAME.toml: body of a device table plus title, source, tested

	// StablePort names the path of a port that stays the same after a reboot, "" if it
	// is not known. nil: nobody looks.
	StablePort func(port string) string
}

// loader carries one Load.
type loader struct {
	reporter
	cat    Catalogue
	dir    string // of the main file
	root   *node
	cfg    *Config
	claims []claimed
	used   map[string]bool // serial buses with a device on them
	buses  map[string]*node
	models map[string]*model
	topics []topicUse
	rules  []ruleAt
}

// Load reads path and conf.d/*.toml beside it. The Config is nil if the problems
// have errors; there may be warnings beside a Config.
func Load(path string, cat Catalogue) (*Config, Problems) {
	l := newLoader(cat)
	l.dir = filepath.Dir(path)
	return l.load(l.read(path))
}

func newLoader(cat Catalogue) *loader {
	return &loader{
		reporter: reporter{drivers: cat.Drivers.Names()},
		cat:      cat, cfg: &Config{},
		used: map[string]bool{}, buses: map[string]*node{}, models: map[string]*model{},
	}
}

func (l *loader) load(sources []*source) (*Config, Problems) {
	readable := len(l.problems) == 0
	roots := make([]*node, 0, len(sources))
	for _, src := range sources {
		l.cfg.Files = append(l.cfg.Files, src.name)
		root, ok := l.parse(src)
		readable = readable && ok
		roots = append(roots, root)
	}
	// With a part missing, the rest would be blamed for what stands in it.
	if readable {
		l.root = l.merge(roots)
		l.check()
	}
	l.problems.sort(l.cfg.Files)
	if l.problems.Errors() {
		return nil, l.problems
	}
	return l.cfg, l.problems
}

// read reads the main file and those in conf.d beside it.
func (l *loader) read(path string) []*source {
	paths := []string{path}
	more, err := filepath.Glob(filepath.Join(filepath.Dir(path), "conf.d", "*.toml"))
	if err == nil {
		slices.Sort(more)
		paths = append(paths, more...)
	}
	var sources []*source
	for _, p := range paths {
		text, err := readFile(p)
		if err != nil {
			l.unreadable(p, err)
			continue
		}
		sources = append(sources, &source{name: p, text: text})
	}
	return sources
}

// readFile reads a file, but not an endless one.
func readFile(path string) (string, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return "", err
	case info.IsDir():
		return "", errors.New("this is a directory")
	case info.Size() > maxFileSize:
		return "", fmt.Errorf("the file has %d MiB, more than any configuration needs (limit %d MiB)", info.Size()>>20, maxFileSize>>20)
	}
	data, err := os.ReadFile(path)
	return string(data), err
}

func (l *loader) unreadable(path string, err error) {
	text, notes := err.Error(), []Note(nil)
	var pe *fs.PathError
	if errors.As(err, &pe) {
		text = pe.Err.Error()
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		text, notes = "there is no such file", []Note{try("sensorgate init " + path)}
	case errors.Is(err, fs.ErrPermission):
		text, notes = "this user may not read it", []Note{try("sudo -u sensorgate …, or see who owns it: ls -l " + path)}
	}
	l.whole(path, text, notes...)
}

// merge joins the files: tables of one kind come together, and what stands in two
// files is a fault that names both.
func (l *loader) merge(roots []*node) *node {
	if len(roots) == 1 {
		return roots[0]
	}
	all := &node{kind: kindTable, src: roots[0].src, opened: true}
	for _, root := range roots {
		for _, f := range root.fields {
			old := all.field(f.name)
			switch {
			case old == nil:
				all.add(f)
			case slices.Contains(namedTables, f.name) && old.kind == kindTable && f.kind == kindTable:
				l.mergeNamed(old, f)
			default:
				l.inTwoFiles(old, f)
			}
		}
	}
	return all
}

// namedTables are the tables of tables: each entry may come from another file.
var namedTables = []string{"serial", "device", "bridge"}

func (l *loader) mergeNamed(into, from *node) {
	for _, f := range from.fields {
		if old := into.field(f.name); old != nil {
			l.inTwoFiles(old, f)
			continue
		}
		into.add(f)
	}
}

func (l *loader) inTwoFiles(first, again *node) {
	l.atKey(again, fmt.Sprintf("stands in two files, first in %s:%d", first.src.name, first.line()))
}

// check turns the merged tree into the Config, one table after the other.
func (l *loader) check() {
	top := l.top()
	if !l.understands(top.Version) {
		return
	}
	l.broker(top.Broker.n)
	l.journal(top.Journal.n)
	l.serialBuses(top.Serial.n)
	l.devices(top.Device.n)
	l.unusedBuses()
	l.claimedTwice()
	l.bridges(top.Bridge.n)
	l.topicsTwice()
}

// subtree keeps a part of the tree for later.
type subtree struct{ n *node }

func (s *subtree) decodeNode(_ *reporter, n *node) bool {
	s.n = n
	return true
}

// each calls visit for every table below n, which is a table of tables.
func (l *loader) each(n *node, visit func(*node)) {
	if n == nil {
		return
	}
	if n.kind != kindTable {
		l.atValue(n, fmt.Sprintf("found %s, expected tables [%s.NAME]", n.found(), n.name))
		return
	}
	for _, f := range n.fields {
		if f.kind != kindTable {
			l.atValue(f, fmt.Sprintf("found %s, expected a table [%s.NAME]", f.found(), n.name))
			continue
		}
		visit(f)
	}
}

// validName says what is wrong with the name of a node, device, channel or bridge: it
// becomes a level of a topic and a word in logs.
func validName(name string) error {
	switch {
	case name == "":
		return errors.New("the name is empty")
	case len(name) > 128:
		return errors.New("the name is longer than 128 bytes")
	case strings.ContainsAny(name, "+#/"):
		return errors.New("a name with + # or / does not fit into one level of a topic")
	case strings.HasPrefix(name, "$"):
		return errors.New("a name that begins with $ is reserved in MQTT")
	case strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == 0x7f || r == ' ' || r == 0xfffd || r == '{' || r == '}' }):
		return errors.New("a name has no spaces, braces or control characters")
	}
	return nil
}
