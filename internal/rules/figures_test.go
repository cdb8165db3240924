package rules

import (
	"go/ast"
	"slices"
	"strings"
	"testing"
)

// What separates code that people like to read from code that they fear is the tail of these figures. They count
// everything that is not for tests alone.
const (
	functionP95    = 35 // lines, from func to the closing brace
	functionMost   = 60
	fileMost       = 440
	interfaceMost  = 8  // methods
	documentedLess = 92 // per cent of the exported names
)

func TestFunctionsAreShort(t *testing.T) {
	var lengths []int
	for _, s := range sources(t) {
		if s.test() {
			continue
		}
		for _, d := range s.file.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok || f.Body == nil {
				continue
			}
			lines := s.fset.Position(f.End()).Line - s.fset.Position(f.Pos()).Line + 1
			lengths = append(lengths, lines)
			if lines > functionMost {
				t.Errorf("%s: %s has %d lines, at most %d: does a second idea live in it?", s.fset.Position(f.Pos()), f.Name.Name, lines, functionMost)
			}
		}
	}
	slices.Sort(lengths)
	p50, p95 := lengths[len(lengths)/2], lengths[len(lengths)*95/100]
	t.Logf("%d functions: p50 %d, p95 %d, longest %d lines", len(lengths), p50, p95, lengths[len(lengths)-1])
	if p95 > functionP95 {
		t.Errorf("the 95th percentile of the functions' lengths is %d lines, at most %d", p95, functionP95)
	}
}

func TestFilesAreShort(t *testing.T) {
	for _, s := range sources(t) {
		if !s.test() && s.lines > fileMost {
			t.Errorf("%s has %d lines, at most %d: one idea per file", s.path, s.lines, fileMost)
		}
	}
}

func TestNoInitFunctions(t *testing.T) {
	for _, s := range sources(t) {
		for _, d := range s.file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil && f.Name.Name == "init" {
				t.Errorf("%s: func init: what a package needs is made by its New, so that the order is visible", s.fset.Position(f.Pos()))
			}
		}
	}
}

func TestInterfacesAreSmall(t *testing.T) {
	for _, s := range sources(t) {
		ast.Inspect(s.file, func(n ast.Node) bool {
			if i, ok := n.(*ast.InterfaceType); ok && i.Methods.NumFields() > interfaceMost {
				t.Errorf("%s: an interface of %d methods, at most %d: take the smallest thing you need", s.fset.Position(i.Pos()), i.Methods.NumFields(), interfaceMost)
			}
			return true
		})
	}
}

func TestExportedNamesHaveADocComment(t *testing.T) {
	var with, without int
	var bare []string
	note := func(s source, name *ast.Ident, docs ...*ast.CommentGroup) {
		if !name.IsExported() {
			return
		}
		if slices.ContainsFunc(docs, func(d *ast.CommentGroup) bool { return d != nil }) {
			with++
			return
		}
		without++
		bare = append(bare, s.fset.Position(name.Pos()).String()+" "+name.Name)
	}
	for _, s := range sources(t) {
		if s.test() || s.file.Name.Name == "main" {
			continue
		}
		for _, d := range s.file.Decls {
			exported(s, d, note)
		}
	}
	share := 100 * with / (with + without)
	t.Logf("%d %% of %d exported names have a doc comment", share, with+without)
	if share < documentedLess {
		t.Errorf("%d %% of the exported names have a doc comment, want %d %%. Without one:\n%s", share, documentedLess, strings.Join(bare, "\n"))
	}
}

// exported calls note with each name that a declaration makes and the comments that may document it. In a group of
// constants the group's comment counts for all, as in a list of error codes.
func exported(s source, d ast.Decl, note func(source, *ast.Ident, ...*ast.CommentGroup)) {
	switch d := d.(type) {
	case *ast.FuncDecl:
		if d.Recv == nil || receiverExported(d) {
			note(s, d.Name, d.Doc)
		}
	case *ast.GenDecl:
		for _, spec := range d.Specs {
			switch spec := spec.(type) {
			case *ast.TypeSpec:
				note(s, spec.Name, spec.Doc, d.Doc)
			case *ast.ValueSpec:
				for _, name := range spec.Names {
					note(s, name, spec.Doc, spec.Comment, d.Doc)
				}
			}
		}
	}
}

// receiverExported reports whether a method belongs to an exported type: others are nobody's interface.
func receiverExported(f *ast.FuncDecl) bool {
	x := f.Recv.List[0].Type
	for {
		switch y := x.(type) {
		case *ast.StarExpr:
			x = y.X
		case *ast.IndexExpr:
			x = y.X
		case *ast.IndexListExpr:
			x = y.X
		case *ast.Ident:
			return y.IsExported()
		default:
			return false
		}
	}
}
