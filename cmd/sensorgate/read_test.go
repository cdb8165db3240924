package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sensorgate/drivers/i2c"
	"sensorgate/drivers/i2c/bus"
)

// readCommand runs sensorgate read with args and returns what it printed.
func readCommand(t *testing.T, config string, args ...string) (string, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "sensorgate.toml")
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	root := newRoot()
	root.SetOut(&out)
	root.SetErr(&out)
	root.SetArgs(append([]string{"read", "--config", path}, args...))
	err := root.ExecuteContext(t.Context())
	return out.String(), err
}

func TestRead(t *testing.T) {
	const config = `
node = "t"
[device.weather]
driver = "sim"
every  = "100ms"
[device.weather.channels]
temperature = { shape = "sine", from = 14, to = 31, period = "2m", unit = "°C" }
[device.attic]
driver = "bme280"
i2c    = "250:0x76"
[device.relay]
driver = "pcf8574"
i2c    = "250:0x20"
[device.relay.channels]
pump = { pin = "P3", out = true }
`
	out, err := readCommand(t, config, "weather")
	if err != nil || !strings.HasPrefix(out, "temperature  ") || !strings.HasSuffix(out, "°C\n") {
		t.Errorf("a simulated device: %q, %v", out, err)
	}
	for device, want := range map[string]string{
		"attic": "bme280: i2c bus 250, address 0x76", // there is no such bus
		"relay": "takes commands",
		"attik": `no device is called "attik" (have weather, attic, relay)`,
	} {
		if out, err := readCommand(t, config, device); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %q, %v; want an error with %q", device, out, err, want)
		}
	}
}

func TestPrintFound(t *testing.T) {
	at := func(chip uint16) bus.Addr { return bus.Addr{Bus: "1", Chip: chip} }
	var out bytes.Buffer
	printFound(&out, []i2c.Found{
		{Addr: at(0x76), Chip: "bme280", Sure: true, Others: []string{"bmp280"}},
		{Addr: at(0x48), Chip: "tmp102", Others: []string{"ads1115", "lm75"}},
		{Addr: at(0x23), Others: []string{"bh1750", "pcf8574"}},
		{Addr: at(0x68), Kernel: "rtc-ds1307"},
		{Addr: at(0x3c)},
	})
	want := `
[device.bme280_1]
driver = "bme280"
i2c    = "1:0x76"

# 1:0x48 is probably a tmp102; it could be: ads1115, lm75
[device.tmp102_2]
driver = "tmp102"
i2c    = "1:0x48"

# 1:0x23 answers and cannot be asked who it is. It could be: bh1750, pcf8574

# 1:0x68 belongs to the kernel's driver rtc-ds1307: driver = "iio" or "hwmon"

# 1:0x3c answers; no chip that we know has this address (driver = "i2c" describes one)
`
	if out.String() != want {
		t.Errorf("printed %s\nwant %s", out.String(), want)
	}
}
