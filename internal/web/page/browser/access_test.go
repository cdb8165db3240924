package browser

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"testing"
)

// axe is the one version that was looked at: npm pack axe-core@4.14.1, file axe.min.js.
const axe = "29348999450cdf2849a8e70b7912fc2da85a849da39c0d0d5394f51d4a9ed95c"

// Nothing serious for those who use a keyboard, a screen reader or bad eyes: every view,
// light and dark, judged by axe-core (MPL-2.0, not part of this repository).
func TestNothingSeriousForAccessibility(t *testing.T) {
	needBrowser(t)
	path := os.Getenv("AXE_CORE")
	if path == "" {
		t.Skip("skipped: no axe-core here (npm pack axe-core@4.14.1; AXE_CORE=…/package/axe.min.js)")
	}
	script, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if sum := sha256.Sum256(script); hex.EncodeToString(sum[:]) != axe {
		t.Fatalf("%s has the checksum %x, want that of 4.14.1", path, sum)
	}
	s := gateway(t, barn)
	for _, before := range [][]action{nil, {dark()}} {
		x := open(t, s.address(), desktop, before...)
		x.login("bob", "bobbob")
		for _, view := range []struct{ hash, there string }{
			{"#/now", "[aria-label=greenhouse] .unit"}, {"#/plot?c=greenhouse%2Ftemperature&c=pump%2Fstate", ".u-over"}, {"#/upstreams", "[data-upstream]"},
			{"#/clients", ".tree summary"}, {"#/log", "ol.log li"}, {"#/config", ".stack textarea"}, {"#/gateway", "dl.facts"},
		} {
			get[bool](x, `(location.hash = '`+view.hash+`', true)`)
			x.see(`document.querySelector('` + view.there + `')`)
			get[bool](x, string(script)+`; true`)
			for _, v := range get[[]struct{ ID, Impact, Help, Node string }](x, `axe.run(document, {resultTypes: ['violations']}).then(r => r.violations.filter(v => ['serious', 'critical'].includes(v.impact))
				.map(v => ({ID: v.id, Impact: v.impact, Help: v.help, Node: v.nodes.slice(0, 3).map(n => n.html.slice(0, 160) + ' ' + (n.any[0]?.message || '')).join(' | ')})))`) {
				t.Errorf("%s: %s %s: %s: %s", view.hash, v.Impact, v.ID, v.Help, v.Node)
			}
		}
	}
}

// Every control can be reached and used by keys alone: filter, favourite, switch, dialog.
func TestKeyboard(t *testing.T) {
	s := gateway(t, barn)
	x := open(t, s.address(), desktop)
	x.login("ann", "annann")
	x.see(`![...document.querySelectorAll('[aria-label=pump] .control button')].some(b => b.disabled)`)
	get[bool](x, `(document.body.focus(), document.activeElement.blur(), true)`)
	reached := func(what string) {
		t.Helper()
		for range 80 {
			x.keys("\t")
			if get[bool](x, `!!document.activeElement?.matches('`+what+`')`) {
				return
			}
		}
		t.Fatalf("the tab key never reaches %s", what)
	}
	reached("input[type=search]")
	reached("[aria-label=greenhouse] .star")
	x.keys(" ")
	x.seeText(".tile", "temperature")
	reached("[aria-label=pump] .switch button + button")
	x.keys("\r")
	x.seeText("dialog", "Change pump/state?")
	reached("dialog button.main")
	x.keys("\r")
	x.seeText("[aria-label=pump] .answer", "done")
}
