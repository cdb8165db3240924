package gateway

import (
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/modbus"
	"sensorgate/drivers/serial"
	"sensorgate/drivers/serial/framing"
	"sensorgate/internal/config"
)

// simulationOf makes the simulated device of a model, whose values stand still.
func simulationOf(t *testing.T, dev config.Device) drivers.Simulation {
	t.Helper()
	if dev.Driver.Simulate == nil {
		t.Fatalf("driver %s cannot be simulated", dev.Driver.Name)
	}
	sim, err := dev.Driver.Simulate(dev.Config)
	if err != nil {
		t.Fatal(err)
	}
	moving := sim
	if sim.Answer != nil {
		sim.Answer = func(_ time.Duration, heard []byte) ([]byte, []byte) { return moving.Answer(0, heard) }
	}
	if sim.Speak != nil {
		sim.Every = min(sim.Every, 20*time.Millisecond)
		sim.Speak = func(time.Duration) []byte { return moving.Speak(0) }
	}
	return sim
}

// waitFor is how long a channel may take to come.
const waitFor = 50 * time.Second

// readSimulation runs a model's device against its simulation on a pty, until all of want
// came and nothing new does.
func readSimulation(t *testing.T, cat config.Catalogue, model string, sim drivers.Simulation, want map[string]string) (values, faults map[string]string) {
	t.Helper()
	far, path, err := serial.OpenPTY()
	if err != nil {
		t.Skip("no ptys here:", err)
	}
	dev := fromModel(t, cat, model, path)
	coolDown(&dev)
	opened, err := dev.Driver.Open(t.Context(), dev.Config)
	if err != nil {
		t.Fatal(err)
	}
	defer opened.(io.Closer).Close()
	ctx, cancel := context.WithTimeout(t.Context(), waitFor+10*time.Second)
	served := make(chan error, 1)
	go func() { served <- sim.Serve(ctx, far) }()
	defer func() { cancel(); far.Close(); <-served }()
	values, faults = map[string]string{}, map[string]string{}
	take := noteIn(values, faults)
	if p, ok := opened.(drivers.Poller); ok {
		rs, err := p.Poll(ctx)
		for _, r := range rs {
			take(r, nil)
		}
		if err != nil {
			take(drivers.Reading{}, err)
		}
		return values, faults
	}
	all := false
	over := time.AfterFunc(waitFor, cancel)
	defer over.Stop()
	opened.(drivers.Watcher).Watch(ctx, func(r drivers.Reading, err error) {
		if ctx.Err() != nil {
			return // the port is closed under it
		}
		if take(r, err); !all && len(values) >= len(want) {
			all = true
			over.Reset(100 * time.Millisecond) // for what should not come
		}
	})
	return values, faults
}

// Every model, of Modbus and of serial lines, is read end to end on a port from the device
// that sensorgate simulate makes of it: each channel comes, with its value and unit.
func TestEveryModelIsReadFromItsSimulator(t *testing.T) {
	cat := wireCatalogue(t)
	for _, name := range config.ModelNames(cat, t.TempDir()) {
		t.Run(strings.ReplaceAll(name, "/", " "), func(t *testing.T) {
			t.Parallel() // they mostly wait
			sim := simulationOf(t, fromModel(t, cat, name, "/dev/null"))
			want := map[string]string{}
			for _, r := range sim.Values(0) {
				want[r.Channel] = strings.TrimSpace(r.Value.String() + " " + r.Unit)
			}
			if len(want) == 0 {
				t.Fatal("the simulated device has no channel")
			}
			values, faults := readSimulation(t, cat, name, sim, want)
			for channel, value := range want {
				if values[channel] != value {
					t.Errorf("%s is %q, want %q (faults: %v)", channel, values[channel], value, faults)
				}
			}
			if len(values) != len(want) || len(otherVariants(faults)) > 0 {
				t.Errorf("%d channels came, want %d; faults: %v", len(values), len(want), faults)
			}
		})
	}
}

// What a device has where it has no value is no reading of any model, and no fault either;
// the channels beside it go on.
func TestNoModelPublishesWhatIsNotThere(t *testing.T) {
	cat := wireCatalogue(t)
	tried := 0
	for _, m := range modbusModels(t) {
		dev := fromModel(t, cat, m.Name, "/dev/null")
		sim := simulationOf(t, dev)
		blank := map[string]bool{}
		for n, cc := range dev.Config.Channels {
			if n%2 == 0 && sim.Blank(cc.Name) {
				blank[cc.Name] = true
			}
		}
		if len(blank) == 0 {
			continue
		}
		tried++
		t.Run(strings.ReplaceAll(m.Name, "/", " "), func(t *testing.T) {
			t.Parallel() // they mostly wait
			want := map[string]string{}
			for _, r := range sim.Values(0) {
				want[r.Channel] = strings.TrimSpace(r.Value.String() + " " + r.Unit)
			}
			values, faults := readSimulation(t, cat, m.Name, sim, want)
			for channel := range blank {
				if v, ok := values[channel]; ok && want[channel] == "" {
					t.Errorf("%s is %q, and the device has none", channel, v)
				}
			}
			for channel, value := range want {
				if values[channel] != value {
					t.Errorf("%s is %q, want %q", channel, values[channel], value)
				}
			}
			if len(otherVariants(faults)) > 0 {
				t.Errorf("faults: %v", faults)
			}
		})
	}
	if tried < 20 {
		t.Errorf("only %d models have such values", tried)
	}
}

// A simulated Modbus TCP device serves several at once.
func TestSimulatedDeviceOverTCP(t *testing.T) {
	cat := wireCatalogue(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	cfg, problems := config.LoadTexts([]config.Text{{Name: t.TempDir() + "/s.toml",
		Text: fmt.Sprintf("node = \"n\"\n[device.x]\nmodel = \"sunspec/inverter\"\ntcp = %q\n", l.Addr())}}, cat)
	if cfg == nil {
		t.Fatal(problems)
	}
	sim := simulationOf(t, cfg.Devices[0])
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go sim.Serve(t.Context(), c)
		}
	}()
	for range 2 {
		values, faults := readModel(t, cat, "sunspec/inverter", l.Addr().String())
		for _, r := range sim.Values(0) {
			if want := strings.TrimSpace(r.Value.String() + " " + r.Unit); values[r.Channel] != want {
				t.Errorf("%s is %q, want %q (faults: %v)", r.Channel, values[r.Channel], want, faults)
			}
		}
	}
}

// coolDown takes out what a model waits for after it was switched on, and how long it may
// take to answer.
func coolDown(dev *config.Device) {
	switch o := dev.Config.Options.(type) {
	case *framing.FramesOptions:
		o.WarmUp = 0
	case *modbus.Options:
		o.Timeout = 20 * time.Second // here a late answer is this machine's fault
	}
}

// A Deye of another kind has the same registers with other numbers in them: none of it is
// published, and the fault says what stands there.
func TestDeviceOfAnotherModelIsRefused(t *testing.T) {
	cat := wireCatalogue(t)
	for _, c := range []struct{ model, device, says string }{
		{"deye/hybrid-3p-lv", "deye/hybrid-1p", "holding 0 reads 3, which should be 5 or 1280"},
		{"deye/hybrid-1p", "deye/hybrid-3p-hv", "holding 0 reads 6, which should be 3 or 768"},
		{"abb/b21", "abb/b23", "reads B23, which should be B21"},
	} {
		t.Run(c.model[:4]+" "+c.device[5:], func(t *testing.T) {
			t.Parallel() // they mostly wait
			sim := simulationOf(t, fromModel(t, cat, c.device, "/dev/null"))
			values, faults := readSimulation(t, cat, c.model, sim, nil)
			if len(values) > 0 || !strings.Contains(faults[""], "this is another device") || !strings.Contains(faults[""], c.says) {
				t.Errorf("values %v, faults %v; want none, and that it is another device", values, faults)
			}
		})
	}
}

// Makers go on making models: a number that nobody knows, or a register that is refused, is
// no reason to refuse a device.
func TestDeviceOfUnknownModelIsRead(t *testing.T) {
	for name, r := range map[string]registers{
		"unknown number": {"holding": {0: "0063", 588: "0037"}},
		"no number":      {"holding": {588: "0037"}},
	} {
		values, faults := readModel(t, wireCatalogue(t), "deye/hybrid-3p-lv", modbusDevice(t, r, false))
		if values["state_of_charge"] != "55 %" {
			t.Errorf("%s: values %v, faults %v", name, values, faults)
		}
	}
}
