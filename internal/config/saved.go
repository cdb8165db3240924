package config

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"sensorgate/internal/toml"
)

// confDir is the folder of more files: one beside the main file, for people, and one in
// the data folder, for what the gateway writes itself.
const confDir = "conf.d"

// SavedDir is where the gateway whose data folder is data writes files of configuration;
// "" if it keeps everything in memory.
func SavedDir(data string) string {
	if data == "" {
		return ""
	}
	return filepath.Join(data, confDir)
}

// notSeen is the warning about a folder with files that count and that this user may not see.
const notSeen = "this user may not look into it; what is there is not checked"

// Unseen returns the folder that p is a warning about because this user may not look into it.
func Unseen(p *toml.Problem) (dir string, ok bool) {
	return p.File, p.Warning && p.Text == notSeen
}

// Draft is a text that counts in place of what a file has, or of there being none.
type Draft struct {
	Name string // of the file, whole path
	Text string
	Gone bool // as if there were no such file
}

func (l *loader) draft(path string) *Draft {
	if i := slices.IndexFunc(l.drafts, func(d Draft) bool { return d.Name == path }); i >= 0 {
		return &l.drafts[i]
	}
	return nil
}

// tomlFiles lists the files of a folder in the order in which they are read. A folder that
// is not there has none.
func (l *loader) tomlFiles(dir string) []string {
	var paths []string
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), ".toml") && !strings.HasPrefix(e.Name(), ".") {
			paths = append(paths, filepath.Join(dir, e.Name()))
		}
	}
	if errors.Is(err, fs.ErrPermission) {
		l.Problems = append(l.Problems, toml.Problem{Warning: true, File: dir, Text: notSeen})
	}
	for _, d := range l.drafts {
		if filepath.Dir(d.Name) == dir && !d.Gone && !slices.Contains(paths, d.Name) {
			paths = append(paths, d.Name)
		}
	}
	paths = slices.DeleteFunc(paths, func(p string) bool { d := l.draft(p); return d != nil && d.Gone })
	slices.Sort(paths)
	return paths
}

// savedFiles reads what the gateway has written into its data folder.
func (l *loader) savedFiles(data string) []*toml.Source {
	if data == "" {
		return nil
	}
	return l.readAll(l.tomlFiles(SavedDir(data)))
}

// dataOf is the data folder that these trees name, as top finds it.
func dataOf(roots []*toml.Node) string {
	for _, root := range roots {
		if n := root.Field("data"); n != nil && n.Kind == toml.KindString {
			return n.Text()
		}
	}
	return usualData()
}

// DataDir is the data folder that the file at path and those beside it name; ok is false
// if they cannot be read.
func DataDir(path string, cat Catalogue) (data string, ok bool) {
	l := newLoader(cat)
	var roots []*toml.Node
	ok = true
	for _, src := range l.readPeoples(path) {
		root, parsed := l.Parse(src)
		roots, ok = append(roots, root), ok && parsed
	}
	return dataOf(roots), ok && !l.Problems.Errors()
}

// onlyPeople are the keys that a file in the data folder may not have, by the table that
// they stand in; "" is any. Such a file comes over the network: it must not say where
// secrets are, or a broker of its choice would be sent them, and it must not move the
// store from under itself.
var onlyPeople = []struct{ table, key, why string }{
	{"", "password", "a secret is named by people only"},
	{"", "passwords", "who may log in is for people to say"},
	{"", "password_file", "a secret is named by people only"},
	{"", "passwd", "a secret is named by people only"},
	{"", "secret", "a secret is named by people only"},
	{"", "token", "a secret is named by people only"},
	{"", "tokens", "who may log in is for people to say"},
	{"", "token_file", "a secret is named by people only"},
	{"", "key_file", "a key file is named by people only"},
	{"broker", "acl", "who may do what is for people to say"},
	{"broker", "key", "a key file is named by people only"},
	{"listen", "key", "a key file is named by people only"},
	{"web", "key", "a key file is named by people only"},
	{"tls", "key", "a key file is named by people only"},
}

// mayBeSaved reports what files in the data folder have and may not have.
func (l *loader) mayBeSaved(roots []*toml.Node) {
	for _, root := range roots {
		if root == nil {
			continue // did not parse, and was reported
		}
		if f := root.Field("data"); f != nil {
			l.onlyByHand(f, "the folder of this file cannot be named in it")
		}
		l.mayBeSavedBelow(root, "", false)
	}
}

// mayBeSavedBelow looks at the entries of n, which is called table. Names that people give
// to devices and channels are no keys.
func (l *loader) mayBeSavedBelow(n *toml.Node, table string, names bool) {
	for _, f := range n.Fields {
		for _, o := range onlyPeople {
			if !names && f.Name == o.key && (o.table == "" || o.table == table) {
				l.onlyByHand(f, o.why)
			}
		}
		chosen := !names && (n.Parent == nil && slices.Contains([]string{"device", "serial", "bridge"}, f.Name) || f.Name == "channels")
		l.mayBeSavedBelow(f, f.Name, chosen)
	}
	for _, item := range n.Items {
		l.mayBeSavedBelow(item, table, false)
	}
}

func (l *loader) onlyByHand(n *toml.Node, why string) {
	l.AtKey(n, "not in a file of the data folder: "+why, toml.Try("write it into "+filepath.Join(l.dir, "sensorgate.toml")+" or "+confDir+" beside it")).HideLine()
}
