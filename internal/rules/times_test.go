package rules

import (
	"go/ast"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// Every test that judges a time under timing.Judged is run by make times, which is where
// it does not skip.
func TestWhatJudgesTimesIsRun(t *testing.T) {
	m := regexp.MustCompile(`(?m)^TIMES := (.*)$`).FindStringSubmatch(read(t, "Makefile"))
	if m == nil {
		t.Fatal("the Makefile has no TIMES")
	}
	want := strings.Fields(m[1])
	var have []string
	for _, s := range sources(t) {
		for _, d := range s.file.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && s.test() && callsJudged(fn) {
				have = append(have, fn.Name.Name)
			}
		}
	}
	slices.Sort(want)
	slices.Sort(have)
	if !slices.Equal(want, have) {
		t.Errorf("make times runs\n%v\nbut these judge times:\n%v", want, have)
	}
}

// callsJudged reports whether a function calls timing.Judged itself.
func callsJudged(fn *ast.FuncDecl) bool {
	found := false
	ast.Inspect(fn, func(n ast.Node) bool {
		if s, ok := n.(*ast.SelectorExpr); ok && s.Sel.Name == "Judged" {
			x, ok := s.X.(*ast.Ident)
			found = found || ok && x.Name == "timing"
		}
		return true
	})
	return found
}
