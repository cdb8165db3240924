package browser

import "testing"

// hold makes the page's requests whose method and path match wait for their answers until
// they are let go. asked counts them, taken those whose answer the page has read.
const hold = `(() => {
	const real = fetch
	window.asked = window.taken = 0
	window.held = []
	window.holds = null
	window.letGo = () => { window.holds = null; while (held.length) held.shift()() }
	window.fetch = async (u, o = {}) => {
		const what = (o.method || 'GET') + ' ' + new URL(u).pathname
		const mine = window.holds?.test(what)
		if (mine) asked++
		const r = await real(u, o)
		if (!mine) return r
		const text = await r.text()
		if (window.holds) await new Promise(go => held.push(go))
		const late = new Response(text, { status: r.status, headers: r.headers })
		late.json = async () => { taken++; return JSON.parse(text) }
		return late
	}
	return true
})()`

// holdAnswers begins to hold answers: of "POST .*/config/check", say.
func (x *tab) holdAnswers(pattern string) {
	x.t.Helper()
	get[bool](x, `(window.letGo || `+hold+`, window.asked = window.taken = 0, window.holds = /^`+pattern+`$/, true)`)
}

// letGo lets the held answers go and waits until the page has them.
func (x *tab) letGo() {
	x.t.Helper()
	get[bool](x, `(letGo(), true)`)
	x.see(`asked > 0 && asked === taken`)
}

const attic = "[device.attic]\ndriver = \"sim\"\n[device.attic.channels]\nx = {}\n"

// configuration opens the view of the configuration as an admin.
func configuration(t *testing.T, s *station) *tab {
	t.Helper()
	x := open(t, s.address(), desktop)
	x.login("bob", "bobbob")
	x.click("nav a", "Configuration")
	x.seeText(".tabs", "sensorgate.toml")
	return x
}

// Checks whose answers come after a save, of the text before it and of the same text,
// say nothing new.
func TestSavedStaysWhenAnOlderCheckAnswersLate(t *testing.T) {
	x := configuration(t, gateway(t, barn))
	x.fresh("50-attic.toml")
	x.put(attic)
	x.seeText(".verdict", "This can be used")
	x.holdAnswers(`POST .*\/config\/check`)
	x.put("# Under the roof\n" + attic)
	x.see(`asked === 1`)
	x.click("button", "Save")
	x.seeText(".verdict", "Saved and applied")
	x.seeText(".versions", "50-attic.toml")
	x.letGo()
	if v := x.text(".verdict"); v != "● Saved and applied." {
		t.Errorf("after the late answer the page says %q", v)
	}
	x.seeText(".plan .added", "attic") // what the save did stays too

	x.click("button", "Undo the last save")
	x.seeText(".verdict", "Put back")
	x.see(`!document.querySelector('.tabs').innerText.includes('attic')`)
	x.put("# more\n") // what is typed next is checked
	x.seeText(".verdict", "This can be used")
}

// The answer of an older check marks places of a text that is not there any more.
func TestMarksAreThoseOfTheNewestText(t *testing.T) {
	x := configuration(t, gateway(t, barn))
	x.fresh("50-attic.toml")
	x.holdAnswers(`POST .*\/config\/check`)
	x.put("nonsense = 1\n" + attic)
	x.see(`asked === 1`)
	get[bool](x, `(window.holds = null, true)`) // the next one answers at once
	x.put(attic)
	x.seeText(".verdict", "This can be used")
	x.letGo()
	if v := x.text(".verdict"); v != "● This can be used." {
		t.Errorf("after the late answer the page says %q", v)
	}
	x.see(`!document.querySelector('.back mark') && !document.querySelector('.marks li')`)
}

// A plan of what was in the editor before.
func TestPlanIsThatOfTheNewestText(t *testing.T) {
	x := configuration(t, gateway(t, barn))
	x.fresh("50-attic.toml")
	x.put(attic)
	x.seeText(".verdict", "This can be used")
	x.holdAnswers(`POST .*\/config\/plan`)
	x.click("button", "Show what changes")
	x.see(`asked === 1`)
	x.put("# nothing\n")
	x.letGo()
	x.see(`!document.querySelector('.plan').innerText.includes('attic')`)
	x.seeText(".verdict", "This can be used")
	x.see(`!document.querySelector('.plan').innerText.includes('attic')`)
}

// Somebody types on while the save is under way, and while the files come anew after the
// save of somebody else: nothing of it is lost, and it can be saved.
func TestTextTypedWhileAnAnswerIsAwaitedStays(t *testing.T) {
	s := gateway(t, barn)
	x := configuration(t, s)
	x.fresh("50-attic.toml")
	x.put(attic)
	x.seeText(".verdict", "This can be used")
	x.holdAnswers(`PUT .*`)
	x.click("button", "Save")
	x.see(`asked === 1`)
	x.put(attic + "y = {}\n")
	x.letGo()
	x.seeText(".versions", "50-attic.toml")
	x.seeText(".verdict", "This can be used")
	if text := get[string](x, textOfEditor+`.value`); text != attic+"y = {}\n" {
		t.Fatalf("the editor has %q", text)
	}
	x.click("button", "Save")
	x.seeText(".verdict", "Saved and applied")

	x.holdAnswers(`GET .*\/config`)
	s.write(s.read() + "\n[device.loft]\ndriver = \"sim\"\n[device.loft.channels]\nx = {}\n")
	s.reload()
	x.see(`asked > 0`)
	x.put("# typed\n")
	x.letGo()
	if text := get[string](x, textOfEditor+`.value`); text != "# typed\n" {
		t.Errorf("the editor has %q", text)
	}
}
