package broker

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// writers are the functions that write a packet which makes somebody forget, each with
// what makes sure that the disk has what makes it safe. A function that is not here is a
// way past the disk.
var writers = map[string]string{
	"drainAcksLocked AppendAck":    "the ack queue: only what the disk has comes out of it",
	"drainAcksLocked AppendSuback": "the same",
	"answerSubscribe AppendSuback": "nothing changed, or the session ends with its connection",
	"acknowledge AppendAck":        "nobody durable wants the message and nothing is retained",
	"handleAck AppendAck":          "PUBREL for an id that is not known: there is nothing to forget",
	"handlePubrel AppendAck":       "the message had no record: nothing of it was ever on disk",
	"connected AppendConnack":      "settle has waited for the disk",
	"answer AppendConnack":         "refusals: they promise nothing",
	"fitConnack AppendConnack":     "measures only",
	"handlePubrecLocked AppendAck": "PUBREL of a session that ends with its connection",
}

func TestWritersOfAcknowledgementsAreKnown(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]token.Position{}
	fset := token.NewFileSet()
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(fset, name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range f.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok {
				continue
			}
			ast.Inspect(fn, func(n ast.Node) bool {
				if s, ok := n.(*ast.SelectorExpr); ok {
					switch s.Sel.Name {
					case "AppendAck", "AppendConnack", "AppendSuback":
						found[fmt.Sprintf("%s %s", fn.Name.Name, s.Sel.Name)] = fset.Position(s.Pos())
					}
				}
				return true
			})
		}
	}
	for _, w := range slices.Sorted(maps.Keys(found)) {
		if writers[w] == "" {
			t.Errorf("%s: %s writes past the ack queue: is what it acknowledges on disk?", found[w], w)
		}
	}
	for w := range writers {
		if _, ok := found[w]; !ok {
			t.Errorf("%s is on the list and writes nothing any more", w)
		}
	}
}
