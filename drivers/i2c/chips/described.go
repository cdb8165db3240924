package chips

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/field"
	"sensorgate/drivers/i2c/bus"
	"sensorgate/drivers/i2c/chip"
)

// describedOptions describe a chip that there is no driver for.
type describedOptions struct {
	chip.I2COptions
	description
}

// description is what is the same on I2C and on SPI.
type description struct {
	ID       *answer       `toml:"id" example:"{ write = \"0F\", equals = \"01 17\" }" doc:"How the chip is known from others: { write = \"0F\", equals = \"01 17\" }; asked when it is opened."`
	Init     []field.Bytes `toml:"init" example:"[\"01 60 A0\"]" doc:"What is written when it is opened, one transfer each: [\"01 60 A0\"]."`
	Settle   time.Duration `toml:"settle" doc:"The pause after init."`
	Settings *answer       `toml:"settings" example:"{ write = \"03\", equals = \"60 A0\" }" doc:"What the chip answers while it still has what init wrote; without this, init is written before every reading."`
	Write    field.Bytes   `toml:"write" example:"\"F4\"" doc:"The register or command before each reading."`
	Wait     time.Duration `toml:"wait" doc:"The pause between write and read; 0 reads after a repeated start."`
	Length   int           `toml:"length" example:"6" doc:"How many bytes are read; without it every channel has its own register."`
	WordSum  field.Sum     `toml:"word_sum" example:"\"crc8-nrsc5\"" doc:"The check sum byte after every two bytes, taken out before at counts: crc8-nrsc5 for Sensirion."`
	Sum      *field.Check  `toml:"sum" example:"{ kind = \"crc8-smbus\", at = -1 }" doc:"The check sum over the block, as in frames: { kind = \"crc8-smbus\", at = -1 }."`
	Order    field.Order   `toml:"order" example:"\"little\"" doc:"The order of the bytes of numbers, where a channel has none of its own."`
}

// answer is a question to the chip and what it must answer.
type answer struct {
	Write  field.Bytes `toml:"write" example:"\"F4\"" doc:"The register whose bytes are read."`
	Equals field.Bytes `toml:"equals" required:"true" example:"\"01 60\"" doc:"The bytes that it must answer."`
	Mask   field.Bytes `toml:"mask" example:"\"F0\"" doc:"The bits that are compared; default: all."`
}

// Check implements drivers.Checker.
func (o *describedOptions) Check() error {
	return chip.JoinErrors(o.I2COptions.Check(), o.description.check())
}

func (o *description) check() error {
	var errs []error
	for key, a := range map[string]*answer{"id": o.ID, "settings": o.Settings} {
		if a != nil && (len(a.Equals) == 0 || len(a.Mask) != 0 && len(a.Mask) != len(a.Equals)) {
			errs = append(errs, &drivers.KeyError{Key: key, Problem: "mask and equals differ in length, or equals is empty"})
		}
	}
	switch {
	case o.Length < 0 || o.Length > 256:
		errs = append(errs, &drivers.KeyError{Key: "length", Problem: fmt.Sprintf("found %d", o.Length), Expected: "1 to 256 bytes"})
	case o.WordSum.Known() && (o.WordSum.Size() != 1 || o.Length%3 != 0):
		errs = append(errs, &drivers.KeyError{Key: "word_sum", Problem: fmt.Sprintf("found a sum of %d bytes and length %d", o.WordSum.Size(), o.Length),
			Expected: "a sum of one byte, and a length that counts three bytes per word"})
	case o.Length == 0 && (len(o.Write) > 0 || o.Sum != nil):
		errs = append(errs, &drivers.KeyError{Key: "length", Problem: "missing", Expected: "the number of bytes that are read after write"})
	case o.Settings != nil && len(o.Init) == 0:
		errs = append(errs, &drivers.KeyError{Key: "settings", Problem: "found settings without init", Try: `id = { write = "0F", equals = "01 17" }`})
	}
	if o.Sum != nil {
		errs = append(errs, o.Sum.Check())
	}
	return chip.JoinErrors(errs...)
}

// describedChannel is one value of a described chip.
type describedChannel struct {
	Register field.Bytes   `toml:"register" example:"\"F4\"" doc:"A register that is read for this channel alone, instead of a place in the block."`
	Wait     time.Duration `toml:"wait" doc:"The pause between register and read; 0 reads after a repeated start."`
	At       int           `toml:"at" example:"4" doc:"The first byte in the block, counted from 0; negative counts from the end."`
	field.Layout
}

// Described is driver = "i2c": a chip described in the configuration.
func Described(b *bus.Buses) drivers.Driver {
	return chip.Driver[*describedOptions]{
		Name:           "i2c",
		Summary:        "a chip described in the configuration: what to write, what to read, where the numbers are",
		Every:          10 * time.Second,
		Options:        func() *describedOptions { return &describedOptions{} },
		ChannelOptions: func() any { return &describedChannel{} },
		OpenDevice: func(ctx context.Context, d *bus.Dev, o *describedOptions, config chip.Config) (chip.Device, error) {
			return openDescribed(ctx, d, &o.description, config.DeviceConfig)
		},
	}.On(b)
}

func openDescribed(ctx context.Context, d *bus.Dev, o *description, config drivers.DeviceConfig) (chip.Device, error) {
	if len(config.Channels) == 0 {
		return nil, errors.New(`no channels (try: temperature = { register = "00", type = "s16" })`)
	}
	c := &described{d: d, o: o, channels: config.Channels}
	if err := c.expect(ctx, o.ID, "id"); err != nil {
		return nil, err
	}
	return c, c.initialize(ctx)
}

type described struct {
	d        *bus.Dev
	o        *description
	channels []drivers.ChannelConfig
}

func (c *described) initialize(ctx context.Context) error {
	for _, b := range c.o.Init {
		if err := c.d.Write(ctx, b...); err != nil {
			return err
		}
	}
	if c.o.Settle > 0 {
		return bus.Sleep(ctx, c.o.Settle)
	}
	return nil
}

// expect asks a and compares.
func (c *described) expect(ctx context.Context, a *answer, what string) error {
	if a == nil {
		return nil
	}
	got := make([]byte, len(a.Equals))
	if err := c.d.Tx(ctx, a.Write, got); err != nil {
		return err
	}
	want := bytes.Clone(a.Equals)
	for i := range a.Mask {
		got[i] &= a.Mask[i]
		want[i] &= a.Mask[i]
	}
	if !bytes.Equal(got, want) {
		return fmt.Errorf("%s is % x, expected % x", what, got, want)
	}
	return nil
}

func (c *described) Poll(ctx context.Context) ([]drivers.Reading, error) {
	if c.o.Settings == nil && len(c.o.Init) > 0 {
		if err := c.initialize(ctx); err != nil {
			return nil, err
		}
	}
	block, err := c.block(ctx)
	if err != nil {
		return nil, err
	}
	var rs []drivers.Reading
	var faults []error
	for _, ch := range c.channels {
		from, at, err := c.source(ctx, block, ch.Options.(*describedChannel))
		if err != nil { // the chip, and not what it answered
			return nil, fmt.Errorf("%s: %w", ch.Name, err)
		}
		v, err := at.Decode(from)
		switch {
		case errors.Is(err, field.ErrNone):
			continue
		case err != nil:
			faults = append(faults, chip.Fault(ch.Name, err))
			continue
		}
		rs = append(rs, drivers.Reading{Channel: ch.Name, Unit: ch.Unit, Value: v, Time: time.Now()})
	}
	// After the reading, so that a chip that lost its settings meanwhile is noticed.
	if err := c.expect(ctx, c.o.Settings, "settings"); err != nil {
		return nil, fmt.Errorf("%w: %w", chip.ErrReset, err)
	}
	if err := c.expect(ctx, c.o.ID, "id"); err != nil {
		return nil, err
	}
	return rs, chip.JoinErrors(faults...)
}

// block reads what all channels share.
func (c *described) block(ctx context.Context) ([]byte, error) {
	if c.o.Length == 0 {
		return nil, nil
	}
	b, err := c.ask(ctx, c.o.Write, c.o.Wait, c.o.Length)
	if err != nil {
		return nil, err
	}
	if c.o.Sum != nil {
		if err := c.o.Sum.Verify(b); err != nil {
			return nil, err
		}
	}
	if !c.o.WordSum.Known() {
		return b, nil
	}
	var plain []byte
	for i := 0; i+2 < len(b); i += 3 {
		if want := byte(c.o.WordSum.Of(b[i : i+2])); b[i+2] != want {
			return nil, fmt.Errorf("checksum of word %d is 0x%02x, expected 0x%02x", i/3, b[i+2], want)
		}
		plain = append(plain, b[i], b[i+1])
	}
	return plain, nil
}

// ask writes w and reads n bytes. What a dead bus could have answered is checked.
func (c *described) ask(ctx context.Context, w []byte, wait time.Duration, n int) ([]byte, error) {
	r := make([]byte, n)
	var err error
	if wait == 0 {
		err = c.d.Tx(ctx, w, r)
	} else if err = c.d.Tx(ctx, w, nil); err == nil {
		if err = bus.Sleep(ctx, wait); err == nil {
			err = c.d.Tx(ctx, nil, r)
		}
	}
	if err == nil && (allBytes(r, 0x00) || allBytes(r, 0xff)) {
		err = c.d.NotStuck(ctx)
	}
	return r, err
}

// source returns the bytes that a channel's number is in, and where.
func (c *described) source(ctx context.Context, block []byte, ch *describedChannel) ([]byte, field.Binary, error) {
	b := field.Binary{At: ch.At, Layout: ch.Layout}
	if b.Order == (field.Order{}) {
		b.Order = c.o.Order
	}
	if len(ch.Register) == 0 {
		return block, b, nil
	}
	b.At = 0
	block, err := c.ask(ctx, ch.Register, ch.Wait, b.Size())
	return block, b, err
}
