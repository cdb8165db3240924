package gateway

import (
	"context"
	"io/fs"
	"log/slog"
	"slices"

	"sensorgate/drivers"
	"sensorgate/drivers/gpio"
	"sensorgate/drivers/i2c"
	"sensorgate/drivers/kernel"
	"sensorgate/drivers/modbus"
	"sensorgate/drivers/serial"
	"sensorgate/drivers/serial/framing"
	"sensorgate/drivers/serial/meters"
	"sensorgate/drivers/sim"
	"sensorgate/drivers/spi"
	"sensorgate/internal/config"
)

// Hardware is everything a device can be attached to. Making it opens nothing:
// the same table serves `check`, which must not touch hardware.
type Hardware struct {
	Registry drivers.Registry

	i2c    *i2c.Buses
	spi    *spi.Buses
	gpio   *gpio.Chips
	serial *serial.Buses
}

// NewHardware makes the table of contents of supported hardware.
func NewHardware(log *slog.Logger) *Hardware { return newHardware(log, gpio.NewChips(log)) }

// newHardware takes the GPIO lines from a test's board.
func newHardware(log *slog.Logger, lines *gpio.Chips) *Hardware {
	h := &Hardware{
		i2c:    i2c.NewBuses(log),
		spi:    spi.NewBuses(log),
		gpio:   lines,
		serial: serial.NewBuses(),
	}
	h.i2c.SetLines(lines.Interrupt)
	h.i2c.SetOpenDrain(lines.OpenDrain)
	h.Registry.Add(framing.Drivers(h.serial, log)...)
	h.Registry.Add(meters.Drivers(h.serial, log)...)
	h.Registry.Add(modbus.Drivers(h.serial, log)...)
	h.Registry.Add(i2c.Drivers(h.i2c, h.spi)...)
	h.Registry.Add(spi.Drivers(h.spi)...)
	h.Registry.Add(kernel.Drivers()...)
	h.Registry.Add(gpio.Drivers(h.gpio)...)
	h.Registry.Add(sim.Driver())
	return h
}

// Catalogue is what the configuration needs to know of the hardware.
func (h *Hardware) Catalogue() config.Catalogue {
	return config.Catalogue{
		Drivers:   &h.Registry,
		SerialBus: func() any { return &serial.PortOptions{} },
		Models:    []fs.FS{models(serial.Models), models(modbus.Models)},

		StablePort:  serial.StableName,
		Conventions: objections,
	}
}

// models is the folder in which a package keeps its own.
func models(pkg fs.FS) fs.FS {
	sub, err := fs.Sub(pkg, "models")
	if err != nil {
		panic(err) // the name is a constant, and a good one
	}
	return sub
}

// TraceI2C shows every I2C transfer on a line of text. To be called before anything runs.
func (h *Hardware) TraceI2C(show func(line string)) {
	h.i2c.SetTrace(func(a i2c.Addr, w, r []byte, err error) { show(i2c.FormatTransfer(a, w, r, err)) })
}

// addSerial makes the bus of one table; the caller runs it.
func (h *Hardware) addSerial(c config.SerialBus, log *slog.Logger) func(context.Context) error {
	b := serial.NewBus(c.Name, *c.Options.(*serial.PortOptions), log)
	h.serial.Add(c.Name, b)
	return b.Run
}

func (h *Hardware) removeSerial(name string) { h.serial.Remove(name) }

// buses returns what was counted on all buses.
func (h *Hardware) buses() []drivers.BusCounters {
	return slices.Concat(h.i2c.Counters(), h.spi.Counters(), h.serial.Counters())
}
