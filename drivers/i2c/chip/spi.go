package chip

import (
	"context"
	"fmt"

	"periph.io/x/conn/v3/spi"

	"sensorgate/drivers"
	"sensorgate/drivers/i2c/bus"
	spibus "sensorgate/drivers/spi/bus"
	spichip "sensorgate/drivers/spi/chip"
)

// SPI is how a chip with registers is talked to where it is wired to SPI: the number of
// the register with the bits of Read or Write, then the values.
type SPI struct {
	Mode  spi.Mode
	Hertz uint32 // the fastest that it is used at
	Read  byte   // set in the number of a register that is read
	Burst byte   // set too if more than one byte is read
	Clear byte   // cleared in the number of a register that is written
	Dummy int    // bytes between the number of a register and what it holds
	// First is written before anything is read: what makes the chip answer on a wire of its
	// own, whatever another program left.
	First [][]byte
	// ID is a register that never reads as all zeros or all ones, which is what is read where
	// there is no chip.
	ID byte
}

// frame makes of what is written and of how many bytes are read one transfer; the answer
// begins after skip bytes.
func (s SPI) frame(w []byte, n int) (send []byte, skip int) {
	send = append(send, w...)
	switch {
	case len(w) == 0:
	case n > 1:
		send[0] |= s.Read | s.Burst
	case n == 1:
		send[0] |= s.Read
	default:
		send[0] &^= s.Clear
	}
	if skip = len(w); n > 0 {
		skip += s.Dummy
	}
	return append(send, make([]byte, skip-len(w)+n)...), skip
}

// Framing is how what would be written and read on I2C travels on SPI.
type Framing struct {
	// Frame makes one transfer of w and of n bytes to read, whose answer begins after skip
	// bytes.
	Frame func(w []byte, n int) (send []byte, skip int)
	// Blank is that an answer of only zeros or only ones can be one, because the chip is known
	// to be there by something else.
	Blank bool
}

// OverSPI makes of a chip on SPI one whose registers are read and written as on I2C. An
// answer of nothing but zeros or ones is an error only where a driver asks whether it can
// be one (Dev.NotStuck).
func OverSPI(d *spibus.Dev, f Framing) *bus.Dev {
	return bus.Over(bus.Via{
		At: d.At,
		Tx: func(ctx context.Context, w, r []byte) error {
			send, skip := f.Frame(w, len(r))
			if len(send) == 0 {
				return nil
			}
			got, err := d.Transfer(ctx, send...)
			if err == nil {
				copy(r, got[skip:])
			}
			return err
		},
		Stuck: func() error {
			if f.Blank {
				return nil
			}
			return fmt.Errorf("%w: reads only zeros or only ones (wired? powered? the right select?)", drivers.ErrNoAnswer)
		},
	})
}

// open returns the chip, and sees that there is one.
func (s SPI) open(ctx context.Context, b *spibus.Buses, at spibus.Addr, hertz uint32) (*bus.Dev, error) {
	if hertz == 0 {
		hertz = s.Hertz
	}
	d := OverSPI(b.Dev(at, spibus.Settings{Mode: s.Mode, Hertz: hertz}), Framing{Frame: s.frame, Blank: true})
	for _, w := range s.First {
		if err := d.Write(ctx, w...); err != nil {
			return nil, err
		}
	}
	id, err := d.Reg(ctx, s.ID, 1)
	if err != nil {
		return nil, err
	}
	return d, d.At(spichip.NothingThere(id))
}

// EitherOptions are the options of a chip that can be wired to I2C or to SPI.
type EitherOptions struct {
	I2C   *bus.Addr    `toml:"i2c" example:"\"1:0x76\"" doc:"Where the chip is, as bus:address or bus:multiplexer/channel:address; this or spi."`
	SPI   *spibus.Addr `toml:"spi" example:"\"0.0\"" doc:"The bus.select of a chip that is wired to SPI: \"0.0\" is /dev/spidev0.0."`
	Speed int          `toml:"speed" example:"500000" doc:"The clock on SPI in Hz, for long wires; default: the fastest that the chip is used at."`

	known known
}

func (o *EitherOptions) place() place {
	p := place{spi: o.SPI, hertz: uint32(max(o.Speed, 0))}
	if o.I2C != nil {
		p.i2c = *o.I2C
	}
	return p
}

func (o *EitherOptions) know(k known) { o.known = k }

// SetAddress sets where on I2C the chip is, for tests and tools that make options
// themselves.
func (o *EitherOptions) SetAddress(a bus.Addr) { o.I2C, o.SPI = &a, nil }

// SetSelect sets where on SPI the chip is, for tests and tools.
func (o *EitherOptions) SetSelect(a spibus.Addr) { o.I2C, o.SPI = nil, &a }

// Addresses are those that the chip can have on I2C.
func (o *EitherOptions) Addresses() []uint16 { return o.known.addrs }

// Check implements drivers.Checker.
func (o *EitherOptions) Check() error {
	switch {
	case o.I2C == nil && o.SPI == nil:
		return &drivers.KeyError{Key: "i2c", Problem: "is missing", Expected: "where the chip is: i2c, or spi", Try: fmt.Sprintf("i2c = \"1:0x%02x\" or spi = \"0.0\"", o.known.first())}
	case o.I2C != nil && o.SPI != nil:
		return &drivers.KeyError{Key: "spi", Problem: "found i2c too", Expected: "one of the two"}
	case o.I2C != nil && o.Speed != 0:
		return &drivers.KeyError{Key: "speed", Problem: "is for a chip on SPI; that of an I2C adapter is set in the system's configuration"}
	case o.I2C != nil:
		return o.known.check(*o.I2C)
	}
	return spichip.CheckSpeed(o.Speed, o.known.hertz)
}

// Claims implements drivers.Claimer.
func (o *EitherOptions) Claims() []drivers.Claim {
	if o.SPI != nil {
		return []drivers.Claim{{Kind: "spi", ID: o.SPI.String(), Key: "spi"}}
	}
	if o.I2C == nil {
		return nil
	}
	return claims(*o.I2C)
}
