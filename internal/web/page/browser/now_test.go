package browser

import (
	"strings"
	"testing"
)

// barn is a gateway with what the tests look at: a device that answers, one that never
// does, outputs, an upstream that is away.
const barn = `
[history]
[device.greenhouse]
driver = "sim"
every  = "1s"
[device.greenhouse.channels]
temperature = { shape = "sine", from = 14, to = 31, period = "20s", unit = "°C", digits = 1 }
humidity    = { shape = "walk", from = 40, to = 90, unit = "%", digits = 0 }
energy      = { shape = "counter", step = 1, unit = "kWh", kind = "total" }
[device.pump]
driver = "sim"
every  = "1s"
[device.pump.channels]
state  = { shape = "output" }
target = { shape = "setpoint", from = 5, to = 30, unit = "°C", digits = 1 }
[device.shed]
driver = "sim"
every  = "1s"
fail   = { every = "1h", for = "1h" }
[device.shed.channels]
temperature = { from = 2, to = 12, unit = "°C" }
[bridge.cloud]
urls  = ["mqtt://127.0.0.1:9"]
rules = [{ dir = "out", local = "{node}/#", qos = 1 }]
`

const temperature = `document.querySelector('[aria-label=greenhouse] tr.channel .number')`

// What a person sees first: values with unit and age that move, a state as a word, what is
// broken with its reason; and nothing is built anew under their eyes.
func TestNowShowsValuesThatMoveAndWhatIsBroken(t *testing.T) {
	s := gateway(t, barn)
	x := open(t, s.address(), desktop)
	x.seeText("[aria-label=greenhouse] h2", "ok")
	x.seeText("[aria-label=greenhouse] .unit", "°C")
	get[bool](x, `(window.was = `+temperature+`, window.first = was.innerText, true)`)
	x.see(temperature + ` === was && was.innerText !== first && was.isConnected`)
	x.see(`/^\d+ s$/.test(document.querySelector('[aria-label=greenhouse] .age').innerText)`)
	x.see(`document.querySelector('[aria-label=greenhouse] .spark path').getAttribute('d')`)

	x.seeText(".needs", "shed")
	x.seeText(".needs", "checksum wrong")
	x.seeText(".needs .state", "failing")
	x.seeText("#top", "1 needs you")
	x.see(`document.title.startsWith('(1)')`)
	x.see(`document.querySelector('[aria-label=shed] tr.channel').classList.contains('old')`)

	x.click("button", "Only what needs you")
	x.see(`!document.querySelector('[aria-label=greenhouse]').checkVisibility() && document.querySelector('[aria-label=shed]').checkVisibility()`)
}

// A sensor that stops answering: its last value stays, grey, with its age.
func TestValueOfASilentSensorTurnsGrey(t *testing.T) {
	s := gateway(t, "[history]\n[device.tank]\ndriver = \"sim\"\nevery = \"1s\"\nfail = { every = \"1h\", for = \"59m57s\" }\n[device.tank.channels]\nlevel = { from = 1, to = 2, unit = \"m\" }\n")
	x := open(t, s.address(), desktop)
	x.see(`document.querySelector('[aria-label=tank] tr.channel.old .number')?.innerText.match(/^[12]/)`)
	x.seeText("[aria-label=tank] .why", "checksum wrong")
}

func TestFilterAndFavourites(t *testing.T) {
	s := gateway(t, barn)
	x := open(t, s.address(), desktop)
	x.write(".tools input[type=search]", "humid")
	x.see(`[...document.querySelectorAll('tr.channel')].filter(r => r.checkVisibility()).length === 1`)
	x.seeText("tr.channel", "humidity")
	x.write(".tools input[type=search]", "nothing")
	x.seeText(".empty", "humidnothing")
	get[bool](x, `(e => { e.value = ''; e.dispatchEvent(new Event('input')); return true })(document.querySelector('.tools input'))`)

	get[bool](x, `(document.querySelector('[aria-label=greenhouse] .star').click(), true)`)
	x.seeText(".tile", "temperature")
	x.see(`document.querySelector('[aria-label=greenhouse] .star').getAttribute('aria-pressed') === 'true'`)
	get[bool](x, `(location.reload(), true)`)
	x.seeText(".tile", "temperature") // it outlives the page
}

// One column and nothing beside the screen on a phone; dark where the system is.
func TestPhoneAndDark(t *testing.T) {
	s := gateway(t, barn)
	for _, view := range []string{"now", "plot?c=greenhouse%2Ftemperature", "upstreams", "gateway"} {
		x := open(t, s.address()+"#/"+view, phone, dark())
		x.see(`document.querySelector('#main').innerText.length > 20`)
		if wide := get[int](x, `document.documentElement.scrollWidth`); wide > 390 {
			t.Errorf("%s is %d pixels wide on a phone of 390", view, wide)
		}
		if back := get[string](x, `getComputedStyle(document.body).backgroundColor`); back != "rgb(18, 21, 20)" {
			t.Errorf("%s has the background %s in the dark", view, back)
		}
	}
	x := open(t, s.address(), phone)
	x.seeText("[aria-label=pump] h2", "ok")
	if lefts := get[int](x, `new Set([...document.querySelectorAll('.grid > .card')].map(c => c.getBoundingClientRect().left)).size`); lefts != 1 {
		t.Errorf("the cards stand in %d columns on a phone", lefts)
	}
}

// The gateway is killed: the page says so and greys what it shows. It is started again:
// the page comes back by itself.
func TestGatewayIsKilledAndComesBack(t *testing.T) {
	s := gateway(t, barn)
	x := open(t, s.address(), desktop)
	x.seeText("[aria-label=greenhouse] .unit", "°C")
	s.p.kill()
	x.seeText("#notes", "The gateway does not answer")
	x.see(`document.querySelector('[aria-label=greenhouse] tr.channel').classList.contains('old')`)
	s.start()
	x.see(`!document.querySelector('#notes').innerText.includes('does not answer')`)
	get[bool](x, `(window.first = `+temperature+`.innerText, true)`)
	x.see(temperature + `.innerText !== first && !` + temperature + `.closest('tr').classList.contains('old')`)
}

// Another configuration: the list follows without a reload of the page.
func TestDeviceThatAReloadAddedAppears(t *testing.T) {
	s := gateway(t, barn)
	x := open(t, s.address(), desktop)
	x.seeText("[aria-label=greenhouse] h2", "ok")
	text := s.read()
	s.write(strings.Replace(text, "[device.pump]", "[device.attic]\ndriver = \"sim\"\n[device.attic.channels]\nx = {}\n[device.pump]", 1))
	s.reload()
	x.seeText("[aria-label=attic] h2", "ok")
	s.write(text + "\nnonsense = 1\n")
	s.reload()
	x.seeText("#notes", "The last reload was refused")
}

// Texts of three languages, numbers and times of the browser's locale.
func TestLanguages(t *testing.T) {
	s := gateway(t, barn)
	x := open(t, s.address()+"#/gateway", desktop)
	for language, word := range map[string]string{"de": "Übersicht", "zh": "概览", "en": "Now"} {
		get[bool](x, `(localStorage.setItem('language', '`+language+`'), location.reload(), true)`)
		x.seeText("nav", word)
		x.see(`document.documentElement.lang === '` + language + `'`)
	}
}
