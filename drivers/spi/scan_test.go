package spi

import (
	"slices"
	"testing"

	"periph.io/x/conn/v3/spi"

	"sensorgate/drivers/i2c/i2ctest"
	"sensorgate/drivers/spi/bus"
	"sensorgate/drivers/spi/spitest"
)

func bme(id byte) *i2ctest.BME280 {
	return i2ctest.NewBME280(id, make([]byte, 26), make([]byte, 7), make([]byte, 8))
}

// Chips with ids are sure, those with a form of their own a guess, and nothing is nothing.
func TestScanNamesTheChips(t *testing.T) {
	for name, c := range map[string]struct {
		chip spitest.Chip
		sure bool
		mode spi.Mode
	}{
		"bme280":   {i2ctest.OverSPI{Chip: bme(0x60), Read: 0x80, High: 0x80, Pairs: true}, true, spi.Mode0},
		"bmp280":   {i2ctest.OverSPI{Chip: bme(0x58), Read: 0x80, High: 0x80, Pairs: true}, true, spi.Mode0},
		"adxl345":  {i2ctest.OverSPI{Chip: i2ctest.NewADXL345(0, 256), Read: 0x80, Burst: 0x40}, true, spi.Mode3},
		"mcp3008":  {&spitest.MCP3xxx{Bits: 10, Code: map[string]int{"0": 512}}, false, spi.Mode0},
		"mcp3208":  {&spitest.MCP3xxx{Bits: 12, Code: map[string]int{"0": 512}}, false, spi.Mode0},
		"max31856": {spitest.NewMAX31856(100, 25), false, spi.Mode1},
		"max31865": {spitest.NewMAX31865(10000), false, spi.Mode1},
		"max31855": {&spitest.MAX31855{Word: 400<<20 | 25<<8}, false, spi.Mode0},
	} {
		sel := spitest.NewSelect(c.chip)
		sel.Only(c.mode)
		buses, ctx, end := spitest.Start(t, sel)
		f, err := Scan(ctx, buses, Addr{})
		if err != nil || f.Chip != name || f.Sure != c.sure {
			t.Errorf("%s: %+v, %v", name, f, err)
		}
		end()
	}
	for _, v := range []int{0x00, 0xff} {
		s := spitest.NewSelect(&spitest.MAX31855{})
		s.Float(v)
		buses, ctx, end := spitest.Start(t, s)
		if f, err := Scan(ctx, buses, Addr{}); err != nil || f.Chip != "" || f.Note == "" {
			t.Errorf("nothing there: %+v, %v", f, err)
		}
		end()
	}
}

// A scan leaves the registers of every chip as they were.
func TestScanChangesNothing(t *testing.T) {
	regs := i2ctest.NewADXL345(0, 256)
	before := regs.Reg
	m56 := spitest.NewMAX31856(100, 25)
	before56 := m56.Reg
	for _, c := range []spitest.Chip{i2ctest.OverSPI{Chip: regs, Read: 0x80, Burst: 0x40}, m56} {
		buses, ctx, end := spitest.Start(t, spitest.NewSelect(c))
		if _, err := Scan(ctx, buses, bus.Addr{}); err != nil {
			t.Error(err)
		}
		end()
	}
	if !slices.Equal(before[1:], regs.Reg[1:]) || m56.Reg != before56 { // the ADXL345's register 0 is only read
		t.Error("the scan changed a register")
	}
}
