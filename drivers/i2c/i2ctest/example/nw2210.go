package example

import (
	"context"
	"fmt"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/field"
	"sensorgate/drivers/i2c/bus"
	"sensorgate/drivers/i2c/chip"
)

// Registers of the NW2210. The data sheet's section stands at each step, so that the
// next reader can check it: Nordwind NW2210 rev. 3, section 5.
const (
	regID   = 0x00 // two bytes: 22 10
	regMode = 0x04 // one byte: rate in bits 2 to 0, bit 7 on; 0 after power-on: asleep
	regData = 0x10 // flags, temperature, checksum, humidity, checksum

	modeOn  = 0x80
	fresh   = 0x01 // of the flags: not read before
	nwMaker = 0x2210
)

// nwOptions are the chip's own keys; I2COptions has the one that every chip has.
type nwOptions struct {
	chip.I2COptions
	Rate int `toml:"rate" doc:"measurements per second: 1, 2 or 4"`
}

// Check implements drivers.Checker: a wrong key is found when the file is read.
func (o *nwOptions) Check() error {
	var err error
	if o.Rate != 1 && o.Rate != 2 && o.Rate != 4 {
		err = &drivers.KeyError{Key: "rate", Problem: fmt.Sprintf("found %d", o.Rate), Expected: "1, 2 or 4"}
	}
	return chip.JoinErrors(o.I2COptions.Check(), err)
}

// NW2210 measures temperature and humidity.
func NW2210(b *bus.Buses) drivers.Driver {
	return chip.Driver[*nwOptions]{
		Name:      "nw2210",
		Summary:   "Nordwind NW2210: temperature, humidity",
		Addresses: []uint16{0x4c, 0x4d},
		Every:     10 * time.Second,
		// The ranges of the data sheet: what is outside is a fault, never a reading.
		Channels: []drivers.Channel{chip.Temperature(-40, 125), chip.Humidity()},
		Needs:    chip.Need("temperature", "humidity"), // computed inside with the temperature
		Options:  func() *nwOptions { return &nwOptions{Rate: 1} },
		Open:     openNW2210,
	}.On(b)
}

// openNW2210 is called again after any error: it sets all that matters and relies on
// nothing that it, or another program, did before.
func openNW2210(ctx context.Context, d *bus.Dev, o *nwOptions) (chip.Read, error) {
	id, err := d.U16(ctx, regID)
	if err != nil {
		return nil, err
	}
	if id != nwMaker {
		return nil, chip.WrongChip("nw2210", uint32(id), nil)
	}
	mode := modeOn | byte(o.Rate)
	if err := d.Write(ctx, regMode, mode); err != nil { // section 5.2
		return nil, err
	}
	// The first result takes one period and, with a slow oscillator, a tenth more.
	if err := bus.Sleep(ctx, time.Second/time.Duration(o.Rate)*11/10); err != nil {
		return nil, err
	}
	return func(ctx context.Context) ([]float64, error) { return readNW2210(ctx, d, mode) }, nil
}

func readNW2210(ctx context.Context, d *bus.Dev, mode byte) ([]float64, error) {
	b, err := d.Reg(ctx, regData, 7)
	if err != nil {
		return nil, err
	}
	// A chip that lost its supply for a moment sleeps, and its registers hold what is there
	// after power-on. So the mode is looked at each time, after the data.
	now, err := d.U8(ctx, regMode)
	switch {
	case err != nil:
		return nil, err
	case now != mode:
		return nil, chip.ErrReset
	case b[0]&fresh == 0:
		return nil, chip.ErrNoData
	}
	return decodeNW2210(b)
}

// decodeNW2210 has no bus, so it can be tested with the data sheet's own example. The
// checksums are computed by package field, which knows the usual ones by their names.
func decodeNW2210(b []byte) ([]float64, error) {
	sum, err := field.Named("crc8-smbus") // section 5.4: polynomial 0x07, start 0
	if err != nil {
		return nil, err
	}
	for _, word := range [][]byte{b[1:4], b[4:7]} {
		if want := byte(sum.Of(word[:2])); word[2] != want {
			return nil, fmt.Errorf("checksum is 0x%02x, expected 0x%02x", word[2], want)
		}
	}
	// Section 5.5: 1/128 °C, signed; 1/512 %, 0 to 100.
	celsius := float64(int16(uint16(b[1])<<8|uint16(b[2]))) / 128
	humidity := float64(uint16(b[4])<<8|uint16(b[5])) / 512
	return []float64{celsius, humidity}, nil
}
