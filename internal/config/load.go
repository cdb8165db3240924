package config

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"sensorgate/drivers"
	"sensorgate/internal/toml"
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

	// Conventions reports what [homeassistant] and [homie] cannot describe, of a
	// configuration without other faults. nil: nobody looks.
	Conventions func(c *Config) []Objection
}

// loader carries one Load.
type loader struct {
	toml.Reporter
	cat    Catalogue
	dir    string // of the main file
	alone  bool   // the texts handed in are all there is
	drafts []Draft
	root   *toml.Node
	cfg    *Config
	claims []claimed
	used   map[string]bool // serial buses with a device on them
	buses  map[string]*toml.Node
	models map[string]*model
	topics []topicUse
	rules  []ruleAt
	places map[string]*deviceAt // by device
	tables map[string]*toml.Node
}

// Load reads path, conf.d/*.toml beside it, and conf.d/*.toml in the folder that data
// names, where the gateway itself writes. The Config is nil if the problems have errors;
// there may be warnings beside a Config.
func Load(path string, cat Catalogue) (*Config, Problems) { return LoadDrafts(path, nil, cat) }

// LoadDrafts is Load with some texts in place of what the files have.
func LoadDrafts(path string, drafts []Draft, cat Catalogue) (*Config, Problems) {
	l := newLoader(cat)
	l.dir, l.drafts = filepath.Dir(path), drafts
	return l.load(l.readPeoples(path))
}

// readPeoples reads what people write: the main file and those of the folder beside it.
func (l *loader) readPeoples(path string) []*toml.Source {
	return l.readAll(append([]string{path}, l.tomlFiles(filepath.Join(filepath.Dir(path), confDir))...))
}

// Text is a file that is not on the disk, or not yet.
type Text struct{ Name, Text string }

// LoadTexts checks texts as Load checks files. The first is the main file: what it names
// relative to itself is looked for beside its Name.
func LoadTexts(texts []Text, cat Catalogue) (*Config, Problems) {
	l := newLoader(cat)
	var sources []*toml.Source
	for i, t := range texts {
		if i == 0 {
			l.dir, l.alone = filepath.Dir(t.Name), true
		}
		sources = append(sources, &toml.Source{Name: t.Name, Text: t.Text})
	}
	return l.load(sources)
}

func newLoader(cat Catalogue) *loader {
	return &loader{
		Reporter: toml.Reporter{Hints: hintsFor(cat)},
		cat:      cat, cfg: &Config{},
		used: map[string]bool{}, buses: map[string]*toml.Node{}, models: map[string]*model{},
		places: map[string]*deviceAt{}, tables: map[string]*toml.Node{},
	}
}

func (l *loader) load(sources []*toml.Source) (*Config, Problems) {
	readable := len(l.Problems) == 0
	roots := make([]*toml.Node, 0, len(sources))
	parse := func(sources []*toml.Source) {
		for _, src := range sources {
			l.cfg.Files = append(l.cfg.Files, src.Name)
			root, ok := l.Parse(src)
			readable = readable && ok
			roots = append(roots, root)
		}
	}
	parse(sources)
	if !l.alone && readable {
		before := len(roots)
		parse(l.savedFiles(dataOf(roots)))
		l.mayBeSaved(roots[before:])
		readable = readable && !l.Problems.Errors()
	}
	// With a part missing, the rest would be blamed for what stands in it.
	if readable {
		l.root = l.Merge(roots, manyFiles)
		l.check()
	}
	l.Problems.Sort(l.cfg.Files)
	if l.Problems.Errors() {
		return nil, l.Problems
	}
	return l.cfg, l.Problems
}

// readAll reads files; one that cannot be read is a problem.
func (l *loader) readAll(paths []string) []*toml.Source {
	var sources []*toml.Source
	for _, p := range paths {
		if d := l.draft(p); d != nil {
			sources = append(sources, &toml.Source{Name: p, Text: d.Text})
			continue
		}
		text, err := toml.ReadFile(p)
		if err != nil {
			l.Unreadable(p, err, "sensorgate init "+p, "sudo -u sensorgate …, or see who owns it: ls -l "+p)
			continue
		}
		sources = append(sources, &toml.Source{Name: p, Text: text})
	}
	return sources
}

// manyFiles are the tables whose entries may come from several files, and the lists that
// add up.
var manyFiles = toml.Spread{
	Tables: []string{"serial", "device", "bridge", "broker", "web", "journal", "history"},
	Lists:  []string{"broker.listen", "web.listen"},
}

// check turns the merged tree into the Config, one table after the other.
func (l *loader) check() {
	top := l.top()
	if !l.understands(top.Version) {
		return
	}
	b := l.broker(top.Broker.Node)
	l.journal(top.Journal.Node)
	l.history(top.History.Node)
	l.web(top.Web.Node, b)
	l.serialBuses(top.Serial.Node)
	l.devices(top.Device.Node)
	l.unusedBuses()
	l.claimedTwice()
	l.conventions(top)
	l.bridges(top.Bridge.Node)
	l.topicsTwice()
	l.objections()
}

// each calls visit for every table below n, which is a table of tables.
func (l *loader) each(n *toml.Node, visit func(*toml.Node)) {
	if n == nil {
		return
	}
	if n.Kind != toml.KindTable {
		l.AtValue(n, fmt.Sprintf("found %s, expected tables [%s.NAME]", n.Found(), n.Name))
		return
	}
	for _, f := range n.Fields {
		if f.Kind != toml.KindTable {
			l.AtValue(f, fmt.Sprintf("found %s, expected a table [%s.NAME]", f.Found(), n.Name))
			continue
		}
		visit(f)
	}
}

// validName checks the name of a node, device, channel or bridge: it
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
