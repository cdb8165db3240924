package chips

import (
	"math"
	"testing"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/adapter"
	"sensorgate/drivers/driverstest"
	"sensorgate/drivers/spi/bus"
	"sensorgate/drivers/spi/spitest"
)

func w(channel string, value, within float64) driverstest.Want {
	return driverstest.Want{Channel: channel, Value: value, Within: within}
}

func TestMCP3xxx(t *testing.T) {
	for _, c := range []struct {
		driver func(*bus.Buses) drivers.Driver
		bits   int
		code   map[string]int
	}{
		{MCP3008, 10, map[string]int{"0": 512, "7": 1023, "2-3": 256, "5": 0}},
		{MCP3208, 12, map[string]int{"0": 2048, "7": 4095, "2-3": 1024, "5": 0}},
	} {
		full := float64(int(1) << c.bits)
		s := spitest.Suite{
			Driver: c.driver, Chip: func() spitest.Chip { return &spitest.MCP3xxx{Bits: c.bits, Code: c.code} },
			ZeroIsAValue: "0 V is all zeros",
			Want:         []driverstest.Want{w("half", 1.65, 1e-9), w("top", 3.3*(full-1)/full, 1e-9), w("pair", 0.625, 1e-9), w("none", 0, 0)},
			Configure: func(d drivers.Driver, dc *drivers.DeviceConfig) {
				for i, name := range []string{"half", "top", "pair", "none"} {
					o := d.ChannelOptions().(*mcpInput)
					o.Input, o.Reference = []string{"0", "7", "2-3", "5"}[i], adapter.Volt([]float64{3.3, 3.3, 2.5, 3.3}[i])
					if err := o.Check(); err != nil {
						t.Error(err)
					}
					dc.Channels = append(dc.Channels, drivers.ChannelConfig{Name: name, Options: o})
				}
			},
		}
		s.Run(t)
	}
	o := MCP3004(nil).ChannelOptions().(*mcpInput)
	for _, bad := range []string{"4", "0-2", "A0"} {
		if o.Input, o.Reference = bad, 3.3; o.Check() == nil {
			t.Errorf("mcp3004: input %s is accepted", bad)
		}
	}
}

// DS21697: a difference has a sign and twelve bits, the reference being 4096; a voltage against
// ground uses no more than the twelve. The highest code is 4095 and the lowest -4096.
func TestMCP3304(t *testing.T) {
	inputs := []string{"0", "7", "2-3", "3-2", "4-5", "5-4"}
	codes := []int{2048, 4095, 1024, -1024, -4096, -1}
	code := map[string]int{}
	var want []driverstest.Want
	for i, input := range inputs {
		code[input] = codes[i]
		want = append(want, w("v"+input, []float64{1.25, 2.5 * 4095 / 4096, 0.625, -0.625, -2.5, -2.5 / 4096}[i], 1e-9))
	}
	spitest.Suite{
		Driver: MCP3304, Chip: func() spitest.Chip { return &spitest.MCP3xxx{Bits: 13, Code: code} },
		ZeroIsAValue: "0 V is all zeros", Want: want,
		Configure: func(d drivers.Driver, dc *drivers.DeviceConfig) {
			for _, input := range inputs {
				o := d.ChannelOptions().(*mcpInput)
				o.Input, o.Reference = input, 2.5
				if err := o.Check(); err != nil {
					t.Error(err)
				}
				dc.Channels = append(dc.Channels, drivers.ChannelConfig{Name: "v" + input, Options: o})
			}
		},
	}.Run(t)
	o := MCP3302(nil).ChannelOptions().(*mcpInput)
	if o.Input, o.Reference = "4-5", 2.5; o.Check() == nil {
		t.Error("mcp3302: input 4-5 is accepted")
	}
}

// DS21950 section 5.1: the code of the reference is 2^21, and what is beyond it, by 12 % at most, is
// shown by two bits of its own.
func TestMCP355x(t *testing.T) {
	for name, c := range map[string]struct {
		driver func(*bus.Buses) drivers.Driver
		takes  time.Duration
	}{
		"mcp3550-50": {MCP3550, 83 * time.Millisecond}, "mcp3550-60": {MCP3550, 69 * time.Millisecond},
		"mcp3551": {MCP3551, 75 * time.Millisecond}, "mcp3553": {MCP3553, 18 * time.Millisecond},
	} {
		code := func(n int) func(spitest.Chip) {
			return func(c spitest.Chip) { c.(*spitest.MCP355x).Code = n }
		}
		volts := func(v float64) []driverstest.Want { return []driverstest.Want{w("voltage", v, 1e-9)} }
		t.Run(name, spitest.Suite{
			Driver: c.driver, Chip: func() spitest.Chip { return &spitest.MCP355x{Code: 1 << 20, Takes: c.takes} },
			Want:      volts(1.25),
			Configure: func(_ drivers.Driver, dc *drivers.DeviceConfig) { dc.Options.(*mcp355xOptions).Reference = 2.5 },
			States: []spitest.State{
				{Name: "nothing", Set: code(0), Want: volts(0)},
				{Name: "one below", Set: code(-1), Want: volts(-2.5 / (1 << 21))},
				{Name: "the highest", Set: code(1<<21 - 1), Want: volts(2.5 - 2.5/(1<<21))},
				{Name: "the reference", Set: code(1 << 21), Want: volts(2.5)},
				{Name: "the lowest", Set: code(-1 << 21), Want: volts(-2.5)},
				{Name: "beyond", Set: code(-1<<21 - 2), Want: volts(-2.5 - 5.0/(1<<21))},
				{Name: "both", Set: func(c spitest.Chip) { c.(*spitest.MCP355x).Both = true }, Err: "above and below"},
				{Name: "never ready", Set: func(c spitest.Chip) { c.(*spitest.MCP355x).Takes = time.Hour }, Err: "powered?"},
			},
		}.Run)
	}
	for text, code := range map[[3]byte]int{
		{0x60, 0, 1}: 2097153, {0x1f, 0xff, 0xff}: 2097151, {0x3f, 0xff, 0xfe}: -2, {0x20, 0, 0}: -2097152, {0x9f, 0xff, 0xff}: -2097153,
	} {
		if got, err := decodeMCP355x(text[:]); err != nil || got != code {
			t.Errorf("% x: %d, %v; want %d", text, got, err, code)
		}
	}
	if (&mcp355xOptions{Reference: 24}).Check() == nil {
		t.Error("a reference of 24 V is accepted")
	}
}

// NIST Monograph 175's tables, in millivolts, a microvolt being their last digit.
func TestThermocoupleTables(t *testing.T) {
	for kind, points := range map[string]map[float64]float64{
		"K": {-200: -5.891, -100: -3.554, 0: 0, 25: 1.000, 100: 4.096, 500: 20.644, 1000: 41.276, 1372: 54.886},
		"J": {-210: -8.095, -100: -4.633, 100: 5.269, 500: 27.393, 760: 42.919},
		"N": {-200: -3.990, -100: -2.407, 100: 2.774, 1000: 36.256, 1300: 47.513},
		"T": {-200: -5.603, -100: -3.379, 100: 4.279, 400: 20.872},
		"E": {-200: -8.825, -100: -5.237, 100: 6.319, 1000: 76.373},
	} {
		for celsius, mv := range points {
			if got := emfs[kind].at(celsius); math.Abs(got-mv) > 0.00051 {
				t.Errorf("type %s at %v °C: %.4f mV, want %.3f", kind, celsius, got, mv)
			}
			if back := emfs[kind].temperature(emfs[kind].at(celsius)); math.Abs(back-celsius) > 1e-3 && !math.IsNaN(back) {
				t.Errorf("type %s: %v °C comes back as %v", kind, celsius, back)
			}
		}
	}
}

// word makes the MAX31855's answer of what it shows.
func word(thermocouple, ambient float64, fault uint32) uint32 {
	w := uint32(int32(thermocouple*4))<<18 | uint32(uint16(int16(ambient*16))<<4) | fault
	if fault != 0 {
		w |= 1 << 16
	}
	return w
}

// Data sheet 19-5793, tables 4 and 5.
func TestMAX31855Words(t *testing.T) {
	o := &max31855Options{Type: "K", Linear: true}
	for _, c := range []struct {
		bytes         [4]byte
		hot, junction float64
	}{
		{[4]byte{0x64, 0x00, 0x7f, 0x00}, 1600, 127}, {[4]byte{0x3e, 0x80, 0x64, 0x90}, 1000, 100.5625},
		{[4]byte{0x06, 0x4c, 0x19, 0x00}, 100.75, 25}, {[4]byte{0xff, 0xfc, 0xff, 0xf0}, -0.25, -0.0625},
		{[4]byte{0xff, 0xf0, 0xff, 0x00}, -1, -1}, {[4]byte{0xf0, 0x60, 0xc9, 0x00}, -250, -55},
	} {
		got, err := decodeMAX31855(c.bytes[:], o)
		if err != nil || got[0] != c.hot || got[1] != c.junction {
			t.Errorf("% x: %v, %v; want %v and %v", c.bytes, got, err, c.hot, c.junction)
		}
	}
}

func TestMAX31855(t *testing.T) {
	ambient := []driverstest.Want{w("ambient", 25, 1e-9)}
	set := func(w uint32) func(spitest.Chip) {
		return func(c spitest.Chip) { c.(*spitest.MAX31855).Word = w }
	}
	// 1000 °C are 41.276 mV, of which 1.000 are missing at 25 °C: (40.276/0.041276) + 25.
	hot, cold := (41.276-1.000)/0.041276+25, (-3.554-1.000)/0.041276+25
	spitest.Suite{
		Driver: MAX31855, Chip: func() spitest.Chip { return &spitest.MAX31855{Word: word(hot, 25, 0)} },
		Want: []driverstest.Want{w("temperature", 1000, 0.3), ambient[0]},
		States: []spitest.State{
			{Name: "-100 °C, which the chip shows as -85.25", Set: set(word(cold, 25, 0)), Want: []driverstest.Want{w("temperature", -100, 0.4), ambient[0]}},
			{Name: "not connected", Set: set(word(0, 25, 1)), Want: ambient, Err: "temperature: the thermocouple is not connected"},
			{Name: "at ground", Set: set(word(0, 25, 2)), Want: ambient, Err: "touches ground"},
			{Name: "at the supply", Set: set(word(0, 25, 4)), Want: ambient, Err: "touches the supply"},
			{Name: "another chip", Set: set(word(20, 25, 0) | 1<<17), Err: "no answer of a MAX31855"},
			{Name: "beyond", Set: set(word(1600, 25, 0)), Want: ambient, Err: "beyond a thermocouple of type K"},
		},
	}.Run(t)
	spitest.Suite{
		Driver: MAX31855, Chip: func() spitest.Chip { return &spitest.MAX31855{Word: word(hot, 25, 0)} },
		Want:      []driverstest.Want{w("temperature", 1000.75, 0.01), ambient[0]},
		Configure: func(_ drivers.Driver, c *drivers.DeviceConfig) { c.Options.(*max31855Options).Linear = true },
	}.Run(t)
}

// Data sheet 19-2235, "Serial interface": 12 bits of 0.25 °C from bit 14 on.
func TestMAX6675(t *testing.T) {
	set := func(w uint16) func(spitest.Chip) {
		return func(c spitest.Chip) { c.(*spitest.MAX6675).Word = w }
	}
	spitest.Suite{
		Driver: MAX6675, Chip: func() spitest.Chip { return &spitest.MAX6675{Word: 401 << 3} },
		Want: []driverstest.Want{w("temperature", 100.25, 1e-9)},
		States: []spitest.State{
			{Name: "the hottest", Set: set(0x7ff8), Want: []driverstest.Want{w("temperature", 1023.75, 1e-9)}},
			{Name: "bit 0 is not driven", Set: set(401<<3 | 1), Want: []driverstest.Want{w("temperature", 100.25, 1e-9)}},
			{Name: "not connected", Set: set(401<<3 | 4), Err: "temperature: the thermocouple is not connected"},
			{Name: "another chip", Set: set(0x8008), Err: "no answer of a MAX6675"},
			{Name: "colder than it can measure", Set: set(0), Err: "exactly 0 °C"},
		},
	}.Run(t)
}

// Data sheet 19-7534: 1/128 °C in 19 bits, 1/64 °C in 14.
func TestMAX31856(t *testing.T) {
	junction := w("ambient", 25.5, 1e-9)
	set := func(celsius float64, status byte) func(spitest.Chip) {
		return func(c spitest.Chip) {
			c.(*spitest.MAX31856).Thermocouple, c.(*spitest.MAX31856).Status = celsius, status
		}
	}
	spitest.Suite{
		Driver: MAX31856, Chip: func() spitest.Chip { return spitest.NewMAX31856(100.5, 25.5) },
		Want: []driverstest.Want{w("temperature", 100.5, 1e-9), junction},
		States: []spitest.State{
			{Name: "below zero", Set: set(-100.25, 0), Want: []driverstest.Want{w("temperature", -100.25, 1e-9), junction}},
			{Name: "open", Set: set(0, 0x01), Want: []driverstest.Want{junction}, Err: "temperature: the thermocouple is not connected"},
			{Name: "voltage", Set: set(0, 0x02), Want: []driverstest.Want{junction}, Err: "beyond the supply"},
			{Name: "beyond the type", Set: set(0, 0x40), Want: []driverstest.Want{junction}, Err: "beyond what the type"},
			{Name: "a limit that is not used", Set: set(20, 0x08), Want: []driverstest.Want{w("temperature", 20, 1e-9), junction}},
		},
	}.Run(t)
}

// IEC 60751's table: 100 Ω at 0 °C, 138.51 at 100, 60.26 at -100, 18.52 at -200, 390.48 at 850.
func TestPlatinum(t *testing.T) {
	for celsius, ohms := range map[float64]float64{0: 100, 100: 138.51, -100: 60.26, -200: 18.52, 850: 390.48, 25: 109.73} {
		if got := platinum(ohms / 100); math.Abs(got-celsius) > 0.02 {
			t.Errorf("%v Ω: %.3f °C, want %v", ohms, got, celsius)
		}
	}
}

func TestMAX31865(t *testing.T) {
	code := func(ohms float64) uint16 { return uint16(math.Round(ohms * 32768 / 430)) }
	set := func(ohms float64, fault byte) func(spitest.Chip) {
		return func(c spitest.Chip) {
			c.(*spitest.MAX31865).Code, c.(*spitest.MAX31865).Fault = code(ohms), fault
		}
	}
	at := func(celsius, ohms float64) []driverstest.Want {
		return []driverstest.Want{w("temperature", celsius, 0.05), w("resistance", ohms, 0.01)}
	}
	spitest.Suite{
		Driver: MAX31865, Chip: func() spitest.Chip { return spitest.NewMAX31865(code(138.51)) },
		Want:      at(100, 138.51),
		Configure: func(_ drivers.Driver, c *drivers.DeviceConfig) { c.Options.(*max31865Options).Wires = 3 },
		States: []spitest.State{
			{Name: "-100 °C", Set: set(60.26, 0), Want: at(-100, 60.26)},
			{Name: "a wire is open", Set: set(60, 0x08), Err: "FORCE- is open"},
			{Name: "not connected", Set: set(400, 0x20), Err: "is the resistor connected"},
			{Name: "shorted", Set: set(0, 0), Err: "reads as nothing"},
			{Name: "hotter than it can be", Set: set(420, 0), Err: "temperature: ", Want: at(0, 420)[1:]},
		},
	}.Run(t)
}
