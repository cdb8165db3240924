package browser

import (
	"strings"
	"testing"
)

// A plot of two channels with two units: two axes, values at the cursor, a table beside
// it, the ranges, closer and back, CSV.
func TestPlot(t *testing.T) {
	port := demo(t)
	x := open(t, address(port), desktop)
	x.click("tr.channel a", "temperature")
	x.see(`location.hash.includes('greenhouse%2Ftemperature') && document.querySelectorAll('.beside tbody tr').length > 100`)
	get[bool](x, `(s => { s.value = 'meter/power'; s.dispatchEvent(new Event('change')); return true })(document.querySelector('.plots select'))`)
	x.see(`document.querySelectorAll('.u-axis').length === 3 && document.querySelectorAll('.chip').length === 2`)
	x.seeText(".readout", "meter/power")
	x.seeText(".beside thead", "°C")

	for _, r := range []string{"7 d", "30 d", "400 d", "1 h", "24 h"} {
		x.click(".tools button", r)
		x.see(`[...document.querySelectorAll('.tools [aria-pressed=true]')].some(b => b.innerText === '` + r + `')`)
		x.see(`document.querySelector('.u-over')`)
	}
	get[bool](x, `(document.querySelector('.plot').focus(), document.querySelector('.plot').dispatchEvent(new KeyboardEvent('keydown', {key: 'ArrowLeft'})), true)`)
	x.see(`document.querySelector('.readout').innerText.includes('(')  || /\d/.test(document.querySelector('.readout').innerText)`)
	get[bool](x, `(document.querySelector('.plot').dispatchEvent(new KeyboardEvent('keydown', {key: '+'})), true)`)
	x.see(`location.hash.includes('from=') && !document.querySelector('.tools .switch [aria-pressed=true]')`)
	get[bool](x, `(history.back(), true)`)
	x.see(`!location.hash.includes('from=')`)

	get[bool](x, `(window.made = null, URL.createObjectURL = b => { made = b; return 'blob:x' }, HTMLAnchorElement.prototype.click = function () { window.named = this.download }, true)`)
	x.click("button", "CSV")
	csv := get[string](x, `made.text()`)
	if !strings.HasPrefix(csv, "device,channel,unit,time,min,mean,max,last,count\r\ngreenhouse,temperature,°C,") || !strings.Contains(csv, "\r\nmeter,power,W,") {
		t.Errorf("the CSV begins with %.200s", csv)
	}
	if name := get[string](x, `named`); !strings.HasSuffix(name, ".csv") {
		t.Errorf("the file is called %q", name)
	}
}

// A total is shown as what it grew per hour; what was not measured is shaded, with its
// reason in a list.
func TestTotalsAreBarsAndGapsHaveReasons(t *testing.T) {
	port := demo(t)
	x := open(t, address(port)+"#/plot?c=meter%2Fenergy&r=24h", desktop)
	x.click("button", "Growth as bars")
	x.seeText("button[aria-pressed=true]", "Per hour")
	x.see(`(n => n >= 22 && n <= 25)(document.querySelectorAll('.beside tbody tr').length)`)
	x.click("button", "Per hour")
	x.seeText("button[aria-pressed=true]", "Per day")

	y := open(t, address(port)+"#/plot?c=shed%2Ftemperature&r=24h", desktop)
	y.seeText(".gaps", "no answer")
}

func TestPlotOfNothing(t *testing.T) {
	s := gateway(t, strings.Replace(barn, "[history]", "[history]\nenabled = false", 1))
	x := open(t, s.address()+"#/plot?c=greenhouse%2Ftemperature&r=24h", desktop)
	x.seeText(".plots .note", "no history is kept")
}

// An upstream that is away: since when, why, what waits.
func TestUpstreamThatIsAway(t *testing.T) {
	s := gateway(t, barn)
	x := open(t, s.address()+"#/upstreams", desktop)
	x.seeText("[data-upstream=cloud] .state", "away")
	x.seeText("[data-upstream=cloud] .why", "refused")
	x.see(`parseInt(document.querySelector('[data-upstream=cloud] .number').innerText) > 0`)
	x.seeText("#main", "Store")
	x.seeText("[data-upstream=cloud] .will", "“offline” on barn/status")
	x.seeText("[data-upstream=cloud] dl", "Gap records")
	x.seeText("[aria-label=Store] dl", "Free on the disk")
}

// What was lost, why, and that the upstream does not know of it yet.
func TestUpstreamThatLostMessages(t *testing.T) {
	s := gateway(t, strings.Replace(barn, "[bridge.cloud]", "[device.fast]\ndriver = \"sim\"\nevery = \"10ms\"\n[device.fast.channels]\nx = { shape = \"walk\" }\n[bridge.cloud]\nspool = { size = \"64KiB\" }", 1))
	x := open(t, s.address()+"#/upstreams", desktop)
	x.seeText("[data-upstream=cloud] .warn-text", "spool full")
	x.see(`document.querySelector('[data-upstream=cloud] meter').value > 0`)
}

// What waited in the last day, as a picture and in words.
func TestSpoolOfTheLastDay(t *testing.T) {
	port := demo(t)
	x := open(t, address(port)+"#/upstreams", desktop)
	x.see(`document.querySelector('.spool .area')?.getAttribute('d').length > 200`)
	x.seeText(".spool figcaption", "waited")
}
