package chips

import (
	"context"
	"slices"

	"sensorgate/drivers/i2c/bus"
	"sensorgate/drivers/i2c/chip"
)

// tiIDs are the die ids of TI's chips that have the maker's id 0x5449 ("TI").
var tiIDs = map[uint32]string{
	0x2260: "ina226", 0x2270: "ina260", 0x3220: "ina3221", 0x2281: "ina228", 0x2381: "ina238", 0x3001: "opt3001", 0x1050: "hdc1080", 0x1000: "hdc1080",
}

// checkTIIDs checks the maker's id and that of the die, which must be one of dies.
func checkTIIDs(ctx context.Context, d *bus.Dev, name string, makerReg, dieReg byte, dies ...uint16) error {
	maker, err := d.U16(ctx, makerReg)
	if err != nil {
		return err
	}
	got, err := d.U16(ctx, dieReg)
	if err != nil {
		return err
	}
	// The last digit of some is the revision.
	same := func(die uint16) bool { return got&0xfff0 == die&0xfff0 }
	if maker != 0x5449 || !slices.ContainsFunc(dies, same) {
		return chip.WrongChip(name, uint32(got), tiIDs)
	}
	return nil
}
