package browser

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/fetch"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// hold makes the page's requests whose method and path match wait for their answers until
// they are let go. asked counts them, taken those whose answer the page has read. Those
// that match fails get no answer at all.
const hold = `(() => {
	const real = fetch
	window.asked = window.taken = 0
	window.held = []
	window.holds = window.fails = null
	window.letGo = () => { window.holds = null; while (held.length) held.shift()() }
	window.fetch = async (u, o = {}) => {
		const at = new URL(u, document.baseURI), what = (o.method || 'GET') + ' ' + at.pathname + at.search
		if (window.fails?.test(what)) throw new TypeError('no answer')
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
	get[bool](x, `(window.letGo || `+hold+`, window.fails = null, window.asked = window.taken = 0, window.holds = /^`+pattern+`$/, true)`)
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

// rare has a channel that is published once, and then for an hour not again.
const rare = "[history]\n[device.gate]\ndriver = \"sim\"\nevery = \"1h\"\n[device.gate.channels]\nopen = { shape = \"output\" }\n"

// stream gives the page a value as the stream would.
func (x *tab) stream() {
	x.t.Helper()
	get[bool](x, `import(performance.getEntriesByType('resource').find(e => e.name.endsWith('/app.js')).name)
		.then(m => (m.takeValues([{ device: 'gate', channel: 'open', value: true, time: new Date().toISOString() }]), true))`)
}

// A value that the stream brought is newer than an answer that was asked for before it.
func TestValueStaysWhenAnOlderAnswerComesLate(t *testing.T) {
	s := gateway(t, rare)
	x := open(t, s.address(), desktop)
	x.seeText("[aria-label=gate] .number", "off")
	x.holdAnswers(`GET .*\/devices`)
	s.reload()
	x.see(`asked > 0`)
	x.stream()
	x.seeText("[aria-label=gate] .number", "on")
	x.letGo()
	if v := x.text("[aria-label=gate] .number"); v != "on" {
		t.Errorf("after the late answer the page shows %q", v)
	}
}

// hide says to the page that nobody sees it, or somebody again.
func (x *tab) hide(is bool) {
	x.t.Helper()
	get[bool](x, fmt.Sprintf(`(Object.defineProperty(document, 'hidden', {value: %v, configurable: true}), document.dispatchEvent(new Event('visibilitychange')), true)`, is))
}

// What changed while the page was in the background is there when it is looked at.
func TestValueThatCameWhileThePageWasHiddenIsShown(t *testing.T) {
	s := gateway(t, rare)
	x := open(t, s.address(), desktop)
	x.seeText("[aria-label=gate] .number", "off")
	x.hide(true)
	x.stream()
	x.hide(false)
	x.seeText("[aria-label=gate] .number", "on")
}

// A favourite is the same channel as its row, also after a reload.
func TestFavouriteMovesAfterAReload(t *testing.T) {
	s := gateway(t, barn)
	x := open(t, s.address(), desktop)
	x.seeText("[aria-label=greenhouse] h2", "ok")
	x.holdAnswers(`GET .*\/devices`)
	get[bool](x, `(document.querySelector('[aria-label=greenhouse] .star').click(), true)`)
	x.seeText(".tile", "temperature")
	s.reload()
	x.see(`asked > 0`)
	x.letGo()
	get[bool](x, `(window.first = document.querySelector('.tile .number').innerText, true)`)
	x.see(`document.querySelector('.tile .number').innerText !== first`)
}

// A search whose answer comes after that of the next one.
func TestModelsAreThoseOfTheNewestWord(t *testing.T) {
	x := configuration(t, gateway(t, barn))
	x.holdAnswers(`GET .*search=p1`)
	x.write("section input[type=search]", "p1")
	x.see(`asked === 1`)
	get[bool](x, `(e => { e.value = 'sdm630'; e.dispatchEvent(new Event('input')); return true })(document.querySelector('section input[type=search]'))`)
	x.seeText(".models", "eastron/sdm630")
	x.letGo()
	x.see(`[...document.querySelectorAll('.models b')].every(b => b.innerText.includes('sdm630'))`)
}

// Lines that come while the log is asked for.
func TestLogKeepsWhatCameWhileItWasAskedFor(t *testing.T) {
	s := gateway(t, barn)
	x := open(t, s.address(), desktop)
	x.login("ann", "annann")
	x.holdAnswers(`GET .*\/log.*`)
	x.click("nav a", "Log")
	x.see(`held.length === 1`)
	s.reload()
	x.seeText("ol.log", "reload")
	x.letGo()
	x.seeText("ol.log", "broker ready")
	x.seeText("ol.log", "reload")
}

// A line of the last hour that could not be had is asked for again when the gateway is back.
func TestLastHourIsAskedForAgain(t *testing.T) {
	s := gateway(t, barn)
	x := open(t, s.address(), desktop, before(hold+`; window.fails = /history/`))
	x.seeText("[aria-label=greenhouse] .unit", "°C")
	s.p.kill()
	x.seeText("#notes", "The gateway does not answer")
	get[bool](x, `(window.fails = null, true)`)
	s.start()
	x.see(`document.querySelector('[aria-label=greenhouse] .spark path').getAttribute('d')`)
}

// before runs a script in a page before its own.
func before(script string) action {
	return command(page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: script})
}

// A view that somebody left before it was there, and came back to, is there once.
func TestViewThatWasLeftEarlyIsStopped(t *testing.T) {
	s := gateway(t, barn)
	x := open(t, s.address(), desktop)
	paused := make(chan fetch.RequestID, 10)
	if err := chromedp.Listen(x.ctx, func(ev any) {
		if e, ok := ev.(*fetch.EventRequestPaused); ok {
			paused <- e.RequestID
		}
	}); err != nil {
		t.Fatal(err)
	}
	x.run(command(fetch.Enable, fetch.EnableParams{Patterns: []*fetch.RequestPattern{{URLPattern: "*/channel.js"}}}))
	for _, hash := range []string{"#/plot?c=greenhouse%2Ftemperature", "#/now", "#/plot?c=greenhouse%2Ftemperature"} {
		get[bool](x, `new Promise(done => { addEventListener('hashchange', () => done(true), {once: true}); location.hash = '`+hash+`' })`)
	}
	select {
	case id := <-paused:
		x.run(command(fetch.ContinueRequest, fetch.ContinueRequestParams{RequestID: id}))
	case <-time.After(longest):
		t.Fatal("the page never asked for channel.js")
	}
	x.see(`document.querySelector('.u-over')`)
	x.holdAnswers(`GET .*history.*zone=.*`)
	get[bool](x, `(location.hash = '#/now', true)`)
	x.see(`document.querySelector('tr.channel')`)
	s.write(strings.Replace(s.read(), "[device.pump]", "[device.attic]\ndriver = \"sim\"\n[device.attic.channels]\nx = {}\n[device.pump]", 1))
	s.reload()
	x.seeText("[aria-label=attic] h2", "ok") // each view heard of it
	if n := get[int](x, `asked`); n != 0 {
		t.Errorf("a plot that nobody sees asked for %d histories", n)
	}
}

// Without a shared worker each page has a stream of its own, which ends when it is hidden.
func TestHiddenPageWithoutWorkerEndsItsStream(t *testing.T) {
	s := gateway(t, barn)
	x := open(t, s.address(), desktop, before(`
		window.SharedWorker = class { constructor() { throw new Error('none') } }
		const wait = setTimeout, again = setInterval // what takes minutes takes a hundredth of them
		window.setTimeout = (f, ms) => wait(f, ms >= 20000 ? ms / 100 : ms)
		window.setInterval = (f, ms) => again(f, ms >= 20000 ? ms / 100 : ms)
		window.streams = []
		window.EventSource = class extends EventSource { constructor(u) { super(u); streams.push(this) } }`))
	x.seeText("[aria-label=greenhouse] h2", "ok")
	x.see(`streams.length === 1 && streams[0].readyState === 1`)
	x.hide(true)
	x.see(`streams[0].readyState === 2 && streams.length === 1`)
	x.hide(false)
	x.see(`streams.length === 2 && streams[1].readyState === 1`)
}
