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
	port := demo(t)
	for _, s := range []struct {
		name, view string
		size       size
		before     []action
	}{
		{"now", "#/now", desktop, nil},
		{"now-dark", "#/now", desktop, []action{dark()}},
		{"phone", "#/now", phone, nil},
		{"plot", "#/plot?c=greenhouse%2Ftemperature&c=meter%2Fpower&r=24h", desktop, nil},
		{"upstreams", "#/upstreams", desktop, nil},
		{"gateway", "#/gateway", desktop, nil},
		{"config", "#/config", desktop, nil},
		{"clients", "#/clients", desktop, nil},
	} {
		x := open(t, address(port)+s.view, s.size, s.before...)
		switch s.name {
		case "config", "clients", "gateway":
			x.login("demo", "demo")
			get[bool](x, "(location.hash = '#/now', true)")
			x.seeText("nav", "Configuration")
			get[bool](x, "(location.hash = '"+s.view+"', true)")
			x.seeText("#main", map[string]string{"config": "[device.greenhouse]", "clients": "demo", "gateway": "Running"}[s.name])
		case "plot":
			x.see(`document.querySelector('.u-over') && document.querySelectorAll('.beside tbody tr').length > 20`)
		case "now", "now-dark", "phone":
			x.see(`document.querySelectorAll('.spark path[d*=L]').length >= 4`)
		}
		if err := os.WriteFile(filepath.Join("../../../../docs", "page-"+s.name+".png"), x.picture(), 0o666); err != nil {
			t.Fatal(err)
		}
	}
}
