package browser

import "testing"

// The tree of topics is drawn anew every few seconds: what a person opened or shut stays so,
// and what a filter opened is shut again without it.
func TestTopicsStayAsAPersonLeftThem(t *testing.T) {
	s := gateway(t, barn)
	x := open(t, s.address()+"#/clients", desktop)
	at := func(path string) string { return `document.querySelector('[data-path="` + path + `"]')` }
	redrawn := func() {
		t.Helper()
		get[bool](x, `(window.was = document.querySelector('.tree').firstChild, true)`)
		x.see(`document.querySelector('.tree').firstChild !== was`)
	}
	x.see(at("barn") + `.parentNode.open && !` + at("barn/greenhouse") + `.parentNode.open`)
	x.write(".wide input[type=search]", "humid")
	x.see(at("barn/greenhouse") + `.parentNode.open`)
	redrawn()
	get[bool](x, `(e => { e.value = ''; e.dispatchEvent(new Event('input')); return true })(document.querySelector('.wide input[type=search]'))`)
	x.see(`!` + at("barn/greenhouse") + `.parentNode.open`)
	get[bool](x, `(`+at("barn/pump")+`.click(), true)`)
	redrawn()
	x.see(at("barn/pump") + `.parentNode.open && !` + at("barn/greenhouse") + `.parentNode.open`)
	get[bool](x, `(`+at("barn")+`.click(), true)`)
	redrawn()
	x.see(`!` + at("barn") + `.parentNode.open`)
}

// News of the gateway leaves the focus where it is.
func TestFocusStaysWhileTheGatewaysFiguresChange(t *testing.T) {
	s := gateway(t, barn)
	x := open(t, s.address()+"#/gateway", desktop)
	x.see(`document.querySelectorAll('dl.facts').length === 3`)
	const uptime = `document.querySelector('dl.facts').innerText`
	get[bool](x, `(document.querySelector('#language').focus(), window.was = `+uptime+`, true)`)
	s.reload()
	x.see(uptime + ` !== was && document.activeElement.id === 'language'`)
}
