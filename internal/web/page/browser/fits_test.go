package browser

import (
	"fmt"
	"testing"
)

// longNames has names as people give them, and a fault that takes some words.
const longNames = barn + `
[device.heat_pump_in_the_cellar]
driver = "sim"
every  = "2s"
[device.heat_pump_in_the_cellar.channels]
flow_temperature_after_mixer = { shape = "walk", from = 20, to = 55, unit = "°C", digits = 2 }
energy_total_import = { shape = "counter", step = 12.5, unit = "kWh", kind = "total" }
pressure = { shape = "walk", from = 100000, to = 103000, unit = "Pa", digits = 1 }
[device.away]
driver = "modbus"
serial = { port = "/dev/ttyUSB7" }
model  = "eastron/sdm630"
unit   = 3
`

// tooWide lists what reaches beyond a screen.
const tooWide = `[...document.querySelectorAll('body *')].filter(e => e.getBoundingClientRect().right > %d && e.checkVisibility()).map(e => e.tagName + '.' + e.className).slice(0, 12).join(' ')`

// No view is wider than a phone, whatever the names are, in the language with the longest
// words; and a name is broken between its words.
func TestEveryViewFitsAPhone(t *testing.T) {
	s := gateway(t, longNames)
	for _, width := range []int64{390, 320} {
		x := open(t, s.address(), size{width, 844, true}, before(`localStorage.setItem('language', 'de')`))
		x.click(".who button", "Anmelden")
		x.write("#user", "bob")
		x.write("#password", "bobbob\r")
		x.seeText("nav", "Konfiguration")
		x.seeText("[aria-label=heat_pump_in_the_cellar] .unit", "kWh")
		get[bool](x, `(document.querySelectorAll('.star').forEach((s, i) => i % 3 || s.click()), true)`)
		x.seeText(".tile", "flow_temperature_after_mixer")
		for _, view := range []struct{ hash, there string }{
			{"#/now", "tr.channel"}, {"#/plot?c=heat_pump_in_the_cellar%2Fflow_temperature_after_mixer&c=heat_pump_in_the_cellar%2Fpressure&c=pump%2Fstate&r=1h", ".u-over"},
			{"#/upstreams", "[data-upstream]"}, {"#/clients", ".tree summary"}, {"#/log", "ol.log li"}, {"#/config", ".stack textarea"},
			{"#/add", ".kinds button"}, {"#/gateway", "dl.facts"},
		} {
			get[bool](x, `(location.hash = '`+view.hash+`', true)`)
			x.see(`document.querySelector('` + view.there + `')`)
			if got := get[int64](x, `document.documentElement.scrollWidth`); got > width {
				t.Errorf("%s is %d wide on a screen of %d: %s", view.hash, got, width, get[string](x, fmt.Sprintf(tooWide, width)))
			}
			if view.there == ".u-over" && get[bool](x, `document.querySelector('.plots > .note').checkVisibility()`) {
				t.Error("a state is said to need a third axis")
			}
			if n := get[int](x, `[...document.querySelectorAll('dl.facts dd')].filter(e => e.scrollWidth > e.clientWidth + 1).length`); n > 0 {
				t.Errorf("%s: %d facts are cut off", view.hash, n)
			}
			if view.hash == "#/now" && width == 390 {
				const lines = `(a => Math.round(a.parentElement.getBoundingClientRect().height / parseFloat(getComputedStyle(a).lineHeight)))([...document.querySelectorAll('tr.channel th a')].find(a => a.innerText === 'flow_temperature_after_mixer'))`
				if got := get[int](x, lines); got > 3 {
					t.Errorf("a name of four words has %d lines", got)
				}
			}
		}
		x.seeText("#top", "brauch")
	}
}

// Nothing of a card stands beyond its edge where three cards stand beside each other.
func TestRowsFitTheirCards(t *testing.T) {
	x := open(t, gateway(t, longNames).address(), desktop)
	x.seeText("[aria-label=heat_pump_in_the_cellar] .unit", "Pa")
	x.see(`/\d/.test(document.querySelector('[aria-label=heat_pump_in_the_cellar] .number').innerText)`)
	const beyond = `[...document.querySelectorAll('.grid .card')].filter(c => [...c.querySelectorAll('td, th')].some(e => e.getBoundingClientRect().right > c.getBoundingClientRect().right)).map(c => c.ariaLabel)`
	if got := get[[]string](x, beyond); len(got) > 0 {
		t.Errorf("rows are wider than their cards: %v", got)
	}
}

// What a gateway says stays whole when what to try is taken out of it.
func TestReasonKeepsItsBrackets(t *testing.T) {
	x := open(t, gateway(t, longNames).address(), desktop)
	x.seeText(".needs", "serial port /dev/ttyUSB7: not there (plugged in?)")
	x.seeText(".needs code", "sensorgate scan serial")
}
