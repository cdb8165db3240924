package chips

import (
	"fmt"

	"sensorgate/drivers"
	"sensorgate/drivers/i2c/chip"
)

// boschIDs are the ids of what may be at 0x76 and 0x77.
var boschIDs = map[uint32]string{
	0x55: "bmp180", 0x56: "bmp280", 0x57: "bmp280", 0x58: "bmp280", 0x60: "bme280", 0x61: "bme680",
}

// boschOversampling returns Bosch's code for averaging n measurements.
func boschOversampling(n int) (byte, error) {
	for code, v := range []int{1, 2, 4, 8, 16} {
		if v == n {
			return byte(code + 1), nil
		}
	}
	return 0, &drivers.KeyError{Key: "oversampling", Problem: fmt.Sprintf("found %d", n), Expected: "1, 2, 4, 8 or 16"}
}

type bmeOptions struct {
	chip.I2COptions
	Oversampling int `toml:"oversampling" doc:"measurements that are averaged: 1, 2, 4, 8 or 16"`
}

// Check implements drivers.Checker.
func (o *bmeOptions) Check() error {
	_, err := boschOversampling(o.Oversampling)
	return chip.JoinErrors(o.I2COptions.Check(), err)
}
