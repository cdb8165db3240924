package gateway

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/modbus"
	"sensorgate/drivers/serial"
	"sensorgate/drivers/serial/framing"
	"sensorgate/drivers/serial/meters"
	"sensorgate/internal/config"
)

// wireCatalogue has the packages that bring models for wires.
func wireCatalogue(t testing.TB) config.Catalogue {
	t.Helper()
	noBuses := serial.NewBuses()
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	var reg drivers.Registry
	reg.Add(framing.Drivers(noBuses, log)...)
	reg.Add(meters.Drivers(noBuses, log)...)
	reg.Add(modbus.Drivers(noBuses, log)...)
	cat := config.Catalogue{Drivers: &reg, SerialBus: func() any { return new(serial.PortOptions) }}
	for _, models := range []fs.FS{serial.Models, modbus.Models} {
		sub, err := fs.Sub(models, "models")
		if err != nil {
			t.Fatal(err)
		}
		cat.Models = append(cat.Models, sub)
	}
	return cat
}

// fromModel loads a configuration of one device, as a user would write it.
func fromModel(t testing.TB, cat config.Catalogue, model, port string) config.Device {
	t.Helper()
	file := filepath.Join(t.TempDir(), "sensorgate.toml")
	text := fmt.Sprintf("node = \"n\"\n[device.x]\nmodel = %q\n%sserial = { port = %q }\n", model, unitOnALine(cat, model), port)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, problems := config.Load(file, cat)
	if cfg == nil || len(cfg.Devices) != 1 {
		t.Fatalf("model %s: %v", model, problems)
	}
	return cfg.Devices[0]
}

// unitOnALine is what a configuration says beside the model of a device whose unit number
// is one that a serial line does not have: 255, which devices with an Ethernet port of
// their own answer to.
func unitOnALine(cat config.Catalogue, name string) string {
	for _, fsys := range cat.Models {
		if text, err := fs.ReadFile(fsys, name+".toml"); err == nil && bytes.Contains(text, []byte("\nunit   = 255\n")) {
			return "unit = 1\n"
		}
	}
	return ""
}

// Every model that is in the binary passes the checks that a user's file passes, has
// a title and a source, and its channels have units where that makes sense.
func TestAllModelsLoad(t *testing.T) {
	cat := wireCatalogue(t)
	names := config.ModelNames(cat, t.TempDir())
	if len(names) < 10 {
		t.Fatalf("only %d models", len(names))
	}
	for _, name := range names {
		dev := fromModel(t, cat, name, "/dev/ttyS77")
		if len(dev.Map.Channels) == 0 {
			t.Errorf("%s has no channels", name)
		}
		for _, c := range dev.Map.Channels {
			if c.Filters.Scale != 0 || c.Filters.Offset != 0 {
				t.Errorf("%s %s: the driver scales, and the mapping would once more", name, c.Name)
			}
		}
		for _, fsys := range cat.Models {
			if text, err := fs.ReadFile(fsys, name+".toml"); err == nil {
				for _, key := range []string{"title ", "source", "tested "} {
					if !bytes.HasPrefix(text, []byte(key)) && !bytes.Contains(text, []byte("\n"+key)) {
						t.Errorf("%s has no %s", name, key)
					}
				}
			}
		}
	}
}

// talk runs a model's device on a pty and returns the first value of each channel. What
// the device asks is answered with answer; without a question that is simply sent.
func talk(t *testing.T, model string, send []byte, chunk int) map[string]string {
	t.Helper()
	far, path, err := serial.OpenPTY()
	if err != nil {
		t.Skip("no ptys here:", err)
	}
	defer far.Close()
	dev := fromModel(t, wireCatalogue(t), model, path)
	if o, ok := dev.Config.Options.(*framing.FramesOptions); ok {
		o.WarmUp = 0 // this device is warm
	}
	opened, err := dev.Driver.Open(t.Context(), dev.Config)
	if err != nil {
		t.Fatal(err)
	}
	defer opened.(io.Closer).Close()
	if p, ok := opened.(drivers.Poller); ok {
		return pollOnce(t, p, far, send)
	}
	ctx, cancel := context.WithCancel(t.Context())
	got, done := make(chan drivers.Reading, 10000), make(chan struct{})
	go func() {
		defer close(done)
		opened.(drivers.Watcher).Watch(ctx, func(r drivers.Reading, err error) {
			if err == nil { // of the noise it may complain
				got <- r
			}
		})
	}()
	for rest := send; len(rest) > 0; {
		n := min(chunk, len(rest))
		far.Write(rest[:n])
		rest = rest[n:]
	}
	values := map[string]string{}
	for quiet := time.NewTimer(2 * time.Second); ; quiet.Reset(150 * time.Millisecond) {
		select {
		case r := <-got:
			if _, twice := values[r.Channel]; !twice {
				values[r.Channel] = r.Value.String()
			}
			continue
		case <-quiet.C:
		}
		cancel()
		<-done
		return values
	}
}

func pollOnce(t *testing.T, p drivers.Poller, far *os.File, answer []byte) map[string]string {
	t.Helper()
	go func() {
		// What wakes a device comes before the question, and one byte is no question.
		question, heard := make([]byte, 64), 0
		for heard < 2 || heard < 8 && question[0] == 0 {
			n, err := far.Read(question)
			if err != nil {
				return
			}
			heard += n
		}
		far.Write(answer)
	}()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	readings, err := p.Poll(ctx)
	if err != nil {
		t.Log(err) // the caller sees that there is no value
	}
	values := map[string]string{}
	for _, r := range readings {
		values[r.Channel] = r.Value.String()
	}
	return values
}

// What the models make of bytes that real devices sent or their manuals show. In
// front of them: noise, the same frame cut short, and one with a flipped bit.
func TestModelsDecodeRealBytes(t *testing.T) {
	for _, c := range []struct {
		model, file string
		want        string
	}{
		{"plantower/pms5003", "pms.hex", "pm1=2 pm2_5=10 pm10=10"},
		{"plantower/pms7003", "pms.hex", "pm1=2 pm2_5=10 pm10=10"},
		{"nova/sds011", "sds011.hex", "pm2_5=123.6 pm10=261.8"},
		{"senseair/s8", "s8.hex", "co2=400"},
		{"dfrobot/a02yyuw", "a02.hex", "distance=1.953"},
		{"benewake/tf-luna", "tfluna.hex", "distance=3 strength=1000 temperature=40"},
		{"victron/vedirect-mppt", "mppt.txt", "battery_voltage=13.36 battery_current=-0.04 panel_voltage=0.01 load_on=true state=off yield_total=4.67"},
		{"victron/vedirect-bmv", "bmv.txt", "battery_voltage=12.865 state_of_charge=100 alarm=false consumed=0"},
		{"dsmr/p1", "dsmr5.txt", "energy_import_t1=4.426 energy_import_t2=2.399 power_import=244 voltage_l1=230 current_l1=0.48 gas=0.107 tariff=2"},
		{"dsmr/p1-v2", "dsmr22.txt", "energy_import_t1=1.001 energy_export_t2=1.001 power_import=1010 power_export=0"},
	} {
		good, err := os.ReadFile("testdata/wire/" + c.file)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(c.file, ".hex") {
			if _, err := fmt.Sscanf(strings.ReplaceAll(strings.TrimSpace(string(good)), " ", ""), "%x", &good); err != nil {
				t.Fatal(c.file, err)
			}
		}
		for _, chunk := range []int{1, 7, 1 << 16} {
			t.Run(fmt.Sprintf("%s in %d", c.model, chunk), func(t *testing.T) {
				t.Parallel() // they mostly wait
				var wire []byte
				wire = append(wire, "\x00\xff\x42noise\r\n/"...)
				wire = append(wire, good[:len(good)*2/3]...)
				flipped := bytes.Clone(good)
				flipped[len(good)/2] ^= 0x04
				if !strings.Contains(c.model, "p1-v2") { // which has no check sum to notice it
					wire = append(wire, flipped...)
				}
				wire = append(append(wire, good...), good...)
				got := talk(t, c.model, wire, chunk)
				for _, pair := range strings.Fields(c.want) {
					channel, value, _ := strings.Cut(pair, "=")
					if got[channel] != value {
						t.Errorf("%s is %q, want %s", channel, got[channel], value)
					}
				}
			})
		}
	}
}

// What devices send when they have no value, or one in another unit than usual: none of it
// is a reading as it stands.
func TestModelsRefuseAndConvert(t *testing.T) {
	for _, c := range []struct{ what, model, wire, want string }{
		{"a lidar whose echo is too weak", "benewake/tf-luna", "59 59 00 00 28 00 40 09 23", "strength=40 temperature=40"},
		{"a lidar that is blinded", "benewake/tf-luna", "59 59 00 02 FF FF 40 09 FB", "temperature=40"},
		{"a lidar too near", "benewake/tf-luna", "59 59 05 00 E8 03 40 09 EB", "strength=1000 temperature=40"},
		{"a dust sensor before its first measurement", "nova/sds011", "AA C0 00 00 00 00 A1 60 01 AB", ""},
		{"a dust sensor before its fan runs", "plantower/pms5003", "42 4D 00 1C" + strings.Repeat(" 00", 24) + " 97 00 01 42", ""},
		{"clean air", "plantower/pms5003", "42 4D 00 1C" + strings.Repeat(" 00", 12) + " 00 15" + strings.Repeat(" 00", 10) + " 97 00 01 57", "pm1=0 pm2_5=0 pm10=0"},
		{"a carbon dioxide sensor with an error", "senseair/s8", "FE 04 08 00 01 00 00 00 00 01 90 06 26", ""},
		{"a scale in grams", "generic/scale", "text:ST,GS,+   500.0 g\r\n", "weight=0.5 state=ST unit=g"},
		{"a scale in pounds", "generic/scale", "text:ST,NT,-   2.50lb\r\n", "weight=-1.133980925 state=ST unit=lb"},
		{"a scale in ounces", "generic/scale", "text:ST,NT,+ 2oz\r\n", "weight=0.05669904625 state=ST unit=oz"},
		{"a dust sensor with formaldehyde", "plantower/pms5003st", "42 4D 00 24 00 01 00 01 00 01 00 01 00 01 00 01 00 07 00 07 00 07 00 07 00 07 00 07 00 11 00 E6 01 F4 00 00 97 00 03 66", "pm1=1 pm2_5=1 pm10=1 formaldehyde=17 temperature=23 humidity=50"},
		{"a dust sensor below zero", "plantower/pms5003t", "42 4D 00 1C 00 01 00 01 00 01 00 01 00 01 00 01 00 07 00 07 00 07 00 07 FF CE 01 F4 97 00 04 26", "pm1=1 pm2_5=1 pm10=1 temperature=-5 humidity=50"},
		{"a short dust sensor", "plantower/pms3003", "42 4D 00 14 00 02 00 02 00 02 00 0A 00 0A 00 0A 00 00 00 00 00 00 00 C7", "pm1=10 pm2_5=10 pm10=10"},
		{"an anemometer, as in its manual", "gill/windsonic", "text:\x02Q,229,002.74,M,00,\x0316\r\n", "wind_direction=229 wind_speed=2.74"},
		{"an anemometer in knots", "gill/windsonic", "text:\x02Q,229,002.74,N,00,\x0315\r\n", ""},
		{"an anemometer without wind", "gill/windsonic", "text:\x02Q,,000.01,M,00,\x032F\r\n", "wind_speed=0.01"},
		{"a sonar", "maxbotix/hrxl-wr", "text:R1234\rR5000\r", "distance=1.234"},
		{"a sonar without a target", "maxbotix/hrxl-wr", "text:R5000\r", ""},
		{"a balance in kilograms", "mettler-toledo/mt-sics", "text:S S      0.100 kg\r\n", "state=S unit=kg weight=100"},
		{"a balance that is overloaded", "mettler-toledo/mt-sics", "text:S +\r\n", ""},
		{"a carbon dioxide sensor of the older kind", "senseair/k30", "FE 44 02 01 90 B9 18", "co2=400"},
		{"a battery at rest, as syssi/esphome-jbd-bms recorded it", "jbd/bms", "DD 03 00 1D 06 18 00 00 01 F2 01 F4 00 00 2C 7C 00 00 00 00 00 00 80 64 03 04 03 0B 8B 0B 8A 0B 84 FA 8D 77",
			"voltage=15.6 current=0 remaining_capacity=4.98 capacity=5 cycles=0 protection=0 state_of_charge=100 charge_switch=true discharge_switch=true temperature_1=22.35"},
		{"a battery with a wrong sum", "jbd/bms", "DD 03 00 1D 06 18 00 00 01 F2 01 F4 00 00 2C 7C 00 00 00 00 00 00 80 64 03 04 03 0B 8B 0B 8A 0B 84 FA 8E 77", ""},
		{"a battery without a thermometer", "jbd/bms", "DD 03 00 17 06 18 FE 0C 01 F2 01 F4 00 00 2C 7C 00 00 00 00 00 00 80 64 02 04 00 FB 47 77",
			"voltage=15.6 current=-5 remaining_capacity=4.98 capacity=5 cycles=0 protection=0 state_of_charge=100 charge_switch=false discharge_switch=true"},
		{"a battery that is discharged counts up from 30000", "daly/bms", "A5 01 90 08 02 0A 00 00 75 94 03 E7 3D", "voltage=52.2 current=-10 state_of_charge=99.9"},
		{"a battery's cells", "daly/bms-cells", "A5 01 91 08 0C EB 03 0C E4 0B 00 00 34", "cell_voltage_max=3.307 cell_max=3 cell_voltage_min=3.3 cell_min=11"},
		{"a battery's switches", "daly/bms-state", "A5 01 93 08 01 01 01 C8 00 01 86 A0 33", "state=charging charge_switch=true discharge_switch=true remaining_capacity=100"},
	} {
		t.Run(c.what, func(t *testing.T) {
			t.Parallel() // they mostly wait
			wire := []byte(c.wire)
			if text, ok := strings.CutPrefix(c.wire, "text:"); ok {
				wire = []byte(text)
			} else if _, err := fmt.Sscanf(strings.ReplaceAll(c.wire, " ", ""), "%x", &wire); err != nil {
				t.Fatal(err)
			}
			got := talk(t, c.model, wire, len(wire))
			for _, pair := range strings.Fields(c.want) {
				channel, value, _ := strings.Cut(pair, "=")
				if got[channel] != value {
					t.Errorf("%s is %q, want %s", channel, got[channel], value)
				}
			}
			if len(got) != len(strings.Fields(c.want)) {
				t.Errorf("got %v, want %q", got, c.want)
			}
		})
	}
}

// Every model of a serial line names where its facts are from.
func TestSerialModelsNameTheirSources(t *testing.T) {
	n := 0
	err := fs.WalkDir(serial.Models, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		n++
		text, err := fs.ReadFile(serial.Models, path)
		if !bytes.Contains(text, []byte("\nsources = [\n  \"maker: ")) && !bytes.Contains(text, []byte("\nsources = [\n  \"project: ")) {
			t.Errorf("%s names no sources", path)
		}
		return err
	})
	if err != nil || n < 25 {
		t.Errorf("%d models, %v; want 25 at least", n, err)
	}
}

// Every model of a serial line works through a serial server, whose line is its own.
func TestModelsOnASerialServer(t *testing.T) {
	cat := wireCatalogue(t)
	for _, name := range config.ModelNames(cat, t.TempDir()) {
		for _, where := range []string{"serial = { tcp = \"192.0.2.1:4001\" }\n", "bus = \"w\"\n[serial.w]\ntcp = \"192.0.2.1:4001\"\n"} {
			file := filepath.Join(t.TempDir(), "sensorgate.toml")
			text := fmt.Sprintf("node = \"n\"\n[device.x]\nmodel = %q\n%s%s", name, unitOnALine(cat, name), where)
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			if cfg, problems := config.Load(file, cat); cfg == nil {
				t.Errorf("%s with %s: %v", name, where, problems)
			}
		}
	}
}

// The vectors of sensors that have a model, each as a device would send it.
func TestModelsAndVectors(t *testing.T) {
	raw, err := os.ReadFile("../../drivers/serial/testdata/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var list []struct{ ID, Input string }
	if err := json.Unmarshal(raw, &list); err != nil {
		t.Fatal(err)
	}
	input := map[string]string{}
	for _, v := range list {
		input[v.ID] = v.Input
	}
	for _, c := range []struct{ id, model, want string }{
		{"PMS-1", "plantower/pms5003", "pm1=2 pm2_5=10 pm10=10"},
		{"PMS-3", "plantower/pms5003", "pm1=31 pm2_5=46 pm10=60"},
		{"PMS-5", "plantower/pms7003", "pm1=25 pm2_5=41 pm10=52"},
		{"PMS-7", "plantower/pms7003", "pm1=10 pm2_5=14 pm10=14"},
		{"PMS-20", "plantower/pms5003", ""},
		{"MHZ19-1", "winsen/mh-z19", "co2=608 temperature=31"},
		{"MHZ19-3", "winsen/mh-z19", ""},
		{"A02-1", "dfrobot/a02yyuw", "distance=1.953"},
		{"VE-1", "victron/vedirect-mppt", "battery_voltage=13.36 battery_current=-0.04"},
		{"VE-3", "victron/vedirect-bmv", "discharged_energy=24.04 charged_energy=24.15 cycles=0"},
		{"VE-5", "victron/vedirect-bmv", "battery_voltage=12.865"},
	} {
		wire := []byte(strings.NewReplacer(`\r`, "\r", `\n`, "\n", `\t`, "\t").Replace(input[c.id]))
		if strings.HasPrefix(c.id, "VE") {
			wire = unescape(t, wire)
		} else if _, err := fmt.Sscanf(strings.ReplaceAll(input[c.id], " ", ""), "%x", &wire); err != nil {
			t.Fatal(c.id, err)
		}
		t.Run(c.id, func(t *testing.T) {
			t.Parallel() // they mostly wait
			got := talk(t, c.model, wire, len(wire))
			for _, pair := range strings.Fields(c.want) {
				channel, value, _ := strings.Cut(pair, "=")
				if got[channel] != value {
					t.Errorf("%s: %s is %q, want %s", c.id, channel, got[channel], value)
				}
			}
			if c.want == "" && len(got) > 0 {
				t.Errorf("%s: a wrong check sum gave %v", c.id, got)
			}
		})
	}
}

// unescape resolves \xHH.
func unescape(t *testing.T, p []byte) (out []byte) {
	t.Helper()
	for len(p) > 0 {
		if len(p) >= 4 && p[0] == '\\' && p[1] == 'x' {
			var b byte
			if _, err := fmt.Sscanf(string(p[2:4]), "%x", &b); err != nil {
				t.Fatal(err)
			}
			out, p = append(out, b), p[4:]
			continue
		}
		out, p = append(out, p[0]), p[1:]
	}
	return out
}
