package guest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sensorgate/drivers"
)

// i2cBus is the number of the adapter behind which the host's chips are.
func i2cBus(t *testing.T) string {
	t.Helper()
	ctl(t, "i2c clear")
	names, err := filepath.Glob("/sys/bus/i2c/devices/i2c-*/name")
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range names {
		if strings.Contains(strings.ToLower(readFile(t, n)), "virtio") {
			return strings.TrimPrefix(filepath.Base(filepath.Dir(n)), "i2c-")
		}
	}
	t.Fatalf("no virtio adapter among %v", names)
	return ""
}

func bme280(t *testing.T) *device {
	return start(t, "[device.attic]\ndriver = \"bme280\"\ni2c = \""+i2cBus(t)+":0x76\"\nevery = \"200ms\"\n")
}

func TestSmokeI2C(t *testing.T) {
	ctl(t, "set bme280 celsius 23.75")
	ctl(t, "set bme280 pascal 98765")
	ctl(t, "set bme280 humidity 61.5")
	dev := bme280(t)
	dev.value(t, "temperature", near(23.75, 0.02))
	dev.value(t, "pressure", func(v drivers.Value) bool { return near(98765, 3)(v) || near(987.65, 0.03)(v) })
	dev.value(t, "humidity", near(61.5, 0.1))
	ctl(t, "set bme280 celsius -11.5")
	dev.value(t, "temperature", near(-11.5, 0.02))
}

func TestSHT3xAndItsChecksum(t *testing.T) {
	ctl(t, "set sht3x celsius -12.5")
	dev := start(t, "[device.air]\ndriver = \"sht3x\"\ni2c = \""+i2cBus(t)+":0x44\"\nevery = \"200ms\"\n")
	dev.value(t, "temperature", near(-12.5, 0.02))
	ctl(t, "i2c flip 0x44 0x10 -1") // a disturbed wire: the value would be plausible
	dev.condition(t, drivers.Failing, "")
	ctl(t, "i2c clear")
	dev.value(t, "temperature", near(-12.5, 0.02))
}

func TestADS1115(t *testing.T) {
	ctl(t, "set ads1115 v0 1.25")
	ctl(t, "set ads1115 v2 3.3")
	dev := start(t, "[device.tank]\ndriver = \"ads1115\"\ni2c = \""+i2cBus(t)+":0x49\"\nevery = \"200ms\"\n"+
		"[device.tank.channels]\nlevel = { input = \"A0\", range = \"4.096V\" }\nbattery = { input = \"A2\", range = \"4.096V\" }\n")
	dev.value(t, "level", near(1.25, 0.001))
	dev.value(t, "battery", near(3.3, 0.001))
}

// A chip that does not answer, an adapter that times out, and a bus that is held: each
// is reported, and passes.
func TestI2CFaults(t *testing.T) {
	dev := bme280(t)
	dev.value(t, "temperature", func(drivers.Value) bool { return true })
	for _, fault := range []struct{ what, on, off string }{
		{"no acknowledge", "i2c detach 0x76", "i2c attach 0x76 bme280"},
		{"remote I/O error, as a Raspberry Pi reports it", "i2c fault 0x76 121 -1", "i2c clear"},
		{"time-out of the adapter", "i2c fault 0x76 110 -1", "i2c clear"},
		{"bus held for 300 ms", "i2c fault 0x76 110 -1 300ms", "i2c clear"},
	} {
		t.Run(fault.what, func(t *testing.T) {
			ctl(t, "%s", fault.on)
			dev.wait(t, "trouble", func(_ []drivers.Reading, hs []drivers.Health) bool {
				for _, h := range hs {
					if h.State == drivers.Failing || h.State == drivers.Absent {
						t.Logf("%s: %s", h.State, h.Error)
						return true
					}
				}
				return false
			})
			ctl(t, "%s", fault.off)
			dev.value(t, "temperature", func(drivers.Value) bool { return true })
		})
	}
}

// The kernel's ds2482 and w1_therm make thermometers of it, as w1-gpio does on a Pi.
func TestDS18B20OverW1(t *testing.T) {
	bus := i2cBus(t)
	adapter := "/sys/bus/i2c/devices/i2c-" + bus
	ctl(t, "w1 put")
	ctl(t, "set w1a celsius 18.5")
	if _, err := os.Stat(adapter + "/" + bus + "-0018"); err != nil {
		writeFile(t, adapter+"/new_device", "ds2482 0x18")
		t.Cleanup(func() { writeFile(t, adapter+"/delete_device", "0x18") })
	}
	const probe = "28-0123456789ab"
	for deadline := time.Now().Add(soon); ; time.Sleep(100 * time.Millisecond) {
		if _, err := os.Stat("/sys/bus/w1/devices/" + probe); err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the kernel found no probe")
		}
	}
	dev := start(t, "[device.cellar]\ndriver = \"w1\"\nid = \""+probe+"\"\nevery = \"1s\"\n")
	dev.value(t, "temperature", near(18.5, 0.07))
	ctl(t, "set w1a celsius -10.0625")
	dev.value(t, "temperature", near(-10.0625, 0.01))
}
