package chips

import (
	"testing"

	"sensorgate/drivers"
	"sensorgate/drivers/field"
	"sensorgate/drivers/i2c/i2ctest"
)

func typed(t *testing.T, name string) (ft field.Type) {
	t.Helper()
	if err := ft.UnmarshalText([]byte(name)); err != nil {
		t.Fatal(err)
	}
	return ft
}

// describe adds channels to the suite of the described chip.
func describe(t *testing.T, e i2ctest.Suite, channels ...drivers.ChannelConfig) i2ctest.Suite {
	return withChannels(t, e, func(drivers.Driver) []drivers.ChannelConfig { return channels })
}

// An SHT3x in TOML: command, wait, words under their checksums.
func TestDescribedCommandChip(t *testing.T) {
	sum, err := field.Named("crc8-nrsc5")
	if err != nil {
		t.Fatal(err)
	}
	e := suite(Described, 0x44, func(o *describedOptions) {
		o.Write, o.Wait, o.Length, o.WordSum = field.Bytes{0x24, 0x00}, 16e6, 6, sum
	})
	e.Chip = func() i2ctest.Chip { return i2ctest.NewSHT3x(0x6666, 0x8000) }
	e.Want = air(25, 50.0008)
	e.Protected = true
	e.AsFound = "the user says what is written before a reading; a mode that nothing is said about is as it is found"
	e = describe(t, e,
		drivers.ChannelConfig{Name: "temperature", Options: &describedChannel{At: 0, Layout: field.Layout{Type: typed(t, "u16"), Value: field.Value{Scale: 175.0 / 65535, Offset: -45}}}},
		drivers.ChannelConfig{Name: "humidity", Options: &describedChannel{At: 2, Layout: field.Layout{Type: typed(t, "u16"), Value: field.Value{Scale: 100.0 / 65535}}}})
	e.Run(t)
}

// An MCP9808 in TOML: id, a setting that shows a reset, a register per channel.
func TestDescribedRegisterChip(t *testing.T) {
	e := suite(Described, 0x18, func(o *describedOptions) {
		o.ID = &answer{Write: field.Bytes{0x06}, Equals: field.Bytes{0x00, 0x54}}
		o.Init = []field.Bytes{{0x04, 0x07, 0xd0}}
		o.Settle = 300e6
		o.Settings = &answer{Write: field.Bytes{0x04}, Equals: field.Bytes{0x07, 0xd0}}
	})
	e.Chip = func() i2ctest.Chip { return i2ctest.NewMCP9808(0xdffc) }
	e.Want = celsius(-0.25)
	e.WrongChip = func(c i2ctest.Chip) { c.(*i2ctest.Thermometer).IDs[0x06] = 0x0011 }
	e.WrongID = "id is 00 11, expected 00 54"
	e.AsFound = "the user says what init writes; a mode that nothing is said about is as it is found"
	e = describe(t, e, drivers.ChannelConfig{Name: "temperature", Unit: "°C", Options: &describedChannel{
		Register: field.Bytes{0x05},
		Layout:   field.Layout{Type: typed(t, "s16"), Bits: &[]int{0, 12}, Value: field.Value{Scale: 1.0 / 16}},
	}})
	e.Run(t)
}

func TestDescribedOptions(t *testing.T) {
	for name, o := range map[string]description{
		"length":   {Write: field.Bytes{1}},
		"too long": {Length: 300},
		"settings": {Settings: &answer{Equals: field.Bytes{1}}},
		"mask":     {ID: &answer{Equals: field.Bytes{1, 2}, Mask: field.Bytes{1}}},
	} {
		if err := (&describedOptions{description: o}).Check(); err == nil {
			t.Errorf("%s: nothing to say", name)
		}
	}
}
