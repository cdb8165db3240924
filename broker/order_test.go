package broker

import (
	"bufio"
	"bytes"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// referencesAgainstTheOrderBefore is what countAgainstOrder found in these files before
// they were put in order (commit 5f3101f): its files under the best of all orders that
// moving one file at a time leads to, which is kinder to the old code than any order that
// one would have written down (an order like today's, with broker.go last, counted 513).
const referencesAgainstTheOrderBefore = 122

// TestFilesKeepTheirOrder: whoever reads the files in the order of doc.go meets hardly
// anything that is explained later.
func TestFilesKeepTheirOrder(t *testing.T) {
	order := orderOfDoc(t)
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if !strings.HasSuffix(f, "_test.go") && f != "doc.go" && !slices.Contains(order, f) {
			t.Errorf("%s is not in the order of files in doc.go", f)
		}
	}
	against := countAgainstOrder(t, order)
	total := 0
	var list []string
	for pair, n := range against {
		total += n
		list = append(list, fmt.Sprintf("%s (%d)", pair, n))
	}
	slices.Sort(list)
	if limit := referencesAgainstTheOrderBefore * 55 / 100; total > limit {
		t.Errorf("%d references go against the order of files in doc.go, at most %d may:\n%s", total, limit, strings.Join(list, "\n"))
	}
	t.Logf("%d references against the order", total)
}

// orderOfDoc reads the list of files in doc.go, from the bottom to the top.
func orderOfDoc(t *testing.T) (order []string) {
	data, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	_, text, _ := strings.Cut(string(data), "# Order of the files")
	text, _, _ = strings.Cut(text, "// # ")
	for line := range strings.Lines(text) {
		line, listed := strings.CutPrefix(strings.TrimRight(line, "\n"), "//\t")
		if !listed || len(line) < 22 {
			continue
		}
		for _, name := range strings.Fields(line[22:]) {
			if _, err := os.Stat(name + ".go"); err != nil {
				t.Errorf("doc.go names the file %s.go: %v", name, err)
			}
			order = append(order, name+".go")
		}
	}
	return order
}

// countAgainstOrder counts, per pair of files, the uses of names that a later file
// declares. Packages below this one cannot use it at all: the compiler sees to that.
func countAgainstOrder(t *testing.T, order []string) map[string]int {
	fset := token.NewFileSet()
	var files []*ast.File
	for _, name := range order {
		f, err := parser.ParseFile(fset, name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
	}
	info := &types.Info{Uses: map[*ast.Ident]types.Object{}}
	config := types.Config{Importer: importer.ForCompiler(fset, "gc", exportData(t))}
	pkg, err := config.Check("broker", fset, files, info)
	if err != nil {
		t.Fatal(err)
	}
	place := func(p token.Pos) int { return slices.Index(order, fset.Position(p).Filename) }
	against := map[string]int{}
	for use, object := range info.Uses {
		if object.Pkg() != pkg || !object.Pos().IsValid() {
			continue
		}
		from, to := place(use.Pos()), place(object.Pos())
		if from >= 0 && from < to {
			against[order[from]+" uses "+order[to]]++
		}
	}
	return against
}

// exportData finds what the compiler wrote about the packages that this one imports.
func exportData(t *testing.T) importer.Lookup {
	out, err := exec.Command("go", "list", "-export", "-deps", "-f", "{{.ImportPath}} {{.Export}}", ".").Output()
	if err != nil {
		t.Skipf("go list: %v", err) // a test binary on a machine without Go
	}
	path := map[string]string{}
	for s := bufio.NewScanner(bytes.NewReader(out)); s.Scan(); {
		name, file, _ := strings.Cut(s.Text(), " ")
		path[name] = file
	}
	return func(name string) (io.ReadCloser, error) { return os.Open(path[name]) }
}
