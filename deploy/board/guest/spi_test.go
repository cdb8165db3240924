package guest

import (
	"os"
	"strings"
	"testing"

	"sensorgate/drivers"
)

// spidev skips where the kernel has no SPI: a prebuilt one of before the board had it.
func spidev(t *testing.T) {
	t.Helper()
	ctl(t, "gpio log") // skips where there is no board
	if _, err := os.Stat("/dev/spidev0.0"); err != nil {
		t.Skip("this kernel has no SPI (try: make board-kernel)")
	}
}

func TestMAX31855OnSpidev(t *testing.T) {
	spidev(t)
	ctl(t, "set max31855 fault 0")
	ctl(t, "set max31855 junction 25")
	ctl(t, "set max31855 celsius 1000.75") // which NIST's table says is 1000 °C: 41.276 mV less 1.000 mV
	dev := start(t, "[device.oven]\ndriver = \"max31855\"\nspi = \"0.0\"\nevery = \"500ms\"\n")
	dev.value(t, "temperature", near(1000, 0.3))
	dev.value(t, "ambient", near(25, 0.01))
	ctl(t, "set max31855 fault 1")
	dev.wait(t, "the open thermocouple", func(_ []drivers.Reading, hs []drivers.Health) bool {
		for _, h := range hs {
			for _, c := range h.Channels {
				if c.Channel == "temperature" && strings.Contains(c.Error, "not connected") {
					return true
				}
			}
		}
		return false
	})
	ctl(t, "set max31855 fault 0")
	dev.value(t, "temperature", near(1000, 0.3))
}

func TestMCP3008OnSpidev(t *testing.T) {
	spidev(t)
	ctl(t, "set mcp3008 v0 1.65")
	ctl(t, "set mcp3008 v1 0.4125")
	dev := start(t, "[device.tank]\ndriver = \"mcp3008\"\nspi = \"0.1\"\nevery = \"500ms\"\n[device.tank.channels]\n"+
		"level = { input = \"0\", reference = \"3.3V\" }\ndifference = { input = \"0-1\", reference = \"3.3V\" }\n")
	dev.value(t, "level", near(1.65, 0.004))
	dev.value(t, "difference", near(1.2375, 0.007))
	ctl(t, "set mcp3008 v0 3.0")
	dev.value(t, "level", near(3.0, 0.004))
}

func TestBME280OnSpidev(t *testing.T) {
	spidev(t)
	ctl(t, "set spi-bme280 celsius -7.25")
	ctl(t, "set spi-bme280 pascal 95000")
	ctl(t, "set spi-bme280 humidity 33")
	dev := start(t, "[device.attic]\ndriver = \"bme280\"\nspi = \"0.2\"\nevery = \"500ms\"\n")
	dev.value(t, "temperature", near(-7.25, 0.02))
	dev.value(t, "pressure", near(95000, 3))
	dev.value(t, "humidity", near(33, 0.1))
}

// A chip that is not there, another chip, and a select without a node.
func TestSpidevFaults(t *testing.T) {
	spidev(t)
	for _, c := range []struct{ toml, says string }{
		{"driver = \"bmp280\"\nspi = \"0.2\"", "this is a bme280"},
		{"driver = \"bme280\"\nspi = \"0.0\"", "bme280"},
		{"driver = \"max31856\"\nspi = \"0.7\"", "/dev/spidev0.7"},
	} {
		dev := start(t, "[device.d]\n"+c.toml+"\nevery = \"500ms\"\n")
		dev.wait(t, c.says, func(_ []drivers.Reading, hs []drivers.Health) bool {
			for _, h := range hs {
				if (h.State == drivers.Failing || h.State == drivers.Absent) && strings.Contains(h.Error, c.says) {
					t.Logf("%s: %s", h.State, h.Error)
					return true
				}
			}
			return false
		})
		dev.stop()
	}
}
