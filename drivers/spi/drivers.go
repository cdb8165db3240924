package spi

import (
	"log/slog"

	"sensorgate/drivers"
	"sensorgate/drivers/spi/bus"
	"sensorgate/drivers/spi/chips"
)

// Buses is the machine's SPI buses; see package bus.
type Buses = bus.Buses

// NewBuses makes the buses of this machine. It opens nothing; Run owns the goroutines.
func NewBuses(log *slog.Logger) *Buses { return bus.New(log) }

// Drivers is the table of contents: every chip we know.
func Drivers(b *Buses) []drivers.Driver {
	return []drivers.Driver{
		chips.MCP3004(b), chips.MCP3008(b), chips.MCP3204(b), chips.MCP3208(b), chips.MCP3302(b), chips.MCP3304(b),
		chips.MCP3550(b), chips.MCP3551(b), chips.MCP3553(b),
		chips.MAX6675(b), chips.MAX31855(b), chips.MAX31856(b), chips.MAX31865(b),
	}
}
