package gateway

import (
	"context"
	"fmt"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"sensorgate/internal/confd"
	"sensorgate/internal/config"
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

// The doctor looks for seconds; whoever searches a model meanwhile does not wait for that.
func TestModelsDoNotWaitForTheDoctor(t *testing.T) {
	m := startGateway(t, "").page.machine
	looks, goes := make(chan bool), make(chan bool)
	m.g.opt.Doctor = func(*config.Config) []web.Finding { looks <- true; <-goes; return nil }
	var wg sync.WaitGroup
	defer wg.Wait()
	defer close(goes)
	wg.Go(func() { m.Doctor(t.Context()) })
	<-looks
	found := make(chan int, 1)
	wg.Go(func() { found <- len(m.Models("")) })
	select {
	case n := <-found:
		if n == 0 {
			t.Error("there are no models")
		}
	case <-time.After(30 * time.Second):
		t.Error("the models wait for the doctor")
	}
}

// A description is made once for a configuration, and anew for the next one.
func TestDescriptionFollowsTheConfiguration(t *testing.T) {
	g := startGateway(t, "[device.x]\ndriver = \"sequence\"\n")
	side := g.page.side
	first, again := side.Describe(), side.Describe()
	if len(first.Devices) != 1 || &first.Devices[0] != &again.Devices[0] {
		t.Errorf("%d devices, made anew: %v", len(first.Devices), len(first.Devices) > 0 && &first.Devices[0] != &again.Devices[0])
	}
	other := *g.config()
	other.Devices = nil
	g.mu.Lock()
	g.cfg = &other
	g.mu.Unlock()
	if got := side.Describe(); len(got.Devices) != 0 {
		t.Errorf("after a reload %d devices are described", len(got.Devices))
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

// What a scan over HTTP finds is proposed as the model that it said it is.
func TestScanOverHTTPProposesTheModelThatWasIdentified(t *testing.T) {
	addr := simulatedTCP(t, "huawei/sun2000")
	m := startGateway(t, "").page.machine
	ctx, stop := context.WithTimeout(t.Context(), 60*time.Second)
	defer stop()
	for { // a machine that is slow lets the unit's time for an answer pass
		if err := m.StartScan(web.ScanBody{Kinds: []string{"modbus"}, Port: "tcp://" + addr, Units: "1"}); err != nil {
			t.Fatal(err)
		}
		m.job.ended.Wait()
		s := m.Scan()
		if len(s.Found) == 1 && slices.Contains(s.Found[0].Models, "huawei/sun2000") {
			f := s.Found[0]
			if want := "model  = \"huawei/sun2000\"\ntcp    = \"" + addr + "\"\nunit   = 1\n"; f.Text != want || f.Needs != "" || f.Name != "sun2000" {
				t.Errorf("%+v, want the text %q", f, want)
			}
			return
		}
		if ctx.Err() != nil {
			t.Fatalf("nothing is proposed: %+v", s)
		}
	}
}

// simulatedTCP is a model's device on Modbus TCP until the test ends.
func simulatedTCP(t *testing.T, model string) string {
	t.Helper()
	text := fmt.Sprintf("node = \"n\"\n[device.x]\nmodel = %q\ntcp = \"127.0.0.1:1\"\n", model)
	cfg, problems := config.LoadTexts([]config.Text{{Name: filepath.Join(t.TempDir(), "x.toml"), Text: text}}, wireCatalogue(t))
	if cfg == nil {
		t.Fatal(problems)
	}
	sim := simulationOf(t, cfg.Devices[0])
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { c.Close() })
			go sim.Serve(context.Background(), c)
		}
	}()
	return l.Addr().String()
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
