package chips

import (
	"fmt"

	"periph.io/x/conn/v3/spi"

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

// bmeSPI: bit 7 of a register's number is set to read and cleared to write; all numbers
// have it on I2C. The chip takes the first transfer with its select low as the choice of
// SPI. Four wires: bit 0 of the configuration, which it may ignore unless it sleeps.
// BST-BME280-DS002 sections 5.4.6, 6.1 and 6.3.
func bmeSPI() *chip.SPI {
	return &chip.SPI{Mode: spi.Mode0, Hertz: 10_000_000, Read: 0x80, Clear: 0x80, First: [][]byte{{bmeCtrlMeas, 0}, {bmeConfig, 0}}, ID: bmeID}
}

type bmeOptions struct {
	chip.EitherOptions
	Oversampling int `toml:"oversampling" example:"4" doc:"Measurements that are averaged: 1, 2, 4, 8 or 16."`
}

// Check implements drivers.Checker.
func (o *bmeOptions) Check() error {
	_, err := boschOversampling(o.Oversampling)
	return chip.JoinErrors(o.EitherOptions.Check(), err)
}
