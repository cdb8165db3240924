package kernel

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/driverstest"
)

// tree is a fixture of /sys.
type tree struct {
	t    *testing.T
	root string
}

func newTree(t *testing.T) tree { return tree{t, t.TempDir()} }

func (tr tree) write(path, text string) {
	tr.t.Helper()
	path = filepath.Join(tr.root, path)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		tr.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text+"\n"), 0o644); err != nil {
		tr.t.Fatal(err)
	}
}

func (tr tree) link(to, path string) {
	tr.t.Helper()
	path = filepath.Join(tr.root, path)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		tr.t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(tr.root, to), path); err != nil {
		tr.t.Fatal(err)
	}
}

func (tr tree) remove(path string) {
	tr.t.Helper()
	if err := os.RemoveAll(filepath.Join(tr.root, path)); err != nil {
		tr.t.Fatal(err)
	}
}

// open opens a driver below the tree; edit fills in its options.
func (tr tree) open(name string, edit func(any), channels ...drivers.ChannelConfig) (drivers.Poller, error) {
	for _, d := range driversOn(sysfs(tr.root)) {
		if d.Name != name {
			continue
		}
		o := d.Options()
		edit(o)
		dev, err := d.Open(tr.t.Context(), drivers.DeviceConfig{Device: "d", Options: o, Channels: channels})
		if err != nil {
			return nil, err
		}
		return dev.(drivers.Poller), nil
	}
	tr.t.Fatalf("no driver %s", name)
	return nil, nil
}

func (tr tree) mustOpen(name string, edit func(any), channels ...drivers.ChannelConfig) drivers.Poller {
	tr.t.Helper()
	p, err := tr.open(name, edit, channels...)
	if err != nil {
		tr.t.Fatal(err)
	}
	return p
}

func named(name string) func(any) { return func(o any) { o.(*deviceOptions).Name = name } }

func channel(name, input string) drivers.ChannelConfig {
	return drivers.ChannelConfig{Name: name, Options: &channelOptions{Input: input}}
}

func w(channel string, value float64) driverstest.Want {
	return driverstest.Want{Channel: channel, Value: value, Within: 1e-9}
}

// Values from the kernel's ABI document: milli-°C, kPa, milli-%.
func TestIIOUnits(t *testing.T) {
	tr := newTree(t)
	tr.write("bus/iio/devices/iio:device0/name", "bme280")
	tr.write("bus/iio/devices/iio:device0/in_temp_input", "24280")
	tr.write("bus/iio/devices/iio:device0/in_pressure_input", "100.512703125")
	tr.write("bus/iio/devices/iio:device0/in_humidityrelative_input", "41310")
	p := tr.mustOpen("iio", named("bme280"), channel("temperature", ""), channel("pressure", ""), channel("damp", "in_humidityrelative"))
	rs, err := driverstest.Poll(t.Context(), p)
	driverstest.Check(t, "bme280", rs, err, []driverstest.Want{w("temperature", 24.28), w("pressure", 100512.703125), w("damp", 41.31)})
	for i, unit := range []string{"°C", "Pa", "%"} {
		if rs[i].Unit != unit {
			t.Errorf("%s in %q, want %q", rs[i].Channel, rs[i].Unit, unit)
		}
	}
}

func TestIIORawScaleOffset(t *testing.T) {
	tr := newTree(t)
	dir := "bus/iio/devices/iio:device1/"
	tr.write(dir+"name", "ads1115")
	tr.write(dir+"in_voltage0_raw", "16000")
	tr.write(dir+"in_voltage0_scale", "0.1250")
	tr.write(dir+"in_voltage1_raw", "-400")
	tr.write(dir+"in_voltage_scale", "2")
	tr.write(dir+"in_voltage2-voltage3_raw", "100")
	tr.write(dir+"in_voltage-voltage_scale", "3")
	tr.write(dir+"in_temp_raw", "-300")
	tr.write(dir+"in_temp_offset", "-100")
	tr.write(dir+"in_temp_scale", "62.5")
	tr.write(dir+"in_accel_x_raw", "-2")
	tr.write(dir+"in_accel_scale", "0.5")
	p := tr.mustOpen("iio", named("ads1115"), channel("a", "voltage0"), channel("b", "in_voltage1"),
		channel("c", "voltage2-voltage3"), channel("temperature", ""), channel("x", "accel_x"))
	rs, err := driverstest.Poll(t.Context(), p)
	driverstest.Check(t, "raw", rs, err, []driverstest.Want{w("a", 2), w("b", -0.8), w("c", 0.3), w("temperature", -25), w("x", -1)})
}

func TestFoundAgainUnderAnotherNumber(t *testing.T) {
	for _, c := range []struct{ driver, first, second, file string }{
		{"iio", "bus/iio/devices/iio:device0", "bus/iio/devices/iio:device7", "in_temp_input"},
		{"hwmon", "class/hwmon/hwmon0", "class/hwmon/hwmon3", "temp1_input"},
	} {
		tr := newTree(t)
		tr.write(c.first+"/name", "tmp102")
		tr.write(c.first+"/"+c.file, "21500")
		p := tr.mustOpen(c.driver, named("tmp102"), channel("temperature", ""))
		rs, err := driverstest.Poll(t.Context(), p)
		driverstest.Check(t, "there", rs, err, []driverstest.Want{w("temperature", 21.5)})

		tr.remove(c.first)
		rs, err = driverstest.Poll(t.Context(), p)
		driverstest.WantError(t, "gone", rs, err, "tmp102", "none at all")
		if !errors.Is(err, drivers.ErrAbsent) {
			t.Errorf("gone: %v is not ErrAbsent", err)
		}

		// Another device took its number.
		tr.write(c.first+"/name", "lm75")
		tr.write(c.first+"/"+c.file, "99000")
		rs, err = driverstest.Poll(t.Context(), p)
		driverstest.WantError(t, "number taken", rs, err, "tmp102", "there are lm75")

		tr.write(c.second+"/name", "tmp102")
		tr.write(c.second+"/"+c.file, "-7000")
		rs, err = driverstest.Poll(t.Context(), p)
		driverstest.Check(t, "back", rs, err, []driverstest.Want{w("temperature", -7)})
	}
}

func TestTwoOfOneName(t *testing.T) {
	tr := newTree(t)
	for i, addr := range []string{"1-0048", "1-0049"} {
		n := string(rune('0' + i))
		tr.write("devices/"+addr+"/hwmon/hwmon"+n+"/name", "tmp102")
		tr.write("devices/"+addr+"/hwmon/hwmon"+n+"/temp1_input", "2"+n+"000")
		tr.link("devices/"+addr, "devices/"+addr+"/hwmon/hwmon"+n+"/device")
		tr.link("devices/"+addr+"/hwmon/hwmon"+n, "class/hwmon/hwmon"+n)
	}
	_, err := tr.open("hwmon", named("tmp102"), channel("temperature", ""))
	driverstest.WantError(t, "which?", nil, err, "2 hwmon devices", `at = "1-0048"`)
	p := tr.mustOpen("hwmon", func(o any) { *o.(*deviceOptions) = deviceOptions{Name: "tmp102", At: "1-0049"} }, channel("temperature", ""))
	rs, err := driverstest.Poll(t.Context(), p)
	driverstest.Check(t, "by parent", rs, err, []driverstest.Want{w("temperature", 21)})
}

func TestHwmonUnitsLabelsFaults(t *testing.T) {
	tr := newTree(t)
	dir := "class/hwmon/hwmon2/"
	for file, text := range map[string]string{
		"name": "ina226", "in1_input": "11980", "curr1_input": "-1500", "power1_input": "119800000",
		"temp2_input": "38500", "temp2_label": "Tctl", "fan1_input": "1200", "power2_average": "5000000",
		"temp3_input": "0", "temp3_fault": "1",
	} {
		tr.write(dir+file, text)
	}
	p := tr.mustOpen("hwmon", named("ina226"), channel("voltage", ""), channel("current", ""), channel("power", ""),
		channel("die", "Tctl"), channel("fan", ""), channel("mean", "power2"))
	rs, err := driverstest.Poll(t.Context(), p)
	driverstest.Check(t, "ina226", rs, err, []driverstest.Want{w("voltage", 11.98), w("current", -1.5), w("power", 119.8), w("die", 38.5), w("fan", 1200), w("mean", 5)})

	p = tr.mustOpen("hwmon", named("ina226"), channel("die", "temp2"), channel("probe", "temp3"))
	rs, err = driverstest.Poll(t.Context(), p)
	if len(rs) != 1 || rs[0].Channel != "die" || err == nil || !strings.Contains(err.Error(), "faulty") {
		t.Errorf("one faulty sensor: %v, %v; want the other's reading and an error", rs, err)
	}

	_, err = tr.open("hwmon", named("ina226"), channel("speed", ""))
	driverstest.WantError(t, "unknown input", nil, err, "channels.speed.input")
}

func TestAttributeIsGarbage(t *testing.T) {
	for _, text := range []string{"", "nan", "inf", "12abc", "21500 3"} {
		tr := newTree(t)
		tr.write("bus/iio/devices/iio:device0/name", "x")
		tr.write("bus/iio/devices/iio:device0/in_temp_input", text)
		p := tr.mustOpen("iio", named("x"), channel("temperature", ""))
		rs, err := driverstest.Poll(t.Context(), p)
		driverstest.WantError(t, text, rs, err, "expected a number")
	}
}

// dht11 answers EIO when it lost a bit; asked again two seconds later it mostly works.
func TestRetriesSensorThatDidNotAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := newTree(t)
		tr.write("bus/iio/devices/iio:device0/name", "dht11@4")
		p := tr.mustOpen("iio", named("dht11"), channel("temperature", "")).(*source)
		asked, answers := 0, 2
		p.number = func(context.Context, *files, string, string) (float64, error) {
			if asked++; asked <= answers {
				return 0, explain(syscall.EIO)
			}
			return 21000, nil
		}
		start := time.Now()
		rs, err := driverstest.Poll(t.Context(), p)
		driverstest.Check(t, "third try", rs, err, []driverstest.Want{w("temperature", 21)})
		if took := time.Since(start); took != 4*time.Second {
			t.Errorf("took %v, want two pauses of 2 s", took)
		}
		asked, answers = 0, 3
		rs, err = driverstest.Poll(t.Context(), p)
		driverstest.WantError(t, "three failures", rs, err, "dht11", "no answer")
	})
}

func TestReadThatHangsCanBeCancelled(t *testing.T) {
	tr := newTree(t)
	tr.write("bus/iio/devices/iio:device0/name", "slow")
	fifo := filepath.Join(tr.root, "bus/iio/devices/iio:device0/in_temp_input")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Skip("no fifo here: ", err)
	}
	p := tr.mustOpen("iio", named("slow"), channel("temperature", ""))
	ctx, cancel := context.WithCancel(t.Context())
	type result struct {
		rs  []drivers.Reading
		err error
	}
	polled := make(chan result, 1)
	go func() {
		rs, err := p.Poll(ctx)
		polled <- result{rs, err}
	}()
	writer, err := os.OpenFile(fifo, os.O_WRONLY, 0) // returns once the driver reads
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	got := <-polled
	driverstest.WantError(t, "cancelled", got.rs, got.err)
	if !errors.Is(got.err, context.Canceled) {
		t.Errorf("cancelled: %v", got.err)
	}
	writer.Close() // the late answer lands nowhere
}

// What the kernel passes on unseen is out of range here, whatever the channel is called.
func TestImplausibleAttributesHaveARange(t *testing.T) {
	for _, c := range []struct {
		driver, device, file, input, text string
		bad                               bool
	}{
		{"iio", "dht11@4", "in_temp_input", "temp", "3276700", true},
		{"iio", "dht11@4", "in_temp_input", "temp", "-39000", false},
		{"iio", "max6675", "in_temp_input", "temp", "1023000", false},
		{"iio", "dht11@4", "in_humidityrelative_input", "humidityrelative", "130000", true},
		{"iio", "x", "in_concentration_co2_input", "concentration_co2", "-1", true},
		{"hwmon", "lm75", "temp1_input", "temp1", "-128000", true},
		{"hwmon", "lm75", "temp1_input", "temp1", "125000", false},
		{"hwmon", "sht3x", "humidity1_input", "humidity1", "100001", true},
	} {
		tr := newTree(t)
		dir := map[string]string{"iio": "bus/iio/devices/iio:device0/", "hwmon": "class/hwmon/hwmon0/"}[c.driver]
		tr.write(dir+"name", c.device)
		tr.write(dir+c.file, c.text)
		p := tr.mustOpen(c.driver, named(c.device), channel("x", c.input))
		rs, err := driverstest.Poll(t.Context(), p)
		if err != nil || len(rs) != 1 {
			t.Fatalf("%+v: %v, %v", c, rs, err)
		}
		err = drivers.RangesOf(drivers.Driver{}, drivers.DeviceConfig{}, p).Check(rs[0])
		if errors.Is(err, drivers.ErrImplausible) != c.bad {
			t.Errorf("%s %s = %s: %v", c.device, c.input, c.text, err)
		}
	}
}

// The kernel's max31865 scales without an offset: what it says is no temperature. It is refused
// when the file is checked, and not only where the device is.
func TestKernelsMAX31865IsRefused(t *testing.T) {
	for _, d := range Drivers() {
		if d.Name != "iio" {
			continue
		}
		for _, name := range []string{"max31865", "max31865@0"} {
			o := d.Options()
			o.(*deviceOptions).Name = name
			if err := o.(drivers.Checker).Check(); err == nil || !strings.Contains(err.Error(), `driver = "max31865"`) {
				t.Errorf("%s: got %v, want a word that points to ours", name, err)
			}
		}
		o := d.Options()
		o.(*deviceOptions).Name = "max31856"
		if err := o.(drivers.Checker).Check(); err != nil {
			t.Errorf("max31856: %v", err)
		}
	}
}
