package chip

import (
	"fmt"
	"slices"
	"strings"

	"sensorgate/drivers"
	"sensorgate/drivers/i2c/bus"
	spibus "sensorgate/drivers/spi/bus"
)

// Options is a pointer to a struct that embeds I2COptions, or EitherOptions.
type Options interface {
	place() place
	know(known)
}

// place is where a chip is.
type place struct {
	i2c   bus.Addr
	spi   *spibus.Addr // nil: on I2C
	hertz uint32       // on SPI; 0: the chip's
}

// known is what the options must know of the chip to be checked.
type known struct {
	driver string
	addrs  []uint16 // that the chip can have; none: any
	hertz  uint32   // on SPI
}

// I2COptions are the options that every chip has: where it is.
type I2COptions struct {
	I2C bus.Addr `toml:"i2c" required:"true" example:"\"1:0x76\"" doc:"Where the chip is, as bus:address or bus:multiplexer/channel:address."`

	known known
}

func (o *I2COptions) place() place { return place{i2c: o.I2C} }
func (o *I2COptions) know(k known) { o.known = k }

// InterruptOptions are those of a chip whose interrupt pin can be wired to a GPIO line.
type InterruptOptions struct {
	I2COptions
	IRQ string `toml:"irq" example:"\"GPIO5\"" doc:"The GPIO line that the chip's interrupt pin is wired to: \"GPIO5\". The chip is asked at each edge, and every tenth interval without one; without irq at each interval."`
}

func (o *InterruptOptions) irq() string { return o.IRQ }

// Claims implements drivers.Claimer.
func (o *InterruptOptions) Claims() []drivers.Claim { return claimLine(o.I2COptions.Claims(), o.IRQ) }

// claimLine adds what irq occupies, if anything.
func claimLine(all []drivers.Claim, irq string) []drivers.Claim {
	if irq != "" {
		all = append(all, drivers.Claim{Kind: "gpio", ID: irq, Key: "irq"})
	}
	return all
}

// ReadyPin is the option of a chip whose data-ready pin can be wired to a GPIO line.
type ReadyPin struct {
	IRQ string `toml:"irq" example:"\"GPIO5\"" doc:"The GPIO line that the chip's data-ready pin is wired to: \"GPIO5\". A measurement is read at its edge, one each interval; without an edge for ten intervals the chip is asked all the same."`
}

func (p *ReadyPin) irq() string { return p.IRQ }

// With adds what the pin occupies to a chip's other claims.
func (p *ReadyPin) With(all []drivers.Claim) []drivers.Claim { return claimLine(all, p.IRQ) }

// ReadyOptions are those of a chip that has a ReadyPin and nothing else.
type ReadyOptions struct {
	I2COptions
	ReadyPin
}

// Claims implements drivers.Claimer.
func (o *ReadyOptions) Claims() []drivers.Claim { return o.With(o.I2COptions.Claims()) }

// NoReadyOptions is Driver.Options of a chip with ReadyOptions.
func NoReadyOptions() *ReadyOptions { return &ReadyOptions{} }

// NoOptions is Driver.Options of a chip without options of its own.
func NoOptions() *I2COptions { return &I2COptions{} }

// SetAddress sets where the chip is, for tests and tools that make options themselves.
func (o *I2COptions) SetAddress(a bus.Addr) { o.I2C = a }

// Check implements drivers.Checker.
func (o *I2COptions) Check() error { return o.known.check(o.I2C) }

// Addresses are those that the chip can have; none: any.
func (o *I2COptions) Addresses() []uint16 { return o.known.addrs }

// Claims implements drivers.Claimer.
func (o *I2COptions) Claims() []drivers.Claim { return claims(o.I2C) }

// first is the usual address.
func (k known) first() uint16 {
	if len(k.addrs) == 0 {
		return 0
	}
	return k.addrs[0]
}

// check returns an error if the chip cannot be at a.
func (k known) check(a bus.Addr) error {
	if len(k.addrs) == 0 || slices.Contains(k.addrs, a.Chip) {
		return nil
	}
	var have []string
	for _, x := range k.addrs {
		have = append(have, fmt.Sprintf("0x%02x", x))
	}
	try := a
	try.Chip = k.addrs[0]
	return &drivers.KeyError{
		Key:      "i2c",
		Problem:  fmt.Sprintf("0x%02x cannot be the address of %s", a.Chip, k.driver),
		Expected: strings.Join(have, ", "),
		Try:      fmt.Sprintf("i2c = %q", try),
	}
}

// claims returns what a chip at a occupies. Behind a multiplexer others may share its
// address, and the chip's own on the wires before it, but no chip may sit there: it would
// answer too while the channel is through.
func claims(a bus.Addr) []drivers.Claim {
	all := []drivers.Claim{{Kind: "i2c", ID: a.String(), Key: "i2c"}}
	for i, h := range a.Hops {
		before := bus.Addr{Bus: a.Bus, Hops: a.Hops[:i]}
		for _, addr := range []uint16{h.Mux, a.Chip} {
			before.Chip = addr
			all = append(all, drivers.Claim{Kind: "i2c", ID: before.String(), Key: "i2c", Shared: true})
		}
	}
	return all
}

// Span returns the addresses from a to b, both included.
func Span(a, b uint16) []uint16 {
	var all []uint16
	for x := a; x <= b; x++ {
		all = append(all, x)
	}
	return all
}
