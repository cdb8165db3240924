package browser

import (
	"strconv"
	"strings"
	"testing"

	"sensorgate/internal/freeport"
)

// meter is a Modbus TCP meter, as `sensorgate simulate` is one. It returns its address.
func meter(t *testing.T) string {
	t.Helper()
	needBrowser(t)
	at := "127.0.0.1:" + strconv.Itoa(freeport.Port(t))
	p := start(t, binary, "simulate", "model", "eastron/sdm630", "--tcp", at)
	until(t, "the simulated meter", func() bool { return strings.Contains(p.text(), at) })
	return at
}

// adding opens the view in which an admin adds a device.
func adding(t *testing.T) *tab {
	t.Helper()
	x := open(t, gateway(t, barn).address(), desktop)
	x.login("bob", "bobbob")
	x.click("a.button", "Add a device")
	x.seeText(".progress", "Choose where to look")
	return x
}

// A meter that nobody has described: it is found by a scan, its values are looked at, it is
// saved, and it is there.
func TestDeviceIsFoundLookedAtAndSaved(t *testing.T) {
	at := meter(t)
	x := adding(t)
	x.click("summary", "Modbus")
	x.write("#scan-port", "tcp://"+at)
	x.write("#scan-units", "1")
	x.click("form.fields button", "Modbus")
	x.seeText(".found", "Modbus unit 1")
	x.click("[aria-label='What is connected'] .found button", "Take it")
	x.seeText(".add .warn-text", "cannot say which model it is")
	x.write(".add input[type=search]", "sdm630")
	x.seeText("[aria-label=Models] .found", "eastron/sdm630")
	x.click("[aria-label=Models] .found button", "Take it")
	x.see(textOfEditor + `.value.includes('eastron/sdm630') && ` + textOfEditor + `.value.includes('` + at + `')`)
	get[bool](x, `(e => { e.value = 'grid'; e.dispatchEvent(new Event('input')); return true })(document.querySelector('#add-name'))`)
	x.see(textOfEditor + `.value.startsWith('[device.grid]')`)
	x.click("button", "Read its values")
	x.seeText(".add .verdict", "It answers")
	x.see(`[...document.querySelectorAll('.readings tr')].some(r => /power/.test(r.innerText) && /\d/.test(r.innerText) && /W/.test(r.innerText))`)
	get[bool](x, `(window.first = document.querySelector('.add .verdict').innerText, true)`)
	x.see(`document.querySelector('.add .verdict').innerText !== first && document.querySelector('.add .verdict').innerText.includes('It answers')`) // read again by itself
	x.click("button", "Save and apply")
	x.seeText(".add .verdict", "grid is saved and runs")
	x.click(".add .verdict a", "Now")
	x.seeText("[aria-label=grid] h2", "ok")
	x.seeText("[aria-label=grid] .unit", "W")
}

// What goes wrong is said where one looks, and nothing is saved.
func TestDeviceThatDoesNotAnswerIsSaidSo(t *testing.T) {
	x := adding(t)
	x.click(".kinds button", "I2C")
	x.seeText(".progress", "found at")
	x.click("summary", "Modbus")
	x.write("#scan-port", "/dev/nothing")
	x.click("form.fields button", "Modbus")
	x.seeText(".halves section", "/dev/nothing")

	x.write(".add input[type=search]", "sdm630")
	x.seeText(".found", "eastron/sdm630")
	x.click(".found button", "Take it")
	x.click("button", "Read its values")
	x.seeText(".add .verdict", "does not answer")
	x.seeText(".readings", "/dev/ttyUSB0")

	x.put("[device.grid]\nmodel = \"eastron/sdm630\"\nevry = \"1s\"\n")
	x.see(`document.querySelector('.add .back mark.error').innerText.includes('evry')`)
	x.see(`!document.querySelector('.readings').innerText`) // what was read was another text
	x.click("button", "Save and apply")
	x.seeText(".add .verdict", "nothing changed")
	x.click("nav a", "Configuration")
	x.seeText(".versions", "Nothing was saved yet")
}

// Who may not configure does not see the way there, and does not get there by its address.
func TestOnlyAdminsAddDevices(t *testing.T) {
	x := open(t, gateway(t, barn).address(), desktop)
	x.login("ann", "annann")
	x.see(`!document.querySelector('a.button').checkVisibility()`)
	get[bool](x, `(location.hash = '#/add', true)`)
	x.see(`document.querySelector('#main').dataset.view === 'now' && document.querySelector('tr.channel')`)
}
