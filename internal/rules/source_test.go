package rules

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// root is the top of the repository, seen from this package's folder, where go test runs.
const root = "../.."

// A source is one parsed Go file.
type source struct {
	path  string // from the top of the repository
	text  string
	lines int
	file  *ast.File
	fset  *token.FileSet
}

// test reports whether the file serves tests alone: it is one, or its package's name ends in test.
func (s source) test() bool {
	return strings.HasSuffix(s.path, "_test.go") || strings.HasSuffix(s.file.Name.Name, "test")
}

// sources returns every Go file of this module, tests included, parsed once for all tests. Modules of their own below it
// are left out.
func sources(t *testing.T) []source {
	t.Helper()
	parseOnce.Do(func() { parsed = parse(t) })
	return parsed
}

var (
	parseOnce sync.Once
	parsed    []source
)

func parse(t *testing.T) (all []source) {
	t.Helper()
	fset := token.NewFileSet()
	walk(t, func(path string) {
		if !strings.HasSuffix(path, ".go") {
			return
		}
		text, err := os.ReadFile(filepath.Join(root, path))
		if err != nil {
			t.Fatal(err)
		}
		file, err := parser.ParseFile(fset, path, text, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, source{path, string(text), fset.File(file.Pos()).LineCount(), file, fset})
	})
	return all
}

// walk calls visit with every file that belongs to the module, in order.
func walk(t *testing.T, visit func(path string)) {
	t.Helper()
	skip := []string{".git", "bin", "dist", "testdata", "cache", "node_modules"}
	err := filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(root, path)
		if !e.IsDir() {
			visit(filepath.ToSlash(rel))
			return nil
		}
		if slices.Contains(skip, e.Name()) {
			return filepath.SkipDir
		}
		if _, err := os.Stat(filepath.Join(path, "go.mod")); err == nil && rel != "." {
			return filepath.SkipDir
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
