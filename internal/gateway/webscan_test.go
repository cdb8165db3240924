package gateway

import (
	"context"
	"strings"
	"testing"
	"time"

	"sensorgate/internal/confd"
	"sensorgate/internal/web"
)

// The values of a device can be seen before it is saved, beside those that run.
func TestPreviewReadsADeviceThatIsNotSaved(t *testing.T) {
	g := startGateway(t, "[device.x]\ndriver = \"sequence\"\n")
	m := g.page.machine
	ps, err := m.Preview(t.Context(), "zz.toml", "[device.y]\ndriver = \"sim\"\nevery = \"10ms\"\nchannels.v = { from = 1, to = 2 }\n")
	if err != nil || len(ps) != 1 || !ps[0].OK || ps[0].Name != "device.y" || len(ps[0].Channels) != 1 || !ps[0].Channels[0].Value.Valid() {
		t.Fatalf("%+v, %v", ps, err)
	}
	if len(g.config().Devices) != 1 {
		t.Errorf("%d devices run", len(g.config().Devices))
	}
	for text, want := range map[string]string{
		"[device.y]\ndriver = \"nope\"\n": "no driver", "": "0 devices", "[device.x]\ndriver = \"sim\"\nchannels.v = {}\n": "two files",
	} {
		if _, err := m.Preview(t.Context(), "zz.toml", text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

// One scan at a time; it reports what it found, and ends by itself.
func TestScanOverHTTP(t *testing.T) {
	m := startGateway(t, "").page.machine
	if err := m.StartScan(web.ScanBody{Units: "0"}); err == nil {
		t.Error("the unit 0 is scanned for")
	}
	if err := m.StartScan(web.ScanBody{Kinds: []string{"w1", "gpio", "usb"}}); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithTimeout(t.Context(), 30*time.Second)
	defer stop()
	for m.Scan().Running {
		if ctx.Err() != nil {
			t.Fatal("the scan does not end")
		}
		m.job.ended.Wait()
	}
	if s := m.Scan(); len(s.Failed) != 1 || !strings.Contains(s.Failed[0], "usb") {
		t.Errorf("%+v", s)
	}
}

// A device that is saved runs at once; what the reload refuses is not on the disk.
func TestSavedDeviceRuns(t *testing.T) {
	g := startGateway(t, "[device.x]\ndriver = \"sequence\"\n")
	c := webConfig{g.Gateway}
	if _, err := c.Save(confd.Edit{File: "a.toml", Text: "[device.y]\ndriver = \"sequence\"\n"}); err != nil || len(g.config().Devices) != 2 {
		t.Fatalf("%d devices run: %v", len(g.config().Devices), err)
	}
	for text, want := range map[string]string{
		"node = \"other\"\n": "two files", "[journal]\ncommit = \"2s\"\n": "cannot change while running", "[bridge.b]\npassword = {}\n": "secret",
	} {
		if _, err := c.Save(confd.Edit{File: "b.toml", Text: text}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
	found, err := c.Check([]web.ConfigFile{{Name: "b.toml", Text: "[device.z]\ndriver = \"nope\"\n"}})
	if err != nil || len(found) != 1 || found[0].File != "b.toml" || found[0].Line != 2 {
		t.Errorf("%v %v", found, err)
	}
	if files, err := c.Files(); err != nil || len(files) != 2 || files[0].Writable || files[0].Paste == "" || !files[1].Writable {
		t.Errorf("%+v %v", files, err)
	}
	if _, err := c.Undo(0, ""); err != nil || len(g.config().Devices) != 1 {
		t.Errorf("after the undo %d devices run: %v", len(g.config().Devices), err)
	}
	if plan, err := c.Plan([]web.ConfigFile{{Name: "b.toml", Text: "[device.z]\ndriver = \"sequence\"\n"}}); err != nil || len(plan.Devices.Added) != 1 {
		t.Errorf("%+v %v", plan, err)
	}
}
