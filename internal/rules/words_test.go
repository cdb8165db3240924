package rules

import (
	"fmt"
	"go/ast"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"
)

// A phrase is retired in all prose: comments, texts of the program, documents, scripts. docs/glossary.md has the same
// list for people. Terms of others keep their words: byte order, TLS session, file-system link, a login on the web.
type phrase struct {
	not     string   // a regular expression, matched on whole words without regard to case
	instead string   // what to write
	except  []string // files and folders in which it means something else
	left    int      // how many old ones remain; becomes 0, and never rises
}

var phrases = []phrase{
	{not: `obey(s|ed|ing)?`, instead: "command, execute"},
	{not: `sitting|sits? the exam|exams?`, instead: "conformance suite, run"},
	{not: `hallway`, instead: "gateway"},
	{not: `rooms|the house|whose room|(its|their|our|own|each) room`, instead: "package"},
	{not: `for ever`, instead: "forever"},
	{not: `dearer`, instead: "costlier"},
	{not: `in vain`, instead: "without success"},
	{not: `to and fro`, instead: "back and forth"},
	{not: `(in|at) one go`, instead: "at once"},
	{not: `as far as known`, instead: "what is known"},
	{not: `filters? that (is|are) none`, instead: "a filter that is not valid"},
	{not: `mend(s|ed|ing)?`, instead: "fix; try", except: []string{"internal/doctor/doctor.go"}},
	{not: `in (this|its|their|one|each|a) (life|lives)|several lives|previous life|life before|lives of`, instead: "run, previous run"},
	{not: `lets? go of|lets it go`, instead: "releases"},
	{not: `(is|are|was|were) told|told (about|as|by|of)|and told`, instead: "reported", left: 2},
	{not: `slow lane|lanes?`, instead: "commit class (journal), stream (bridge), back-off (polling)"},
	{not: `(user'?s?|access|read|write|topic|client'?s?|with|has|have|the|no|its|without) rights|rights (of|to|are|checked|at)`, instead: "permissions"},
	{not: `can not`, instead: "cannot"},
}

// notProse are files in which retired words stand on purpose or belong to others.
var notProse = []string{"docs/glossary.md", "internal/rules/", "LICENSE", "go.sum", "deploy/board/kernel/"}

func TestRetiredPhrases(t *testing.T) {
	rules := make([]*regexp.Regexp, len(phrases))
	for i, p := range phrases {
		rules[i] = regexp.MustCompile(`(?i)\b(` + p.not + `)\b`)
	}
	found := make([][]string, len(phrases))
	check := func(where func(offset int) string, path, text string) {
		for i, p := range phrases {
			if under(path, p.except) {
				continue
			}
			for _, m := range rules[i].FindAllStringIndex(text, -1) {
				found[i] = append(found[i], fmt.Sprintf("%s: %q", where(m[0]), text[m[0]:m[1]]))
			}
		}
	}
	for _, s := range sources(t) {
		if under(s.path, notProse) {
			continue
		}
		prose(s, func(pos token.Pos, text string) {
			check(func(offset int) string {
				at := s.fset.Position(pos)
				return fmt.Sprintf("%s:%d", s.path, at.Line+strings.Count(text[:offset], "\n"))
			}, s.path, text)
		})
	}
	walk(t, func(path string) {
		if strings.HasSuffix(path, ".go") || under(path, notProse) || !written(path) {
			return
		}
		text := read(t, path)
		check(func(offset int) string {
			return fmt.Sprintf("%s:%d", path, 1+strings.Count(text[:offset], "\n"))
		}, path, text)
	})
	for i, p := range phrases {
		judge(t, p.not, p.instead, p.left, found[i])
	}
}

// judge fails when more old words stand than may remain.
func judge(t *testing.T, not, instead string, left int, found []string) {
	t.Helper()
	if len(found) > left {
		t.Errorf("%q is retired, write %s (docs/glossary.md); %d may remain, found %d:\n%s", not, instead, left, len(found), strings.Join(found, "\n"))
	}
	if len(found) < left {
		t.Logf("%q: %d remain, the rule allows %d: lower it", not, len(found), left)
	}
}

// written reports whether people write and read a file: documents, configurations, scripts, units.
func written(path string) bool {
	switch filepath.Ext(path) {
	case ".md", ".toml", ".sh", ".service", ".rules", ".conf", ".yml", ".yaml":
		return true
	}
	return filepath.Base(path) == "Makefile" || strings.HasPrefix(path, "deploy/deb/")
}

// prose calls visit with the comments and the string literals of a file; import paths and struct tags other than doc
// are code.
func prose(s source, visit func(token.Pos, string)) {
	for _, g := range s.file.Comments {
		for _, c := range g.List {
			visit(c.Pos(), c.Text)
		}
	}
	ast.Inspect(s.file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.ImportSpec:
			return false
		case *ast.BasicLit:
			if n.Kind == token.STRING {
				visit(n.Pos(), n.Value)
			}
		}
		return true
	})
}

// A name is retired as a part of identifiers: "lane" finds Lane, laneOf and eventLane. In lists the folders in which it
// is retired, with what is below them; none means everywhere.
type name struct {
	not     string
	instead string
	in      []string
	notIn   []string // folders in which it is another's word
	except  []string // whole identifiers that mean something else
	left    int      // how many old ones remain; becomes 0, and never rises
}

var names = []name{
	{not: "lane", instead: "commit class, stream"},
	{not: "obey", instead: "execute"},
	{not: "exam", instead: "suite"},
	{not: "sitting", instead: "run"},
	{not: "site", instead: "DeviceConfig, ChannelConfig"},
	{not: "house", instead: "gateway"},
	{not: "hallway", instead: "gateway"},
	{not: "told", instead: "reported", left: 1},
	{not: "harvest", instead: "results"},
	{not: "farewell", instead: "lastPacket"},
	{not: "patience", instead: "spinLimit"},
	{not: "texas", instead: "checkTIIDs"},
	{not: "poke", instead: "wake"},
	{not: "kick", instead: "wake", notIn: []string{"deploy/board/vhost"}}, // virtio's own word
	{not: "nudge", instead: "wake"},
	{not: "aloud", instead: "Broadcast"},
	{not: "struck", instead: "refusedSeq"},
	{not: "rights", instead: "permissions"},
	{not: "order", instead: "command", in: []string{"internal/gateway", "internal/mapping"}, except: []string{"inOrder", "TestCalibrateInOrder", "order"}}, // the sequence
	{not: "session", instead: "transaction, open period", in: []string{"drivers"}},
	{not: "link", instead: "connection, socket, transport", in: []string{"bridge", "broker", "drivers/modbus", "internal/gateway"}, except: []string{"link"}}, // of the file system
}

func TestRetiredIdentifiers(t *testing.T) {
	found := make([][]string, len(names))
	for _, s := range sources(t) {
		if under(s.path, notProse) {
			continue
		}
		declared(s.file, func(id *ast.Ident) {
			for _, word := range words(id.Name) {
				for i, n := range names {
					if (word == n.not || word == n.not+"s") && (n.in == nil || under(s.path, n.in)) && !under(s.path, n.notIn) && !slices.Contains(n.except, id.Name) {
						found[i] = append(found[i], fmt.Sprintf("%s:%d: %s", s.path, s.fset.Position(id.Pos()).Line, id.Name))
					}
				}
			}
		})
	}
	for i, n := range names {
		judge(t, n.not, n.instead, n.left, found[i])
	}
}

// declared calls visit with every identifier at the place that declares it.
func declared(file *ast.File, visit func(*ast.Ident)) {
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncDecl:
			visit(n.Name)
		case *ast.TypeSpec:
			visit(n.Name)
		case *ast.ValueSpec:
			for _, id := range n.Names {
				visit(id)
			}
		case *ast.Field:
			for _, id := range n.Names {
				visit(id)
			}
		case *ast.AssignStmt:
			for _, x := range n.Lhs {
				if id, ok := x.(*ast.Ident); ok && n.Tok == token.DEFINE {
					visit(id)
				}
			}
		}
		return true
	})
}

// words splits an identifier at its capitals, in lower case: eventLane is event, lane.
func words(id string) []string {
	var all []string
	start := 0
	for i, r := range id {
		if i > 0 && unicode.IsUpper(r) && !unicode.IsUpper(rune(id[i-1])) {
			all = append(all, strings.ToLower(id[start:i]))
			start = i
		}
	}
	return append(all, strings.ToLower(id[start:]))
}

// verbs are what functions do not do: a doc comment says what comes back.
const verbsLeft = 10

var verbs = regexp.MustCompile(`^(gives|tells|says)$`)

func TestDocCommentsSayReturns(t *testing.T) {
	var found []string
	for _, s := range sources(t) {
		for _, d := range s.file.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok || f.Doc == nil {
				continue
			}
			w := strings.Fields(f.Doc.Text())
			if len(w) > 2 && w[0] == f.Name.Name && verbs.MatchString(w[1]) && w[2] != "up" {
				found = append(found, fmt.Sprintf("%s:%d: %s %s", s.path, s.fset.Position(f.Pos()).Line, w[0], w[1]))
			}
		}
	}
	judge(t, "NAME gives, tells, says", "returns, reports", verbsLeft, found)
}

// under reports whether path is one of the files or lies in one of the folders.
func under(path string, folders []string) bool {
	return slices.ContainsFunc(folders, func(f string) bool {
		return path == f || strings.HasPrefix(path, strings.TrimSuffix(f, "/")+"/")
	})
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, path))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
