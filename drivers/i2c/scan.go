package i2c

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/field"
	"sensorgate/drivers/i2c/bus"
)

// Found is what a scan finds at one address that answers or is taken.
type Found struct {
	Addr   bus.Addr
	Kernel string   // the kernel driver that owns it; it was not asked
	Chip   string   // our driver for it, "" if nothing fits
	Sure   bool     // it has an id and it matched
	Note   string   // what else its id says: "a copy of the chip"
	Others []string // drivers of other chips that can have this address
}

// firstScanned skips the reserved addresses.
const firstScanned, lastScanned = 0x08, 0x77

// Scan asks every address of a bus whether somebody is there, and those that are there
// for their ids. It writes nothing that could change a chip: no more than the number of
// a register, and not even that where a chip may sit that executes any byte
// (expanders, converters, multiplexers, light sensors).
func Scan(ctx context.Context, b *Buses, name string) ([]Found, error) {
	var all []Found
	possible := addresses(b)
	for addr := uint16(firstScanned); addr <= lastScanned; addr++ {
		a := bus.Addr{Bus: name, Chip: addr}
		if k := b.KernelDriver(a); k != "" {
			all = append(all, Found{Addr: a, Kernel: k})
			continue
		}
		d, err := b.Dev(a)
		if err != nil {
			return all, err
		}
		there, err := present(ctx, d)
		if err != nil {
			return all, err
		}
		if !there {
			continue
		}
		f := Found{Addr: a}
		// A fault in one chip's identification must not hide the others.
		if err := drivers.Guard(func() error {
			if id := identify(ctx, d); id != nil {
				f.Chip, f.Sure, f.Note = id.chip, id.sure, id.note
			}
			return nil
		}); err != nil {
			f.Note = err.Error()
		}
		for _, name := range possible[addr] {
			if name != f.Chip {
				f.Others = append(f.Others, name)
			}
		}
		all = append(all, f)
	}
	if len(all) == lastScanned-firstScanned+1 {
		return nil, fmt.Errorf("i2c bus %s: every address answers (a data line held low? pull-ups missing?)", name)
	}
	return all, ctx.Err()
}

// addresses returns the drivers of the chips that can have an address.
func addresses(b *Buses) map[uint16][]string {
	at := map[uint16][]string{}
	for _, d := range onI2C(b, nil) {
		o, ok := d.Options().(interface{ Addresses() []uint16 })
		if !ok {
			continue
		}
		for _, a := range o.Addresses() {
			at[a] = append(at[a], d.Name)
		}
	}
	return at
}

// present asks whether an address is acknowledged: by addressing it and writing nothing,
// or, where that is known to upset memories, by reading a byte. The way of i2cdetect.
func present(ctx context.Context, d *bus.Dev) (bool, error) {
	addr := d.Addr().Chip
	memory := addr >= 0x30 && addr <= 0x37 || addr >= 0x50 && addr <= 0x5f
	err := errors.ErrUnsupported
	if !memory {
		err = d.Tx(ctx, nil, nil)
	}
	if memory || errors.Is(err, syscall.EOPNOTSUPP) || errors.Is(err, syscall.EINVAL) {
		_, err = d.Read(ctx, 1)
	}
	switch {
	case err == nil:
		return true, nil
	case ctx.Err() != nil, errors.Is(err, drivers.ErrAbsent), errors.Is(err, syscall.ETIMEDOUT), !errors.Is(err, drivers.ErrNoAnswer):
		return false, err
	}
	return false, nil
}

// identity is how a chip is known: what register to read and what it must answer.
type identity struct {
	chip    string
	from    uint16 // addresses
	to      uint16
	reg     []byte // nil: read without naming one
	wait    time.Duration
	answers [][]byte // nil: two words under Sensirion's checksum, whatever they are
	mask    []byte
	note    string
	sure    bool // an id, and not just a register's value after power-on
}

// identities are tried in this order. Each register's number is harmless to every other
// chip that we know at these addresses; registers are in the chips' own files.
var identities = []identity{
	{chip: "bme280", from: 0x76, to: 0x77, reg: []byte{0xd0}, answers: [][]byte{{0x60}}, sure: true},
	{chip: "bmp280", from: 0x76, to: 0x77, reg: []byte{0xd0}, answers: [][]byte{{0x56}, {0x57}, {0x58}}, sure: true},
	{chip: "bme680", from: 0x76, to: 0x77, reg: []byte{0xd0}, answers: [][]byte{{0x61}}, sure: true},
	{chip: "bmp180", from: 0x77, to: 0x77, reg: []byte{0xd0}, answers: [][]byte{{0x55}}, sure: true},
	{chip: "bmp388", from: 0x76, to: 0x77, reg: []byte{0x00}, answers: [][]byte{{0x50}, {0x60}}, sure: true},

	// 0xfe would reset an HTU21D, so the die is asked and not the maker. At 0x44 and above
	// 0xff could switch a PCF8591's output on; there the configuration after power-on must do.
	{chip: "ina226", from: 0x40, to: 0x43, reg: []byte{0xff}, answers: [][]byte{{0x22, 0x60}}, sure: true},
	{chip: "ina260", from: 0x40, to: 0x43, reg: []byte{0xff}, answers: [][]byte{{0x22, 0x70}}, sure: true},
	{chip: "ina3221", from: 0x40, to: 0x43, reg: []byte{0xff}, answers: [][]byte{{0x32, 0x20}}, sure: true},
	{chip: "hdc1080", from: 0x40, to: 0x43, reg: []byte{0xff}, answers: [][]byte{{0x10, 0x50}, {0x10, 0x00}}, sure: true},
	{chip: "ina228", from: 0x40, to: 0x43, reg: []byte{0x3f}, answers: [][]byte{{0x22, 0x80}}, mask: []byte{0xff, 0xf0}, sure: true},
	{chip: "ina219", from: 0x40, to: 0x4f, reg: []byte{0x00}, answers: [][]byte{{0x39, 0x9f}, {0x3e, 0x63}}},
	{chip: "ina226", from: 0x44, to: 0x4f, reg: []byte{0x00}, answers: [][]byte{{0x41, 0x27}, {0x45, 0x23}}},
	{chip: "si7021", from: 0x40, to: 0x40, reg: []byte{0xe7}, answers: [][]byte{{0x3a}}},
	{chip: "htu21d", from: 0x40, to: 0x40, reg: []byte{0xe7}, answers: [][]byte{{0x02}}},

	{chip: "sht4x", from: 0x44, to: 0x46, reg: []byte{0x89}, wait: time.Millisecond},

	{chip: "tmp117", from: 0x48, to: 0x4b, reg: []byte{0x0f}, answers: [][]byte{{0x01, 0x17}, {0x01, 0x19}}, mask: []byte{0x0f, 0xff}, sure: true},
	{chip: "adt7410", from: 0x48, to: 0x4b, reg: []byte{0x0b}, answers: [][]byte{{0xc8}}, mask: []byte{0xf8}, sure: true},
	{chip: "ads1115", from: 0x48, to: 0x4b, reg: []byte{0x01}, answers: [][]byte{{0x85, 0x83}, {0x85, 0x8b}}},
	{chip: "tmp102", from: 0x48, to: 0x4b, reg: []byte{0x01}, answers: [][]byte{{0x60, 0x80}}, mask: []byte{0x7e, 0xdf}},
	{chip: "lm75", from: 0x48, to: 0x4f, reg: []byte{0x02}, answers: [][]byte{{0x4b, 0x00}, {0x4a, 0x80}}},

	// A guess by its limit of 70 °C after power-on: its id is at 0xfd, which could switch a
	// PCF8591's output on.
	{chip: "emc2101", from: 0x4c, to: 0x4c, reg: []byte{0x05}, answers: [][]byte{{0x46}}},

	{chip: "veml6075", from: 0x10, to: 0x10, reg: []byte{0x0c}, answers: [][]byte{{0x26}}, sure: true},
	{chip: "mcp9808", from: 0x18, to: 0x1f, reg: []byte{0x07}, answers: [][]byte{{0x04, 0x00}}, mask: []byte{0xff, 0x00}, sure: true},
	{chip: "lis3dh", from: 0x18, to: 0x19, reg: []byte{0x0f}, answers: [][]byte{{0x33}}, sure: true},
	{chip: "hmc5883l", from: 0x1e, to: 0x1e, reg: []byte{0x0a}, answers: [][]byte{{'H', '4', '3'}}, sure: true},
	{chip: "tsl2591", from: 0x29, to: 0x29, reg: []byte{0xb2}, answers: [][]byte{{0x50}}, sure: true},
	{chip: "vl53l0x", from: 0x29, to: 0x29, reg: []byte{0xc0}, answers: [][]byte{{0xee}}, sure: true},
	{chip: "bno055", from: 0x28, to: 0x29, reg: []byte{0x00}, answers: [][]byte{{0xa0}}, sure: true},
	{chip: "qmp6988", from: 0x56, to: 0x56, reg: []byte{0xd1}, answers: [][]byte{{0x5c}}, sure: true}, // not 0x70: multiplexers
	{chip: "adxl345", from: 0x53, to: 0x53, reg: []byte{0x00}, answers: [][]byte{{0xe5}}, sure: true},
	{chip: "ens160", from: 0x52, to: 0x53, reg: []byte{0x00}, answers: [][]byte{{0x60, 0x01}}, sure: true},
	{chip: "ltr390", from: 0x53, to: 0x53, reg: []byte{0x06}, answers: [][]byte{{0xb0}}, mask: []byte{0xf0}, sure: true},
	{chip: "ccs811", from: 0x5a, to: 0x5b, reg: []byte{0x20}, answers: [][]byte{{0x81}}, sure: true},
	{chip: "mpu6050", from: 0x68, to: 0x69, reg: []byte{0x75}, answers: [][]byte{{0x68}, {0x19}, {0x70}, {0x71}, {0x73}}, sure: true},
	{chip: "mpu6050", from: 0x68, to: 0x69, reg: []byte{0x75}, answers: [][]byte{{0x98}}, sure: true, note: "a copy of the chip, with id 0x98"},
	{chip: "bmi160", from: 0x68, to: 0x69, reg: []byte{0x00}, answers: [][]byte{{0xd1}}, sure: true},
	{chip: "lsm6ds", from: 0x6a, to: 0x6b, reg: []byte{0x0f}, answers: [][]byte{{0x69}, {0x6a}, {0x6b}, {0x6c}}, sure: true},

	{chip: "hts221", from: 0x5f, to: 0x5f, reg: []byte{0x0f}, answers: [][]byte{{0xbc}}, sure: true},
	{chip: "lps22hb", from: 0x5d, to: 0x5d, reg: []byte{0x0f}, answers: [][]byte{{0xb1}}, sure: true},
	{chip: "lps25hb", from: 0x5d, to: 0x5d, reg: []byte{0x0f}, answers: [][]byte{{0xbd}}, sure: true},
	{chip: "max17048", from: 0x36, to: 0x36, reg: []byte{0x08}, answers: [][]byte{{0x00, 0x10}}, mask: []byte{0xff, 0xf0}, sure: true},

	// Never written to: an AHT answers a plain read with its status, calibrated and idle.
	{chip: "aht20", from: 0x38, to: 0x38, answers: [][]byte{{0x18}}, mask: []byte{0x98}},
}

// identify asks a chip who it is; nil is not known.
func identify(ctx context.Context, d *bus.Dev) *identity {
	addr := d.Addr().Chip
	before, _ := d.Read(ctx, 1)
	for i := range identities {
		if id := &identities[i]; addr >= id.from && addr <= id.to && id.fits(ctx, d) {
			return id
		}
	}
	// A multiplexer takes a register's number for its channels. It shows them when it is
	// read, so it is known, and put back.
	if addr >= 0x76 {
		if after, err := d.Read(ctx, 1); err == nil && after[0] == 0x00 && before[0] != 0x00 {
			_ = d.Write(ctx, before[0]) // nothing more can be done
		}
	}
	return nil
}

func (id *identity) fits(ctx context.Context, d *bus.Dev) bool {
	if id.answers == nil {
		return id.serial(ctx, d)
	}
	got := make([]byte, len(id.answers[0]))
	if d.Tx(ctx, id.reg, got) != nil {
		return false
	}
	for _, want := range id.answers {
		same := true
		for i := range want {
			mask := byte(0xff)
			if id.mask != nil {
				mask = id.mask[i]
			}
			same = same && (got[i]^want[i])&mask == 0
		}
		if same {
			return true
		}
	}
	return false
}

// serial reads two words under Sensirion's checksum. SHT4x section 4.5, command 0x89.
func (id *identity) serial(ctx context.Context, d *bus.Dev) bool {
	if d.Write(ctx, id.reg...) != nil || bus.Sleep(ctx, id.wait) != nil {
		return false
	}
	b, err := d.Read(ctx, 6)
	if err != nil {
		return false
	}
	sum, err := field.Named("crc8-nrsc5")
	return err == nil && sum.Of(b[0:2]) == uint64(b[2]) && sum.Of(b[3:5]) == uint64(b[5])
}
