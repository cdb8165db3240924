package browser

import "testing"

// Who may what: a viewer sees and reads why not; an operator commands and reads the log;
// everybody's answer is shown.
func TestCommandsByRole(t *testing.T) {
	s := gateway(t, barn)
	x := open(t, s.address(), desktop)
	x.seeText("[aria-label=pump] .control", "log in to change it")
	x.see(`[...document.querySelectorAll('[aria-label=pump] .control button')].every(b => b.disabled)`)
	x.see(`!document.querySelector('nav').innerText.includes('Log')`)

	x.click(".who button", "Log in")
	x.write("#user", "vic")
	x.write("#password", "wrong\r")
	x.seeText("[role=alert]", "user name or password is wrong")
	x.write("#password", "vicvic\r")
	x.seeText(".who", "vic")
	x.seeText("[aria-label=pump] .control", "you may look")
	x.click(".who button", "Log out")
	x.seeText(".who", "Log in")

	x.login("ann", "annann")
	x.click("[aria-label=pump] .switch button", "on")
	x.seeText("dialog", "Change pump/state?")
	x.click("dialog button", "Cancel")
	x.see(`!document.querySelector('dialog') && !document.querySelector('[aria-label=pump] .answer').innerText`)
	x.click("[aria-label=pump] .switch button", "on")
	x.click("dialog button", "Yes, on")
	x.seeText("[aria-label=pump] .answer", "on → done")
	x.see(`[...document.querySelectorAll('[aria-label=pump] .number')].some(e => e.innerText === 'on')`)

	// Beside what is there: 599. The browser itself refuses it, by the range that the channel
	// has; a page that does not look gets the device's answer.
	x.write("[aria-label=pump] .set input", "99")
	x.see(`!document.querySelector('[aria-label=pump] .set input').checkValidity()`)
	get[bool](x, `(document.querySelector('[aria-label=pump] .set').noValidate = true)`)
	x.write("[aria-label=pump] .set input", "\r")
	x.click("dialog button", "Yes")
	x.seeText("[aria-label=pump] .answer", "refused: ")
	x.seeText("[aria-label=pump] .answer", "is outside 5 to 30")
	x.seeText("nav", "Log")
}

// Logins are in the gateway's memory: after a restart nobody is logged in, and says so.
func TestLoginExpires(t *testing.T) {
	s := gateway(t, barn)
	x := open(t, s.address(), desktop)
	x.login("ann", "annann")
	x.see(`![...document.querySelectorAll('[aria-label=pump] .control button')].some(b => b.disabled)`)
	s.p.kill()
	s.start()
	x.seeText("#notes", "Your login has ended")
	x.seeText("[aria-label=pump] .control", "log in to change it")
	x.login("ann", "annann")
	x.see(`!document.querySelector('#notes').innerText.includes('has ended')`)
}

// The log: lines as they come, filtered by level and part.
func TestLog(t *testing.T) {
	s := gateway(t, barn)
	x := open(t, s.address(), desktop)
	x.login("ann", "annann")
	x.click("nav a", "Log")
	x.seeText("ol.log", "broker ready")
	x.see(`[...document.querySelectorAll('select')].some(s => s.innerText.includes('device shed'))`)
	get[bool](x, `(s => { s.value = 'WARN'; s.dispatchEvent(new Event('change')); return true })(document.querySelector('.tools select'))`)
	x.see(`document.querySelector('ol.log').innerText.includes('checksum wrong') && !document.querySelector('ol.log').innerText.includes('broker ready')`)
	get[bool](x, `(s => { s.value = 'INFO'; s.dispatchEvent(new Event('change')); return true })(document.querySelector('.tools select'))`)
	s.reload()
	x.see(`document.querySelector('ol.log').firstChild.innerText.includes('reload') || document.querySelector('ol.log').innerText.includes('configuration')`)
}
