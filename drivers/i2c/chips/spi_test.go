package chips

import (
	"testing"

	"sensorgate/drivers"
	"sensorgate/drivers/driverstest"
	"sensorgate/drivers/field"
	"sensorgate/drivers/i2c/bus"
	"sensorgate/drivers/i2c/i2ctest"
	spibus "sensorgate/drivers/spi/bus"
	"sensorgate/drivers/spi/spitest"
)

// onI2C is the driver of a chip that can be on SPI too, on I2C.
func onI2C(make func(*bus.Buses, *spibus.Buses) drivers.Driver) func(*bus.Buses) drivers.Driver {
	return func(b *bus.Buses) drivers.Driver { return make(b, nil) }
}

// onSPI runs the conformance suite of SPI chips with a chip whose driver serves both.
func onSPI(t *testing.T, make func(*bus.Buses, *spibus.Buses) drivers.Driver, chip func() i2ctest.OverSPI, want []want, states ...spitest.State) {
	t.Helper()
	spitest.Suite{
		Driver: func(s *spibus.Buses) drivers.Driver { return make(nil, s) },
		Chip:   func() spitest.Chip { return chip() },
		Want:   want, States: states,
		Configure: func(_ drivers.Driver, c *drivers.DeviceConfig) {
			c.Options.(interface{ SetSelect(spibus.Addr) }).SetSelect(spibus.Addr{})
			if err := c.Options.(drivers.Checker).Check(); err != nil {
				t.Error(err)
			}
		},
	}.Run(t)
}

// boschSPI wires a simulator of Bosch's to SPI. BST-BME280-DS002 section 6.3.
func boschSPI(c *i2ctest.BME280) i2ctest.OverSPI {
	return i2ctest.OverSPI{Chip: c, Read: 0x80, High: 0x80, Pairs: true, ThreeWire: func() bool { return c.Reg[0xf5]&1 != 0 }}
}

func TestBME280OnSPI(t *testing.T) {
	cold := load(t, "BME280-3")
	onSPI(t, BME280, func() i2ctest.OverSPI { return boschSPI(bmeOf(t, "BME280-1", 0x60)) },
		bmeWant(t, load(t, "BME280-1")),
		spitest.State{Name: "below zero", Set: func(c spitest.Chip) { bmeBecome(t, c.(i2ctest.OverSPI).Chip, cold) }, Want: bmeWant(t, cold)},
		spitest.State{Name: "another chip", Set: func(c spitest.Chip) {
			m := c.(i2ctest.OverSPI).Chip.(*i2ctest.BME280)
			m.ID = 0x58
			m.PowerOn()
		}, Err: "bmp280 (id 0x58)"})
}

func TestBMP280OnSPI(t *testing.T) {
	onSPI(t, BMP280, func() i2ctest.OverSPI { return boschSPI(bmeOf(t, "BME280-1", 0x58)) }, bmeWant(t, load(t, "BME280-1"))[:2])
}

func TestADXL345OnSPI(t *testing.T) {
	onSPI(t, ADXL345, func() i2ctest.OverSPI {
		c := i2ctest.NewADXL345(0, 256)
		return i2ctest.OverSPI{Chip: c, Read: 0x80, Burst: 0x40, ThreeWire: func() bool { return c.Reg[0x31]&0x40 != 0 }}
	}, []want{w("rms", 0, 0.01), w("peak", 0, 0.01), w("x", 0, 0.01), w("y", 0, 0.01), w("z", gravity, 0.01)})
}

func TestMCP23S17(t *testing.T) {
	spitest.Suite{
		Driver: MCP23S17,
		Chip:   func() spitest.Chip { return i2ctest.MCP23S17{MCP23017: i2ctest.NewMCP23017(0x0001), Address: 2} },
		Want:   []want{w("door", 1, 0), w("window", 0, 0), w("pump", 0, 0)},
		Configure: func(d drivers.Driver, c *drivers.DeviceConfig) {
			c.Options.(*mcp23s17Options).Address = 2
			for _, ch := range []struct {
				name, pin string
				out       bool
			}{{"door", "A0", false}, {"window", "A1", false}, {"pump", "B7", true}} {
				o := d.ChannelOptions().(*pinOptions)
				o.Pin, o.Out = ch.pin, ch.out
				c.Channels = append(c.Channels, drivers.ChannelConfig{Name: ch.name, Options: o})
			}
		},
	}.Run(t)
}

// A MAX6675, described by the user.
func TestDescribedOnSPI(t *testing.T) {
	tc := func(d drivers.Driver, c *drivers.DeviceConfig) {
		ch := d.ChannelOptions().(*describedChannel)
		ch.Layout = field.Layout{Type: typed(t, "u16"), Bits: &[]int{3, 14}, Value: field.Value{Scale: 0.25}}
		c.Options.(*describedSPIOptions).Length = 2
		c.Channels = []drivers.ChannelConfig{{Name: "temperature", Unit: "°C", Options: ch}}
		if err := c.Options.(drivers.Checker).Check(); err != nil {
			t.Error(err)
		}
	}
	spitest.Suite{Driver: DescribedSPI, Chip: func() spitest.Chip { return &spitest.MAX31855{Word: 400 << 19} },
		Want: []driverstest.Want{w("temperature", 100, 1e-9)}, Configure: tc}.Run(t)
}
