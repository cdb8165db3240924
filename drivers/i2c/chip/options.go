package chip

import (
	"fmt"
	"slices"
	"strings"

	"sensorgate/drivers"
	"sensorgate/drivers/i2c/bus"
)

// I2COptions are the options that every chip has: where it is.
type I2COptions struct {
	I2C bus.Addr `toml:"i2c" required:"true" doc:"bus:address, or bus:multiplexer/channel:address"`

	driver string
	addrs  []uint16 // that the chip can have
}

// Options is a pointer to a struct that embeds I2COptions.
type Options interface{ i2c() *I2COptions }

func (o *I2COptions) i2c() *I2COptions { return o }

// NoOptions is Driver.Options of a chip without options of its own.
func NoOptions() *I2COptions { return &I2COptions{} }

// SetAddress sets where the chip is, for tests and tools that make options themselves.
func (o *I2COptions) SetAddress(a bus.Addr) { o.I2C = a }

// Check implements drivers.Checker.
func (o *I2COptions) Check() error {
	if len(o.addrs) == 0 || slices.Contains(o.addrs, o.I2C.Chip) {
		return nil
	}
	var have []string
	for _, x := range o.addrs {
		have = append(have, fmt.Sprintf("0x%02x", x))
	}
	try := o.I2C
	try.Chip = o.addrs[0]
	return &drivers.KeyError{
		Key:      "i2c",
		Problem:  fmt.Sprintf("0x%02x cannot be the address of %s", o.I2C.Chip, o.driver),
		Expected: strings.Join(have, ", "),
		Try:      fmt.Sprintf("i2c = %q", try),
	}
}

// Addresses are those that the chip can have; none: any.
func (o *I2COptions) Addresses() []uint16 { return o.addrs }

// Claims implements drivers.Claimer. Behind a multiplexer others may share its address,
// and the chip's own on the wires before it, but no chip may sit there: it would answer
// too while the channel is through.
func (o *I2COptions) Claims() []drivers.Claim {
	claims := []drivers.Claim{{Kind: "i2c", ID: o.I2C.String(), Key: "i2c"}}
	for i, h := range o.I2C.Hops {
		before := bus.Addr{Bus: o.I2C.Bus, Hops: o.I2C.Hops[:i]}
		for _, addr := range []uint16{h.Mux, o.I2C.Chip} {
			before.Chip = addr
			claims = append(claims, drivers.Claim{Kind: "i2c", ID: before.String(), Key: "i2c", Shared: true})
		}
	}
	return claims
}

// Span returns the addresses from a to b, both included.
func Span(a, b uint16) []uint16 {
	var all []uint16
	for x := a; x <= b; x++ {
		all = append(all, x)
	}
	return all
}
