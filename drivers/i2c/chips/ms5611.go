package chips

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/field"
	"sensorgate/drivers/i2c/bus"
	"sensorgate/drivers/i2c/chip"
)

// ms56 is what differs between TE's barometers: how many words the memory has, and what is
// added to the first-order formula.
type ms56 struct {
	words  int
	second func(dT, temp float64) (t2, off2, sens2 float64) // temp in 0.01 °C
}

// MS5611 measures pressure: MS5611-01BA03, GY-63. Formulas as in ESPHome's component, read,
// which has them from the data sheet.
func MS5611(b *bus.Buses) drivers.Driver {
	return ms56xx(b, "ms5611", "TE MS5611: pressure, temperature", []uint16{0x77, 0x76}, ms56{8, func(dT, temp float64) (t2, off2, sens2 float64) {
		if temp >= 2000 {
			return 0, 0, 0
		}
		low := (temp - 2000) * (temp - 2000)
		t2, off2, sens2 = dT*dT/(1<<31), 5*low/2, 5*low/4
		if temp < -1500 {
			very := (temp + 1500) * (temp + 1500)
			off2, sens2 = off2+7*very, sens2+11*very/2
		}
		return t2, off2, sens2
	}})
}

// MS5637 measures pressure: MS5637-02BA03. Formulas, checksum and commands as in the kernel's
// ms_sensors_i2c.c, read.
func MS5637(b *bus.Buses) drivers.Driver {
	return ms56xx(b, "ms5637", "TE MS5637: pressure, temperature", []uint16{0x76}, ms56{7, func(dT, temp float64) (t2, off2, sens2 float64) {
		if temp >= 2000 {
			return 5 * dT * dT / (1 << 38), 0, 0
		}
		low := (temp - 2000) * (temp - 2000)
		t2, off2, sens2 = 3*dT*dT/(1<<33), 61*low/16, 29*low/16
		if temp < -1500 {
			very := (temp + 1500) * (temp + 1500)
			off2, sens2 = off2+17*very, sens2+9*very
		}
		return t2, off2, sens2
	}})
}

func ms56xx(b *bus.Buses, name, summary string, addrs []uint16, m ms56) drivers.Driver {
	return chip.Driver[*chip.I2COptions]{
		Name:      name,
		Summary:   summary,
		Addresses: addrs,
		Every:     10 * time.Second,
		Channels:  []drivers.Channel{chip.Temperature(-40, 85), chip.Pressure(1000, 200000)},
		Needs:     chip.Need("temperature", "pressure"),
		Options:   chip.NoOptions,
		Open: func(ctx context.Context, d *bus.Dev, _ *chip.I2COptions) (chip.Read, error) {
			if err := d.Write(ctx, 0x1e); err != nil { // reset: it loads its coefficients, 2.8 ms
				return nil, err
			}
			if err := bus.Sleep(ctx, 4*time.Millisecond); err != nil {
				return nil, err
			}
			prom := make([]uint16, 8)
			for i := range m.words {
				var err error
				if prom[i], err = d.U16(ctx, 0xa0+2*byte(i)); err != nil {
					return nil, err
				}
			}
			if err := m.check(prom); err != nil {
				return nil, err
			}
			return func(ctx context.Context) ([]float64, error) {
				pressure, err := ms56Convert(ctx, d, 0x48) // of 4096 samples
				if err != nil {
					return nil, err
				}
				temperature, err := ms56Convert(ctx, d, 0x58)
				if err != nil {
					return nil, err
				}
				return m.compensate(prom, float64(pressure), float64(temperature)), nil
			}, nil
		},
	}.On(b)
}

// ms56Convert runs a conversion, which takes at most 9.04 ms. A chip that has converted
// nothing, as after a dip of its supply, answers zero.
func ms56Convert(ctx context.Context, d *bus.Dev, cmd byte) (uint32, error) {
	if err := d.Write(ctx, cmd); err != nil {
		return 0, err
	}
	if err := bus.Sleep(ctx, 11*time.Millisecond); err != nil {
		return 0, err
	}
	b, err := d.Reg(ctx, 0x00, 3)
	if err != nil {
		return 0, err
	}
	switch v := uint32(b[0])<<16 | uint32(b[1])<<8 | uint32(b[2]); v {
	case 0:
		return 0, fmt.Errorf("%w: the chip has converted nothing", chip.ErrReset)
	case 0xffffff:
		return 0, errors.New("the converter is at its end (the bus reads only ones?)")
	default:
		return v, nil
	}
}

// check is the CRC over the memory, computed with the place of the CRC as zero; the last byte,
// which is zero then, is not under it.
func (m ms56) check(prom []uint16) error {
	p := append([]uint16(nil), prom...)
	want := byte(p[7] & 0x0f)
	if m.words == 7 { // in the first word there
		want = byte(p[0] >> 12)
		p[0] &= 0x0fff
	} else {
		p[7] &= 0xff00
	}
	var b []byte
	for _, w := range p {
		b = binary.BigEndian.AppendUint16(b, w)
	}
	if p[1] == 0 || p[1] == 0xffff {
		return chip.ErrNoCalibration
	}
	if got := field.CRC4(b[:15]); got != want {
		return fmt.Errorf("the checksum of its coefficients is %x, expected %x (another chip at this address?)", want, got)
	}
	return nil
}

// compensate returns °C and Pa.
func (m ms56) compensate(c []uint16, d1, d2 float64) []float64 {
	f := func(i int) float64 { return float64(c[i]) }
	shift := 1.0 // the MS5611's steps are half as large
	if m.words == 7 {
		shift = 2
	}
	dT := d2 - f(5)*256
	temp := 2000 + dT*f(6)/(1<<23)
	off := f(2)*(1<<16)*shift + f(4)*dT*shift/(1<<7)
	sens := f(1)*(1<<15)*shift + f(3)*dT*shift/(1<<8)
	t2, off2, sens2 := m.second(dT, temp)
	p := (d1*(sens-sens2)/(1<<21) - (off - off2)) / (1 << 15)
	return []float64{(temp - t2) / 100, p}
}
