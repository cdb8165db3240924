package chips

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/i2c/bus"
	"sensorgate/drivers/i2c/chip"
)

// Status bits of the AHT family. AHT20 data sheet section 5.3, table 8.
const (
	ahtBusy       = 0x80
	ahtCalibrated = 0x08
)

func aht(b *bus.Buses, name, summary string, addrs []uint16, initialize byte, checksum bool) drivers.Driver {
	return chip.Driver[*chip.I2COptions]{
		Name:      name,
		Summary:   summary,
		Addresses: addrs,
		Every:     10 * time.Second,
		Channels:  []drivers.Channel{chip.Temperature(-40, 85), chip.Humidity()},
		Needs:     chip.Need("temperature", "humidity"),
		Options:   chip.NoOptions,
		Open: func(ctx context.Context, d *bus.Dev, _ *chip.I2COptions) (chip.Read, error) {
			// Initialization, section 5.4 step 1; it loads the calibration.
			if err := d.Write(ctx, initialize, 0x08, 0x00); err != nil {
				return nil, err
			}
			if err := bus.Sleep(ctx, 20*time.Millisecond); err != nil {
				return nil, err
			}
			return func(ctx context.Context) ([]float64, error) {
				return readAHT(ctx, d, checksum)
			}, nil
		},
	}.On(b)
}

func readAHT(ctx context.Context, d *bus.Dev, checksum bool) ([]float64, error) {
	// Measure: section 5.4 step 2. It takes 80 ms; the chip says when it is done.
	if err := d.Write(ctx, 0xac, 0x33, 0x00); err != nil {
		return nil, err
	}
	n := 6
	if checksum {
		n = 7
	}
	for range 5 {
		if err := bus.Sleep(ctx, 80*time.Millisecond); err != nil {
			return nil, err
		}
		b, err := d.Read(ctx, n)
		if err != nil {
			return nil, err
		}
		if b[0]&ahtBusy != 0 {
			continue
		}
		if checksum {
			if want := byte(crcSensirion.Of(b[:6])); b[6] != want {
				return nil, fmt.Errorf("checksum is 0x%02x, expected 0x%02x", b[6], want)
			}
		}
		return decodeAHT(b)
	}
	return nil, chip.ErrNoData
}

// errNoHumidity is a humidity of exactly nothing, which air never has: some chips answer
// it, with a right temperature, when their sensor of humidity does not work.
var errNoHumidity = errors.New("reads 0 %, which air never has (wet, or broken)")

// decodeAHT takes two 20-bit numbers after the status. Section 6.
func decodeAHT(b []byte) ([]float64, error) {
	if b[0]&ahtCalibrated == 0 {
		return nil, chip.ErrReset
	}
	rh := uint32(b[1])<<12 | uint32(b[2])<<4 | uint32(b[3])>>4
	t := uint32(b[3]&0x0f)<<16 | uint32(b[4])<<8 | uint32(b[5])
	if rh == 0 && t == 0 {
		return nil, chip.ErrNoData // what the registers hold before the first measurement
	}
	celsius := float64(t)*200/(1<<20) - 50
	if rh == 0 {
		return []float64{celsius, math.NaN()}, chip.Fault("humidity", errNoHumidity)
	}
	return []float64{celsius, float64(rh) * 100 / (1 << 20)}, nil
}
