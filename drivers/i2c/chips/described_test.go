package chips

import (
	"testing"

	"sensorgate/drivers"
	"sensorgate/drivers/driverstest"
	"sensorgate/drivers/driverstest/i2cmodel"
	"sensorgate/drivers/field"
)

func typed(t *testing.T, name string) (ft field.Type) {
	t.Helper()
	if err := ft.UnmarshalText([]byte(name)); err != nil {
		t.Fatal(err)
	}
	return ft
}

// describe adds channels to an exam of the described chip.
func describe(t *testing.T, e driverstest.I2CExam, channels ...drivers.ChannelConfig) driverstest.I2CExam {
	site := e.Config
	e.Config = func(d drivers.Driver) drivers.DeviceConfig {
		s := site(d)
		if err := s.Options.(drivers.Checker).Check(); err != nil {
			t.Error(err)
		}
		s.Channels = channels
		return s
	}
	return e
}

// An SHT3x in TOML: command, wait, words under their checksums.
func TestDescribedCommandChip(t *testing.T) {
	sum, err := field.Named("crc8-nrsc5")
	if err != nil {
		t.Fatal(err)
	}
	e := sit(Described, 0x44, func(o *describedOptions) {
		o.Write, o.Wait, o.Length, o.WordSum = field.Bytes{0x24, 0x00}, 16e6, 6, sum
	})
	e.Chip = func() driverstest.I2CChip { return i2cmodel.NewSHT3x(0x6666, 0x8000) }
	e.Want = air(25, 50.0008)
	e.Protected = true
	e = describe(t, e,
		drivers.ChannelConfig{Name: "temperature", Options: &describedChannel{At: 0, Layout: field.Layout{Type: typed(t, "u16"), Value: field.Value{Scale: 175.0 / 65535, Offset: -45}}}},
		drivers.ChannelConfig{Name: "humidity", Options: &describedChannel{At: 2, Layout: field.Layout{Type: typed(t, "u16"), Value: field.Value{Scale: 100.0 / 65535}}}})
	e.Run(t)
}

// An MCP9808 in TOML: id, a setting that shows a reset, a register per channel.
func TestDescribedRegisterChip(t *testing.T) {
	e := sit(Described, 0x18, func(o *describedOptions) {
		o.ID = &answer{Write: field.Bytes{0x06}, Equals: field.Bytes{0x00, 0x54}}
		o.Init = []field.Bytes{{0x04, 0x07, 0xd0}}
		o.Settle = 300e6
		o.Settings = &answer{Write: field.Bytes{0x04}, Equals: field.Bytes{0x07, 0xd0}}
	})
	e.Chip = func() driverstest.I2CChip { return i2cmodel.NewMCP9808(0xdffc) }
	e.Want = celsius(-0.25)
	e.WrongChip = func(c driverstest.I2CChip) { c.(*i2cmodel.Thermometer).IDs[0x06] = 0x0011 }
	e.WrongID = "id is 00 11, expected 00 54"
	e = describe(t, e, drivers.ChannelConfig{Name: "temperature", Unit: "°C", Options: &describedChannel{
		Register: field.Bytes{0x05},
		Layout:   field.Layout{Type: typed(t, "s16"), Bits: &[]int{0, 12}, Value: field.Value{Scale: 1.0 / 16}},
	}})
	e.Run(t)
}

func TestDescribedOptions(t *testing.T) {
	for name, o := range map[string]*describedOptions{
		"length":   {Write: field.Bytes{1}},
		"too long": {Length: 300},
		"settings": {Settings: &answer{Equals: field.Bytes{1}}},
		"mask":     {ID: &answer{Equals: field.Bytes{1, 2}, Mask: field.Bytes{1}}},
	} {
		if err := o.Check(); err == nil {
			t.Errorf("%s: nothing to say", name)
		}
	}
}
