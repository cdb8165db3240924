package browser

import (
	"strings"
	"testing"
)

const textOfEditor = `document.querySelector('.stack textarea')`

// put replaces what the editor has, as typing would.
func (x *tab) put(text string) {
	x.t.Helper()
	x.see(textOfEditor + `?.checkVisibility()`)
	get[bool](x, `(e => { e.value = `+quote(text)+`; e.dispatchEvent(new Event('input')); return true })(`+textOfEditor+`)`)
}

func quote(text string) string {
	return "`" + strings.NewReplacer("`", "\\`", "\\", "\\\\").Replace(text) + "`"
}

// fresh begins a new file.
func (x *tab) fresh(name string) {
	x.t.Helper()
	x.click("button", "New file")
	x.see(`document.querySelector('#newfile')`)
	get[bool](x, `(document.querySelector('#newfile').value = '`+name+`', true)`)
	x.click("dialog button", "Make it")
	x.seeText(".tabs [aria-selected=true]", name)
}

// An admin writes a device: a fault is marked at its place as it is typed and cannot be
// saved; the plan says what changes; saved, the device is there; undone, it is gone.
func TestConfigurationIsWrittenAndUndone(t *testing.T) {
	s := gateway(t, barn)
	x := open(t, s.address(), desktop)
	x.login("bob", "bobbob")
	x.click("nav a", "Configuration")
	x.seeText(".tabs", "sensorgate.toml")
	x.see(textOfEditor + `.readOnly && ` + textOfEditor + `.value.includes('[device.greenhouse]')`)
	x.see(`!document.querySelector('.buttons .main').checkVisibility()`)

	x.fresh("50-attic.toml")
	x.put("[device.attic]\ndriver = \"sim\"\nevry = \"5s\"\n[device.attic.channels]\nx = {}\n")
	x.seeText(".marks", "50-attic.toml:3")
	x.seeText(".marks", "every")
	x.see(`document.querySelector('.back mark.error').innerText.includes('evry')`)
	x.see(`document.querySelector('.lines .error').innerText.includes('3') && document.querySelector('.buttons .main').disabled`)

	x.put("[device.attic]\ndriver = \"sim\"\n[device.attic.channels]\nx = {}\n")
	x.seeText(".verdict", "This can be used")
	x.click("button", "Show what changes")
	x.seeText(".plan .added", "attic")
	x.click("button", "Save")
	x.seeText(".verdict", "Saved and applied")
	x.seeText(".versions", "50-attic.toml")
	x.click("nav a", "Now")
	x.seeText("[aria-label=attic] h2", "ok")

	x.click("nav a", "Configuration")
	x.click("button", "Undo the last save")
	x.seeText(".verdict", "Put back")
	x.click("nav a", "Now")
	x.see(`document.querySelector('[aria-label=greenhouse]') && !document.querySelector('[aria-label=attic]')`)
}

// What a save would change of the text itself, line by line, with the lines around it.
func TestPlanShowsTheChangedLines(t *testing.T) {
	x := configuration(t, gateway(t, barn))
	x.fresh("50-attic.toml")
	x.put("# one\n# two\n# three\n" + attic)
	x.seeText(".verdict", "This can be used")
	x.click("button", "Save")
	x.seeText(".verdict", "Saved and applied")
	x.put("# one\n# two\n# three\n" + strings.Replace(attic, "x = {}", "y = {}", 1))
	x.seeText(".verdict", "This can be used")
	x.click("button", "Show what changes")
	x.seeText(".diff .removed", "x = {}")
	x.seeText(".diff .added", "y = {}")
	if d := x.text(".diff"); strings.Contains(d, "# one") || !strings.Contains(d, "[device.attic.channels]") {
		t.Errorf("the changed lines are shown as\n%s", d)
	}
	x.seeText(".plan .changed", "attic")
}

// A save that could cut the admin off waits for its confirmation.
func TestSaveOfTheBrokerIsConfirmed(t *testing.T) {
	s := gateway(t, barn)
	x := open(t, s.address(), desktop)
	x.login("bob", "bobbob")
	x.click("nav a", "Configuration")
	x.fresh("60-broker.toml")
	x.put("[broker]\nmax_clients = 50\n")
	x.seeText(".verdict", "This can be used")
	x.click("button", "Save")
	x.seeText("[data-note=confirm]", "is undone by itself in")
	// The browser keeps as many old connections as it may: none of them may confirm, and
	// all of them must not keep the page from it.
	get[int](x, `Promise.all([...Array(12).keys()].map(() => fetch('api/v1/devices').then(r => r.text()))).then(l => l.length)`)
	x.click("[data-note=confirm] button", "Keep it")
	x.see(`!document.querySelector('[data-note=confirm]')?.checkVisibility()`)
	x.seeText(".versions", "60-broker.toml")
	if text := s.read(); strings.Contains(text, "max_clients") {
		t.Error("the page wrote the main file")
	}
}

// Models by search, put into the file.
func TestModelIsFoundAndPutIntoTheFile(t *testing.T) {
	s := gateway(t, barn)
	x := open(t, s.address(), desktop)
	x.login("bob", "bobbob")
	x.click("nav a", "Configuration")
	x.fresh("50-meters.toml")
	x.write("section input[type=search]", "sdm630")
	x.seeText(".models", "eastron/sdm630")
	x.click(".models button", "Put it into the file")
	x.see(textOfEditor + `.value.includes('model  = "eastron/sdm630"')`)
	x.seeText(".marks", "50-meters.toml")
}

// Clients, the tree of topics, a message that an admin publishes; a viewer sees topics.
func TestClientsAndTopics(t *testing.T) {
	s := gateway(t, barn)
	x := open(t, s.address(), desktop)
	x.login("bob", "bobbob")
	x.click("nav a", "Clients")
	x.seeText("#main", "Nobody is connected")
	x.seeText(".tree summary", "barn")
	x.write(".wide input[type=search]", "greenhouse/temp")
	x.seeText(".tree .leaf", "temperature")
	x.seeText(".tree .payload", "value")
	get[bool](x, `(e => { e.value = ''; e.dispatchEvent(new Event('input')); return true })(document.querySelector('.wide input[type=search]'))`)
	x.write("#topic", "house/door")
	x.write("#payload", "open\r")
	x.seeText(".publish .answer", "house/door: published")
	x.seeText(".tree summary", "house")
}

// What doctor finds, for operators.
func TestDoctor(t *testing.T) {
	s := gateway(t, barn)
	x := open(t, s.address(), desktop)
	x.login("ann", "annann")
	x.click("nav a", "Gateway")
	x.click("button", "Look at it")
	x.see(`document.querySelectorAll('.findings li .state').length > 2`)
	x.seeText("#main", "Running for")
}
