package browser

import (
	"flag"
	"os"
	"path/filepath"
	"testing"
)

var update = flag.Bool("update", false, "write the pictures of README and docs")

// TestScreenshots makes the pictures of the documents from the demo.
func TestScreenshots(t *testing.T) {
	if !*update {
		t.Skip("skipped: writes the pictures of README and docs only with -update")
	}
	if noBrowser != "" {
		t.Skip("skipped: " + noBrowser)
	}
	port, at := demo(t), meter(t)
	for _, s := range []struct {
		name, view string
		size       size
		before     []action
		ready      func(x *tab)
	}{
		{"now", "#/now", desktop, nil, func(x *tab) {
			for _, name := range []string{"greenhouse/temperature", "meter/power"} {
				get[bool](x, "(document.querySelector('[aria-label=\"Make "+name+" a favourite\"]').click(), true)")
			}
			x.see(`document.querySelectorAll('.spark path[d*=L]').length >= 6`)
		}},
		{"phone", "#/now", phone, []action{dark()}, func(x *tab) { x.see(`document.querySelectorAll('.spark path[d*=L]').length >= 3`) }},
		{"plot", "#/plot?c=greenhouse%2Ftemperature&c=meter%2Fpower&r=24h", desktop, nil, func(x *tab) {
			x.see(`document.querySelector('.u-over') && document.querySelectorAll('.beside tbody tr').length > 100`)
		}},
		{"config", "#/now", desktop, nil, func(x *tab) {
			x.login("demo", "demo")
			x.click("nav a", "Configuration")
			x.fresh("50-attic.toml")
			x.put("# Temperature under the roof\n[device.attic]\ndriver = \"sim\"\nevry  = \"10s\"\n\n[device.attic.channels]\ntemperature = { shape = \"walk\", from = -5, to = 45, unit = \"°C\", digits = 1 }\n")
			x.see(`document.querySelector('.back mark.error')`)
		}},
		{"add", "#/now", desktop, nil, func(x *tab) { x.pictureOfAdding(at) }},
		{"add-phone", "#/now", phone, []action{dark()}, func(x *tab) { x.pictureOfAdding(at) }},
	} {
		t.Run(s.name, func(t *testing.T) {
			x := open(t, address(port)+s.view, s.size, s.before...)
			s.ready(x)
			picture, err := x.picture()
			if err == nil {
				err = os.WriteFile(filepath.Join("../../../../docs", "page-"+s.name+".png"), picture, 0o666)
			}
			if err != nil {
				t.Fatal(err)
			}
		})
	}
}

// pictureOfAdding goes through the steps of adding a device up to its values.
func (x *tab) pictureOfAdding(at string) {
	x.t.Helper()
	x.login("demo", "demo")
	x.click("a.button", "Add a device")
	x.click("summary", "Modbus")
	x.write("#scan-port", "tcp://"+at)
	x.write("#scan-units", "1")
	x.click("form.fields button", "Modbus")
	x.seeText(".found", "Modbus unit 1")
	x.click("[aria-label='What is connected'] .found button", "Take it")
	x.write(".add input[type=search]", "sdm630")
	x.seeText("[aria-label=Models] .found", "eastron/sdm630")
	x.click("[aria-label=Models] .found button", "Take it")
	x.click("button", "Read its values")
	x.seeText(".add .verdict", "It answers")
	get[bool](x, `(document.querySelector('.add > section').scrollIntoView(), true)`)
}
