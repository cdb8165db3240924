package chips

import (
	"context"
	"time"

	"periph.io/x/conn/v3/spi"

	"sensorgate/drivers"
	"sensorgate/drivers/i2c/bus"
	"sensorgate/drivers/i2c/chip"
	spibus "sensorgate/drivers/spi/bus"
)

// Registers of BMP388 and BMP390. BST-BMP388-DS001 section 4.2.
const (
	bmp3ID        = 0x00
	bmp3Status    = 0x03
	bmp3Data      = 0x04 // pressure, temperature: 24 bits each, low byte first
	bmp3Interface = 0x1a
	bmp3Power     = 0x1b
	bmp3OSR       = 0x1c
	bmp3Config    = 0x1f
	bmp3Calib     = 0x31
	bmp3Ready     = 0x60 // both
	bmp3Enable    = 0x03 // both
	bmp3Forced    = 0x10
	bmp3ModeMask  = 0x30
)

func bmp3(b *bus.Buses, s *spibus.Buses, name string) drivers.Driver {
	return chip.Driver[*bmeOptions]{
		Name:      name,
		Summary:   "Bosch BMP384, BMP388, BMP390: temperature, pressure",
		Addresses: []uint16{0x76, 0x77},
		// A dummy byte comes first: section 5.3.2. Four wires: bit 0 of IF_CONF.
		SPI:      &chip.SPI{Mode: spi.Mode0, Hertz: 10_000_000, Read: 0x80, Clear: 0x80, Dummy: 1, First: [][]byte{{bmp3Interface, 0}}, ID: bmp3ID},
		Every:    10 * time.Second,
		Channels: []drivers.Channel{chip.Temperature(-40, 85), chip.Pressure(30000, 125000)},
		Needs:    chip.Need("temperature", "pressure"),
		Options:  func() *bmeOptions { return &bmeOptions{Oversampling: 4} },
		Open: func(ctx context.Context, d *bus.Dev, o *bmeOptions) (chip.Read, error) {
			id, err := d.U8(ctx, bmp3ID)
			if err != nil {
				return nil, err
			}
			if id != 0x50 && id != 0x60 {
				return nil, chip.WrongChip(name, uint32(id), nil)
			}
			// Asleep: from normal mode, in which another program may have left it, there is no
			// way to a forced measurement but by sleep. Section 3.3.
			if err := d.Write(ctx, bmp3Power, 0); err != nil {
				return nil, err
			}
			b, err := d.Reg(ctx, bmp3Calib, 21)
			if err != nil {
				return nil, err
			}
			if allBytes(b, 0x00) || allBytes(b, 0xff) {
				return nil, chip.ErrNoCalibration
			}
			cal := decodeBMP3(b)
			osr, err := boschOversampling(o.Oversampling)
			if err != nil {
				return nil, err
			}
			osr-- // the code counts from one measurement
			return func(ctx context.Context) ([]float64, error) {
				ut, up, err := measureBMP3(ctx, d, osr)
				if err != nil {
					return nil, err
				}
				t := cal.temperature(ut)
				return []float64{t, cal.pressure(up, t)}, nil
			}, nil
		},
	}.OnEither(b, s)
}

// measureBMP3 runs one forced measurement. All settings are written each time; after
// it the oversampling, which is another after a reset, has to be what was written.
func measureBMP3(ctx context.Context, d *bus.Dev, osr byte) (ut, up float64, err error) {
	settings := osr | osr<<3
	for _, set := range [][2]byte{{bmp3Config, 0}, {bmp3OSR, settings}, {bmp3Power, bmp3Enable | bmp3Forced}} {
		if err := d.Write(ctx, set[0], set[1]); err != nil {
			return 0, 0, err
		}
	}
	if err := awaitBMP3(ctx, d, osr); err != nil {
		return 0, 0, err
	}
	b, err := d.Reg(ctx, bmp3Data, 6)
	if err != nil {
		return 0, 0, err
	}
	now, err := d.Reg(ctx, bmp3Power, 2)
	if err != nil {
		return 0, 0, err
	}
	if now[0] != bmp3Enable || now[1] != settings {
		return 0, 0, chip.ErrReset
	}
	if allBytes(b[:3], 0) || b[2] == 0x80 && b[1] == 0 && b[0] == 0 { // what is there before a measurement
		return 0, 0, chip.ErrNoData
	}
	le24 := func(b []byte) float64 { return float64(uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2])<<16) }
	return le24(b[3:]), le24(b), nil
}

// awaitBMP3 waits for the measurement: section 3.9.2, plus a tenth.
func awaitBMP3(ctx context.Context, d *bus.Dev, osr byte) error {
	n := time.Duration(1) << osr
	takes := (234 + 392 + n*2020 + 163 + n*2020) * time.Microsecond * 11 / 10
	for range 6 {
		if err := bus.Sleep(ctx, takes); err != nil {
			return err
		}
		s, err := d.U8(ctx, bmp3Status)
		if err != nil || s&bmp3Ready == bmp3Ready && s != 0xff {
			return err
		}
		takes /= 2
	}
	return chip.ErrNoData
}

// bmp3Calibration are the chip's coefficients, scaled as in section 9.1.
type bmp3Calibration struct{ t1, t2, t3, p1, p2, p3, p4, p5, p6, p7, p8, p9, p10, p11 float64 }

func decodeBMP3(b []byte) bmp3Calibration {
	u := func(i int) float64 { return float64(uint16(b[i]) | uint16(b[i+1])<<8) }
	s := func(i int) float64 { return float64(int16(uint16(b[i]) | uint16(b[i+1])<<8)) }
	s8 := func(i int) float64 { return float64(int8(b[i])) }
	return bmp3Calibration{
		t1: u(0) * (1 << 8), t2: u(2) / (1 << 30), t3: s8(4) / (1 << 48),
		p1: (s(5) - 1<<14) / (1 << 20), p2: (s(7) - 1<<14) / (1 << 29), p3: s8(9) / (1 << 32), p4: s8(10) / (1 << 37),
		p5: u(11) * (1 << 3), p6: u(13) / (1 << 6), p7: s8(15) / (1 << 8), p8: s8(16) / (1 << 15),
		p9: s(17) / (1 << 48), p10: s8(19) / (1 << 48), p11: s8(20) / (1 << 65),
	}
}

// temperature in °C. Section 9.2.
func (c *bmp3Calibration) temperature(ut float64) float64 {
	d := ut - c.t1
	return d*c.t2 + d*d*c.t3
}

// pressure in Pa. Section 9.3.
func (c *bmp3Calibration) pressure(up, t float64) float64 {
	offset := c.p5 + c.p6*t + c.p7*t*t + c.p8*t*t*t
	slope := c.p1 + c.p2*t + c.p3*t*t + c.p4*t*t*t
	return offset + up*slope + up*up*(c.p9+c.p10*t) + up*up*up*c.p11
}
