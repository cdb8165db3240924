package chips

import (
	"context"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/i2c/bus"
	"sensorgate/drivers/i2c/chip"
)

// qmp6988 are the coefficients of a QST QMP6988, as they are in its formulas.
type qmp6988 struct{ a0, a1, a2, b00, bt1, bt2, bp1, b11, bp2, b12, b21, bp3 float64 }

const (
	qmpCoefficients, qmpID, qmpReset, qmpFilter, qmpStatus, qmpControl, qmpData = 0xa0, 0xd1, 0xe0, 0xf1, 0xf3, 0xf4, 0xf7
	// The mean of eight pressures, one temperature; bit 0 measures once. 0 after power-on.
	qmpSettings, qmpOnce = 0x30, 0x01
	qmpBusy              = 0x08 // of the status
)

// QMP6988 measures air pressure. Registers, coefficients and formulas as in ESPHome's component
// and esp-idf-lib's qmp6988, measuring on demand as in Betaflight's; read.
func QMP6988(b *bus.Buses) drivers.Driver {
	return chip.Driver[*chip.I2COptions]{
		Name:      "qmp6988",
		Summary:   "QST QMP6988: pressure, temperature",
		Addresses: []uint16{0x70, 0x56},
		Every:     10 * time.Second,
		Channels:  []drivers.Channel{chip.Temperature(-40, 85), chip.Pressure(30000, 110000)},
		Needs:     chip.Need("temperature", "pressure"),
		Options:   chip.NoOptions,
		Open:      openQMP6988,
	}.On(b)
}

func openQMP6988(ctx context.Context, d *bus.Dev, _ *chip.I2COptions) (chip.Read, error) {
	id, err := d.U8(ctx, qmpID)
	if err != nil {
		return nil, err
	}
	if id != 0x5c {
		return nil, chip.WrongChip("qmp6988", uint32(id), nil)
	}
	for _, v := range []byte{0xe6, 0x00} {
		if err := d.Write(ctx, qmpReset, v); err != nil {
			return nil, err
		}
		if err := bus.Sleep(ctx, 20*time.Millisecond); err != nil {
			return nil, err
		}
	}
	raw, err := d.Reg(ctx, qmpCoefficients, 25)
	if err != nil {
		return nil, err
	}
	if allBytes(raw, 0) || allBytes(raw, 0xff) {
		return nil, chip.ErrNoCalibration
	}
	c := decodeQMP6988(raw)
	settings := []setting{{qmpFilter, true, 0xff, 0}, {qmpControl, true, 0xff &^ 3, qmpSettings}}
	if err := writeSettings(ctx, d, settings); err != nil {
		return nil, err
	}
	return func(ctx context.Context) ([]float64, error) {
		if err := d.Write(ctx, qmpControl, qmpSettings|qmpOnce); err != nil {
			return nil, err
		}
		// 11 ms by its data sheet; the bit is not known to be right, so there is time for four.
		if err := bus.Sleep(ctx, 45*time.Millisecond); err != nil {
			return nil, err
		}
		if busy, err := d.U8(ctx, qmpStatus); err != nil {
			return nil, err
		} else if busy&qmpBusy != 0 {
			return nil, chip.ErrNoData
		}
		b, err := d.Reg(ctx, qmpData, 6)
		if err != nil {
			return nil, err
		}
		if err := checkSettings(ctx, d, settings); err != nil {
			return nil, err
		}
		middle := func(b []byte) float64 { return float64(uint32(b[0])<<16|uint32(b[1])<<8|uint32(b[2])) - 1<<23 }
		return c.compensate(middle(b[3:]), middle(b)), nil
	}, nil
}

// decodeQMP6988 reads two numbers of 20 bits, in sixteenths, and ten of 16, each with an
// offset and a span.
func decodeQMP6988(b []byte) (c qmp6988) {
	k := func(i int, offset, span float64) float64 {
		return offset + span*float64(int16(uint16(b[i])<<8|uint16(b[i+1])))/32767
	}
	c.b00 = float64(top([]byte{b[0], b[1], b[24] & 0xf0})>>12) / 16
	c.a0 = float64(top([]byte{b[18], b[19], b[24] << 4})>>12) / 16
	c.bt1, c.bt2, c.bp1 = k(2, 1e-1, 9.1e-2), k(4, 1.2e-8, 1.2e-6), k(6, 3.3e-2, 1.9e-2)
	c.b11, c.bp2, c.b12 = k(8, 2.1e-7, 1.4e-7), k(10, -6.3e-10, 3.5e-10), k(12, 2.9e-13, 7.6e-13)
	c.b21, c.bp3 = k(14, 2.1e-15, 1.2e-14), k(16, 1.3e-16, 7.9e-17)
	c.a1, c.a2 = k(20, -6.3e-3, 4.3e-4), k(22, -1.9e-11, 1.2e-10)
	return c
}

// compensate returns °C and Pa of raw numbers.
func (c qmp6988) compensate(t, p float64) []float64 {
	tr := c.a0 + t*(c.a1+t*c.a2) // 256ths of a degree
	return []float64{tr / 256, c.b00 + tr*(c.bt1+tr*c.bt2) + p*(c.bp1+p*(c.bp2+p*c.bp3)) + tr*p*(c.b11+tr*c.b12+p*c.b21)}
}
