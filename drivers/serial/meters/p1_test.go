package meters

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/driverstest"
	"sensorgate/drivers/field"
	"sensorgate/drivers/serial/framing"
	"sensorgate/drivers/serial/serialtest"
)

// telegram makes a P1 telegram of lines, with its check sum.
func telegram(lines ...string) []byte {
	body := "/ISk5\\2MT382-1000\r\n\r\n" + strings.Join(lines, "\r\n") + "\r\n!"
	sum, _ := field.Named("crc16-arc")
	return fmt.Appendf(nil, "%s%04X\r\n", body, sum.Of([]byte(body)))
}

// decodeP1 returns the readings of a telegram with their units, and its faults.
func decodeP1(t *testing.T, d *p1Decoder, p []byte) (map[string]string, []error) {
	t.Helper()
	var r framing.Results
	d.Decode(p, &r)
	return values(r.Readings), r.Faults
}

func newP1(t *testing.T, channels ...drivers.ChannelConfig) *p1Decoder {
	t.Helper()
	for _, c := range channels {
		if err := c.Options.(drivers.Checker).Check(); err != nil {
			t.Fatal(err)
		}
	}
	d, err := newP1Decoder(channels)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// What a P1 port says, line by line, and what a user sees of it.
func TestP1Values(t *testing.T) {
	for _, c := range []struct {
		what  string
		lines []string
		want  string
		fault string // of a channel; "" is none
	}{
		{"usual units", []string{"1-0:1.8.1(000004.426*kWh)", "1-0:1.7.0(00.244*kW)", "1-0:32.7.0(230.0*V)", "0-0:96.14.0(0002)"},
			"map[energy_import_t1:4.426 kWh power_import:244 W tariff:2 voltage_l1:230 V]", ""},
		{"2.027 kW are 2027 W", []string{"1-0:1.7.0(02.027*kW)"}, "map[power_import:2027 W]", ""},
		{"base units", []string{"1-0:1.8.1(005017120*Wh)", "1-0:1.7.0(000000286*W)"}, "map[energy_import_t1:5017.12 kWh power_import:286 W]", ""},
		{"a unit of another quantity", []string{"1-0:1.8.1(000004.426*m3)", "1-0:2.8.1(1*kWh)"}, "map[energy_export_t1:1 kWh]", "energy_import_t1"},
		{"no unit", []string{"1-0:1.8.1(000004.426)", "1-0:2.8.1(1*kWh)"}, "map[energy_export_t1:1 kWh]", "energy_import_t1"},
		{"gas", []string{"0-1:24.1.0(003)", "0-1:96.1.0(3232)", "0-1:24.2.1(170102161005W)(00000.107*m3)"}, "map[gas:0.107 m³]", ""},
		{"a gas meter that was lost", []string{"1-0:1.7.0(00.244*kW)", "0-1:24.1.0(003)", "0-1:24.2.1(632525252525S)(00000.000)"}, "map[power_import:244 W]", "gas"},
		{"a gas meter whose clock never ran", []string{"1-0:1.7.0(00.244*kW)", "0-1:24.1.0(003)", "0-1:24.2.1(700101010000W)(00000000)"}, "map[power_import:244 W]", "gas"},
		{"a gas meter with a time and no unit", []string{"1-0:1.7.0(00.244*kW)", "0-1:24.1.0(003)", "0-1:24.2.1(170102161005W)(00000.000)"}, "map[power_import:244 W]", "gas"},
		{"a gas meter without a time", []string{"1-0:1.7.0(00.244*kW)", "0-1:24.1.0(003)", "0-1:24.2.1(00000.107*m3)"}, "map[power_import:244 W]", "gas"},
		{"a new gas meter beside the dead one", []string{"0-1:24.1.0(003)", "0-1:24.2.1(700101010000W)(00000000)", "0-2:24.1.0(003)", "0-2:24.2.1(200426223001S)(00246.138*m3)"},
			"map[gas:246.138 m³]", ""},
		{"heat is no gas", []string{"0-1:24.1.0(004)", "0-1:24.2.1(260215200523W)(240.860*GJ)"}, "map[heat:240.86 GJ]", ""},
		{"cold", []string{"0-1:24.1.0(010)", "0-1:24.2.1(260215200523W)(0.860*GJ)"}, "map[cold:0.86 GJ]", ""},
		{"heat in kilowatt hours", []string{"0-1:24.1.0(012)", "0-1:24.2.1(260215200523W)(1000*kWh)"}, "map[heat:3.6 GJ]", ""},
		{"water is no gas", []string{"0-1:24.1.0(007)", "0-1:24.2.1(260301225227W)(00389.732*m3)"}, "map[water:389.732 m³]", ""},
		{"water in litres", []string{"0-1:24.1.0(007)", "0-1:24.2.1(260301225227W)(389732*dm3)"}, "map[water:389.732 m³]", ""},
		{"hot water and water", []string{"0-1:24.1.0(006)", "0-1:24.2.1(260301225227W)(1*m3)", "0-2:24.1.0(007)", "0-2:24.2.1(260301225227W)(2*m3)"}, "map[hot_water:1 m³ water:2 m³]", ""},
		{"a slave meter", []string{"0-4:24.1.0(002)", "0-4:24.2.1(260301225227W)(00012.5*kWh)"}, "map[energy_slave:12.5 kWh]", ""},
		{"gas on the fourth channel", []string{"0-4:24.1.0(003)", "0-4:24.2.1(260301225227W)(00012.5*m3)"}, "map[gas:12.5 m³]", ""},
		{"Belgian gas, not corrected", []string{"0-1:24.1.0(003)", "0-1:24.2.3(190529102703S)(00112.384*m3)"}, "map[gas:112.384 m³]", ""},
		{"a type nobody knows", []string{"1-0:1.7.0(00.1*kW)", "0-1:24.1.0(099)", "0-1:24.2.1(260301225227W)(1*m3)"}, "map[power_import:100 W]", ""},
		{"no type at all", []string{"1-0:1.7.0(00.1*kW)", "0-1:24.2.1(260301225227W)(1*m3)"}, "map[power_import:100 W]", ""},
		{"gas on two lines, version 3", []string{"0-1:24.1.0(3)", "0-1:24.3.0(090212160000)(00)(60)(1)(0-1:24.2.1)(m3)", "(00001.001)"}, "map[gas:1.001 m³]", ""},
		{"gas on two lines, version 2.2", []string{"0-1:24.1.0(03)", "0-1:24.3.0(120517020000)(08)(60)(1)(0-1:24.2.0)(m3)", "(00123.456)"}, "map[gas:123.456 m³]", ""},
		{"gas on one line, version 3", []string{"0-1:24.1.0(3)", "0-1:24.3.0(090212160000)(00)(60)(1)(0-1:24.2.1)(m3)(00001.001)"}, "map[gas:1.001 m³]", ""},
		{"the month's peak, with its time", []string{"1-0:1.4.0(02.351*kW)", "1-0:1.6.0(200509134558S)(02.589*kW)"}, "map[peak_month:2589 W peak_quarter:2351 W]", ""},
		{"no peak yet", []string{"1-0:1.4.0(02.351*kW)", "1-0:1.6.0(632525252525W)(00.000*kW)"}, "map[peak_quarter:2351 W]", "peak_month"},
		{"a former billing period", []string{"1-0:1.8.1(2*kWh)", "1-0:1.8.1*01(1*kWh)", "1-0:1.8.1*255(2*kWh)"}, "map[energy_import_t1:2 kWh]", ""},
	} {
		got, faults := decodeP1(t, newP1(t), telegram(c.lines...))
		if fmt.Sprint(got) != c.want {
			t.Errorf("%s: got %v, want %s", c.what, got, c.want)
		}
		if said := fmt.Sprint(faults); (c.fault == "") != (len(faults) == 0) || !strings.Contains(said, c.fault) {
			t.Errorf("%s: faults %s, want one of %q", c.what, said, c.fault)
		}
	}
}

// Two water meters have two channels, and the one that dies does not leave its name to
// the other: a total must not jump.
func TestP1TwoMetersOfAKind(t *testing.T) {
	d := newP1(t)
	both := telegram("0-1:24.1.0(007)", "0-1:24.2.1(260301225227W)(10*m3)", "0-3:24.1.0(007)", "0-3:24.2.1(260301225227W)(99*m3)")
	if got, faults := decodeP1(t, d, both); faults != nil || fmt.Sprint(got) != "map[water:10 m³ water_3:99 m³]" {
		t.Errorf("got %v, %v", got, faults)
	}
	dead := telegram("0-1:24.1.0(007)", "0-1:24.2.1(632525252525S)(00000.000)", "0-3:24.1.0(007)", "0-3:24.2.1(260301225227W)(99*m3)")
	if got, faults := decodeP1(t, d, dead); len(faults) != 1 || fmt.Sprint(got) != "map[water_3:99 m³]" {
		t.Errorf("after one died: got %v, %v, want the other under its own name and a fault", got, faults)
	}
}

// Channels of the file: by obis, with a billing period on purpose, in another unit, and as
// files for the earlier models have them.
func TestP1ChannelsOfTheFile(t *testing.T) {
	d := newP1(t,
		drivers.ChannelConfig{Name: "reactive", Unit: "var", Options: &P1Channel{OBISChannel: OBISChannel{OBIS: "1-0:3.7.0"}}},
		drivers.ChannelConfig{Name: "last_month", Options: &P1Channel{OBISChannel: OBISChannel{OBIS: "1-0:1.8.0*01"}}},
		drivers.ChannelConfig{Name: "power_import", Unit: "kW", Options: &P1Channel{}},
		drivers.ChannelConfig{Name: "gas", Unit: "l", Options: &P1Channel{}},
		drivers.ChannelConfig{Name: "old_style", Unit: "W", Options: &P1Channel{Key: "1-0:2.7.0", OBISChannel: OBISChannel{Value: field.Value{Scale: 1000}}}},
		drivers.ChannelConfig{Name: "gas_kwh", Unit: "kWh", Options: &P1Channel{OBISChannel: OBISChannel{OBIS: "0-1:24.2.1", Value: field.Value{Scale: 10}}}},
		drivers.ChannelConfig{Name: "number", Options: &P1Channel{OBISChannel: OBISChannel{OBIS: "0-0:96.1.1"}}},
	)
	lines := []string{"0-0:96.1.1(4B384547303034)", "1-0:1.8.0(10*kWh)", "1-0:1.8.0*01(9*kWh)", "1-0:1.7.0(000000286*W)", "1-0:2.7.0(00.5*kW)", "1-0:3.7.0(0.125*kvar)",
		"0-2:24.1.0(003)", "0-2:24.2.1(170102161005W)(00001.5*m3)", "0-1:24.1.0(003)", "0-1:24.2.1(170102161005W)(00000.107*m3)"}
	want := "map[energy_import:10 kWh gas:1500 l gas_kwh:1.07 kWh last_month:9 kWh number:4B384547303034 old_style:500 W power_export:500 W power_import:0.286 kW reactive:125 var]"
	if got, faults := decodeP1(t, d, telegram(lines...)); faults != nil || !strings.Contains(fmt.Sprint(got), "old_style:500 W") || fmt.Sprint(got) != want {
		t.Errorf("got %v, %v, want %s", got, faults, want)
	}
	lines[4] = "1-0:2.7.0(500*W)" // the meter was exchanged for one that prints watts
	if got, _ := decodeP1(t, d, telegram(lines...)); got["old_style"] != "500 W" {
		t.Errorf("old style: got %v, want 500 W", got["old_style"])
	}
}

func TestP1WantsItsCheckSum(t *testing.T) {
	good := telegram("1-0:1.7.0(00.244*kW)")
	for _, c := range []struct {
		what string
		crc  bool
		p    string
		ok   bool
	}{
		{"good", true, string(good), true}, {"good, and not demanded", false, string(good), true},
		{"none", true, strings.Split(string(good), "!")[0] + "!\r\n", false}, {"none, and not demanded", false, strings.Split(string(good), "!")[0] + "!\r\n", true},
		{"wrong", true, strings.Replace(string(good), "244", "245", 1), false}, {"wrong, and not demanded", false, strings.Replace(string(good), "244", "245", 1), false},
	} {
		f := p1Framer(c.crc)
		f.Push([]byte(c.p), time.Unix(1, 0))
		if _, _, err, ok := f.Next(); (ok && err == nil) != c.ok {
			t.Errorf("%s: got %v, %v", c.what, ok, err)
		}
	}
}

func TestP1Conformance(t *testing.T) {
	pushes("p1", func() any { return &P1Options{Wire: onWire, CRC: true, Silence: time.Minute} },
		telegram("1-0:1.8.1(000004.426*kWh)", "1-0:1.7.0(00.244*kW)", "0-1:24.1.0(003)", "0-1:24.2.1(170102161005W)(00000.107*m3)"),
		driverstest.Want{Channel: "energy_import_t1", Value: 4.426}, driverstest.Want{Channel: "power_import", Value: 244}, driverstest.Want{Channel: "gas", Value: 0.107}).Run(t)
}

// A port that answers with nothing that is a channel says what it has.
func TestP1TelegramWithoutAChannelSaysWhatItHas(t *testing.T) {
	far, path := serialtest.PTY(t)
	o := &P1Options{Wire: onPort(path), CRC: true, Silence: time.Minute}
	reports := serialtest.Watch(t, serialtest.Named(t, Drivers(serialtest.NoBuses, serialtest.Quiet()), "p1"), drivers.DeviceConfig{Options: o})
	far.Write(telegram("1-0:99.97.0(0)", "1-0:9.7.0(00.244*kVA)"))
	if s := serialtest.Next(t, reports); s.Err == nil || !strings.Contains(s.Err.Error(), `obis = "1-0:9.7.0" (0.244 kVA)`) {
		t.Errorf("got %v, want a fault that names what the telegram has", s)
	}
}

func FuzzP1(f *testing.F) {
	f.Add([]byte("/x\r\n0-1:24.1.0(003)\r\n0-1:24.2.1(170102161005W)(00000.107*m3)\r\n!"))
	f.Add([]byte("/x\r\n0-1:24.1.0(3)\r\n0-1:24.3.0(090212160000)(00)(60)(1)(0-1:24.2.1)(m3)\r\n(00001.001)\r\n!"))
	f.Add([]byte("1-0:1.8.1*11(1*kWh)\r\n(\r\n()\r\n)(\r\n0-0:24.1.0()"))
	f.Fuzz(func(t *testing.T, p []byte) {
		d, err := newP1Decoder(nil)
		if err != nil {
			t.Fatal(err)
		}
		var r framing.Results
		for range 2 {
			r.Reset(time.Unix(1, 0))
			d.Decode(p, &r)
			for _, rd := range r.Readings {
				if !rd.Value.Valid() {
					t.Errorf("%q: %s without a value", p, rd.Channel)
				}
			}
		}
	})
}
