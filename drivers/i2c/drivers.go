package i2c

import (
	"log/slog"

	"sensorgate/drivers"
	"sensorgate/drivers/i2c/bus"
	"sensorgate/drivers/i2c/chips"
)

// Buses is the machine's I2C adapters; see package bus.
type Buses = bus.Buses

// NewBuses makes the buses of this machine. It opens nothing; Run owns the goroutines.
func NewBuses(log *slog.Logger) *Buses { return bus.New(log) }

// NewBusesOn makes buses that open gives, such as a test's fake.
func NewBusesOn(log *slog.Logger, open bus.Opener) *Buses { return bus.NewOn(log, open) }

// Drivers is the table of contents: every chip we know.
func Drivers(b *Buses) []drivers.Driver {
	return []drivers.Driver{
		chips.BME280(b),
		chips.BMP280(b),
	}
}
