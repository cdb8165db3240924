package meters

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/field"
)

// mbusFrame makes a long frame from address 5: CI, and what stands behind it.
func mbusFrame(ci byte, data ...byte) []byte {
	body := append([]byte{mbusRspUD, 5, ci}, data...)
	frame := append([]byte{mbusLong, byte(len(body)), byte(len(body)), mbusLong}, body...)
	var sum byte
	for _, b := range body {
		sum += b
	}
	return append(frame, sum, mbusStop)
}

// records decodes frames of one read-out: name=value unit, faults as name!.
func records(t *testing.T, frames ...[]byte) (string, error) {
	t.Helper()
	var all mbusTelegram
	var errs []error
	for _, f := range frames {
		found, _ := findMBus(f, mbusAnybody)
		if found == nil {
			t.Fatalf("no frame in % X", f)
		}
		errs = append(errs, all.decode(found))
	}
	var list []string
	for _, r := range all.records {
		text := r.name + "=" + strings.TrimSpace(r.value.String()+" "+r.unit)
		if r.fault != nil {
			text = r.name + "!"
		}
		if r.usual {
			text += "*"
		}
		list = append(list, text)
	}
	return strings.Join(list, " "), errors.Join(errs...)
}

// A heat meter that gives heat back: −200 W, not 200 W.
func TestMBusNegativeBCD(t *testing.T) {
	frame := hexBytes(t, "68 3a 3a 68 08 01 72 78 56 34 12 a7 32 04 04 01 00 00 00 0c 06 77 42 02 00 0c 14 39 99 56 00 0b 2d 02 00 f0 0b 3b 30 18 00 0a 5a 51 03 0a 5e 52 03 02 fd 17 00 00 06 6d 0c 08 0a f4 25 00 73 16")
	got, err := records(t, frame)
	for _, want := range []string{"id=12345678", "power=-200 W*", "energy=24277 kWh*", "volume=5699.39 m³*", "flow=1.83 m³/h*", "flow_temperature=35.1 °C*", "return_temperature=35.2 °C*", "error_flags=0", "datetime=2023-05-20T10:08:12"} {
		if !strings.Contains(" "+got+" ", " "+want+" ") {
			t.Errorf("got %s, %v, want %s", got, err, want)
		}
	}
	for data, want := range map[string]string{
		"0b 61 18 00 f0": "temperature_difference=-0.18 K*", "0b 62 02 00 f0": "temperature_difference=-0.2 K*", "0b 2d 02 00 00": "power=200 W*",
		"09 28 f1": "power=-0.001 W*", "0e 2b 00 00 00 00 00 f0": "power=0 W*", "0b 2d 02 0a 00": "power!*", "0b 2d dd dd dd": "power!*",
	} {
		if got, err := records(t, mbusFrame(0x78, hexBytes(t, data)...)); err != nil || got != want {
			t.Errorf("%s: got %s, %v, want %s", data, got, err, want)
		}
	}
}

// A unit that is written out stands right behind the VIF, and the VIFEs behind it.
func TestMBusUnitWrittenOut(t *testing.T) {
	frame := hexBytes(t, "68 53 53 68 08 0B 72 61 15 01 24 96 15 16 00 3F 00 00 00 01 FD 1B 02 02 FC 03 48 52 25 74 22 15 22 FC 03 48 52 25 74 24 0D 12 FC 03 48 52 25 74 C3 1C 02 65 2E 08 22 65 5C 05 12 65 A2 0B 01 72 18 42 65 2C 08 82 01 65 1F 08 0C 78 61 15 01 24 03 FD 0F 00 00 04 1F BD 16")
	got, err := records(t, frame)
	for _, want := range []string{"digital_input=2", "humidity=54.1 %*", "humidity_min=33.64 %", "humidity_max=73.63 %", "external_temperature=20.94 °C*", "external_temperature_min=13.72 °C",
		"external_temperature_max=29.78 °C", "averaging_time=24 h", "external_temperature_s1=20.92 °C", "external_temperature_s2=20.79 °C", "fabrication_number=24011561", "software_version=040000"} {
		if !strings.Contains(" "+got+" ", " "+want+" ") {
			t.Errorf("got %s, %v, want %s", got, err, want)
		}
	}
	// Without a VIFE, and with a text that has to be made a name.
	if got, err := records(t, mbusFrame(0x78, hexBytes(t, "02 7C 03 2F 62 61 10 00")...)); err != nil || got != "in_ab=16 ab/" {
		t.Errorf("got %s, %v", got, err)
	}
}

// Several records of one kind in one telegram: total, L1, L2, L3 of a three-phase meter.
func TestMBusRecordsOfTheSameKindAreNumbered(t *testing.T) {
	p := hexBytes(t, "0b 2a 10 00 00 0b 2a 20 00 00 0b 2a 30 00 00 0b 2a 40 00 00")
	got, err := records(t, mbusFrame(0x78, append(append([]byte(nil), p...), difMore)...), mbusFrame(0x78, p...))
	want := "power=1 W* power_2=2 W power_3=3 W power_4=4 W power_5=1 W power_6=2 W power_7=3 W power_8=4 W"
	if err != nil || got != want {
		t.Errorf("got %s, %v, want %s", got, err, want)
	}
}

// Tables FB and FD, VIFEs, lengths, types: what comes out of one record each.
func TestMBusRecords(t *testing.T) {
	for _, c := range []struct{ what, data, want string }{
		{"voltage", "02 FD 48 0A 09", "voltage=231.4 V*"},
		{"current", "02 FD 59 E8 03", "current=1 A*"},
		{"voltage of a phase", "02 FD C8 FC 01 0A 09", "voltage_l1=231.4 V*"},
		{"voltage between phases", "02 FD C8 FC 05 A0 0F", "voltage_l1_l2=400 V*"},
		{"power of a phase", "04 AB FC 02 10 27 00 00", "power_l2=10000 W*"},
		{"frequency", "02 FB 2D 88 13", "frequency=50 Hz*"},
		{"apparent power", "02 FB 34 64 00", "apparent_power=100 VA*"},
		{"reactive power", "02 FB 14 9C FF", "reactive_power=-100 var*"},
		{"reactive energy", "04 FB 02 64 00 00 00", "reactive_energy=100 kvarh*"},
		{"energy in MWh", "04 FB 00 39 30 00 00", "energy=1234500 kWh*"},
		{"energy in GJ", "04 FB 09 24 00 00 00", "energy=10000 kWh*"},
		{"energy in kJ", "04 0B 10 0E 00 00", "energy=1 kWh*"},
		{"humidity", "02 FB 1A 1E 02", "humidity=54.2 %*"},
		{"volume in 100 m³", "02 FB 10 05 00", "volume=500 m³*"},
		{"flow in m³/min", "02 43 10 27", "flow=60 m³/h*"},
		{"power in J/h", "04 33 40 77 1B 00", "power=500000 W*"},
		{"what nobody has a table for", "02 FD 71 AB 00 01 2D 07", "radio_level=171 dBm power=700 W*"},
		{"an unknown VIFE, and the next record", "02 AD 7A 01 00 01 2D 07", "unknown_ad7a=0100 power=700 W*"},
		{"an unknown VIF, and the next record", "02 FD 7E 01 00 01 2D 07", "unknown_fd7e=0100 power=700 W*"},
		{"a maker's own VIF", "02 FF 13 01 00 01 2D 07", "unknown_ff13=0100 power=700 W*"},
		{"a factor", "02 AD 74 07 00", "power=7 W*"},
		{"a factor of a thousand", "02 AB 7D 07 00", "power=7000 W*"},
		{"forward and backward", "02 86 3B 07 00 02 86 3C 08 00", "energy_forward=7 kWh energy_backward=8 kWh"},
		{"a value per hour", "02 86 22 07 00", "energy_per_hour=7 kWh"},
		{"a limit", "02 AD 40 07 00", "power_lower_limit=700 W"},
		{"no value, says the meter", "02 AD 15 07 00", "power!*"},
		{"maximum and minimum", "12 2D 07 00 22 2D 08 00 32 2D 09 00", "power_max=700 W power_min=800 W power_error=900 W"},
		{"tariffs, storage, subunit", "02 06 01 00 82 10 06 02 00 82 20 06 03 00 42 06 04 00 82 01 06 05 00 82 40 06 06 00", "energy=1 kWh* energy_t1=2 kWh energy_t2=3 kWh energy_s1=4 kWh energy_s2=5 kWh energy_u1=6 kWh"},
		{"a real number", "05 2E 00 00 28 42", "power=42000 W*"},
		{"a real number that is none", "05 2E 00 00 C0 7F 01 2D 07", "power=W* power_2=700 W"},
		{"BCD of variable length", "0D 06 C2 34 12", "energy=1234 kWh*"},
		{"negative BCD of variable length", "0D 2D D2 34 12", "power=-123400 W*"},
		{"binary of variable length", "0D 06 E3 01 00 01", "energy=65537 kWh*"},
		{"too long a number, and the next record", "0D 06 F0 01 02 03 04 05 06 07 08 09 0A 0B 0C 0D 0E 0F 10 01 2D 07", "energy!* power=700 W*"},
		{"a text", "0D FD 0C 05 33 2E 31 2D 41 01 2D 07", "model_version=A-1.3 power=700 W*"},
		{"a date", "02 6C 75 24", "date=2019-04-21"},
		{"date and time", "04 6D 1E 0B 75 24", "datetime=2019-04-21T11:30"},
		{"a time that the meter marks as wrong", "04 6D 9E 0B 75 24", "datetime!"},
		{"no date", "02 6C FF FF", "date!"},
		{"battery life", "02 FD 74 E8 03", "battery_life=1000 d"},
		{"selected, without data", "08 06 01 2D 07", "power=700 W*"},
		{"filler", "2F 2F 01 2D 07 2F", "power=700 W*"},
		{"a maker's block", "01 2D 07 0F 01 02 03", "power=700 W*"},
		{"Fahrenheit", "02 FB 67 48 00", "external_temperature=72 °F"},
	} {
		if got, err := records(t, mbusFrame(0x78, hexBytes(t, c.data)...)); err != nil || got != c.want {
			t.Errorf("%s: got %s, %v, want %s", c.what, got, err, c.want)
		}
	}
}

// What cannot be read on costs what is behind it, and says so; what was before it counts.
func TestMBusRecordsCutShort(t *testing.T) {
	for _, c := range []struct{ what, data, want, err string }{
		{"data", "01 2D 07 04 06 01", "power=700 W*", "cut short"}, {"a VIF", "01 2D 07 04", "power=700 W*", "cut short"}, {"VIFEs", "01 2D 07 04 FD", "power=700 W*", "cut short"},
		{"DIFEs", "01 2D 07 84 80", "power=700 W*", "cut short"}, {"a text", "01 2D 07 0D 78 09 41", "power=700 W*", "cut short"}, {"a unit", "01 2D 07 04 7C 09 41", "power=700 W*", "cut short"},
		{"a length that is reserved", "01 2D 07 0D 06 FF 01 01 2D 07", "power=700 W*", "reserves"}, {"a length", "01 2D 07 0D 06", "power=700 W*", "cut short"},
	} {
		if got, err := records(t, mbusFrame(0x78, hexBytes(t, c.data)...)); got != c.want || err == nil || !strings.Contains(err.Error(), c.err) {
			t.Errorf("%s: got %s, %v, want %s and an error with %q", c.what, got, err, c.want, c.err)
		}
	}
	for _, c := range []struct {
		frame []byte
		err   string
	}{
		{mbusFrame(0x72, 1, 2, 3), "header cut short"}, {mbusFrame(0x73, 1, 2, 3), "cut short"}, {mbusFrame(0x70, 8), "reports an error"}, {mbusFrame(0x51), "not data"},
		{mbusFrame(0x72, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10, 0x05, 1, 2, 3, 4), "encrypted"}, {mbusFrame(0x7A, 0, 0, 0x10, 0x05, 1, 2), "encrypted"},
	} {
		if got, err := records(t, c.frame); err == nil || !strings.Contains(err.Error(), c.err) {
			t.Errorf("% X: got %s, %v, want an error with %q", c.frame, got, err, c.err)
		}
	}
}

// The fixed structure of old meters. The first is the example of "The M-Bus: a
// documentation", 6.3.2: a water meter of 1 l, 135 l at the fixed date.
func TestMBusFixedStructure(t *testing.T) {
	for _, c := range []struct{ what, data, want string }{
		{"water", "78 56 34 12 0A 00 E9 7E 01 00 00 00 35 01 00 00", "id=12345678 medium=7 volume=0.001 m³* volume_s1=0.135 m³"},
		{"heat", "78 56 34 12 0A 04 05 69 77 42 02 00 39 99 56 00", "id=12345678 medium=4 energy=24277 kWh* volume=569.939 m³*"}, // 69: litres, medium 4
		{"binary", "78 56 34 12 0A 01 05 69 FF 00 00 00 10 00 00 00", "id=12345678 medium=4 energy=255 kWh* volume=0.016 m³*"},
		{"at a fixed date", "78 56 34 12 0A 02 05 69 77 42 02 00 39 99 56 00", "id=12345678 medium=4 energy_s1=24277 kWh volume_s1=569.939 m³"},
	} {
		frame := mbusFrame(0x73, hexBytes(t, c.data)...)
		got, err := records(t, frame)
		var list []string
		for _, r := range strings.Fields(strings.ReplaceAll(got, " m³", "~m³")) {
			if !strings.HasPrefix(r, "battery_low") && !strings.HasPrefix(r, "permanent") && !strings.HasPrefix(r, "temporary") {
				list = append(list, strings.ReplaceAll(r, "~", " "))
			}
		}
		if got = strings.Join(list, " "); err != nil || got != c.want {
			t.Errorf("%s: got %s, %v, want %s", c.what, got, err, c.want)
		}
	}
}

// water is a meter at address 5 of 12.565 m³.
var water = mbusFrame(0x78, 0x03, 0x13, 0x15, 0x31, 0x00)

// readMBus asks a meter whose answers serve gives, request by request.
func readMBus(t *testing.T, o *MBusOptions, channels []drivers.ChannelConfig, serve func(n int, request []byte) []byte) (map[string]string, error) {
	t.Helper()
	m := meter(t, "mbus", o, drivers.DeviceConfig{Every: time.Hour, Channels: channels}, func(far *os.File) {
		for n := 1; ; n++ {
			request := make([]byte, 5)
			if _, err := io.ReadFull(far, request); err != nil {
				return
			}
			far.Write(serve(n, request))
		}
	})
	rs, err := m.Poll(t.Context())
	return values(rs), err
}

// Meters and converters differ in how they acknowledge the start.
func TestMBusStart(t *testing.T) {
	for what, ack := range map[string][]byte{"as it should be": {0xE5}, "a byte before": {0x00, 0xE5}, "a byte behind": {0xE5, 0x00}, "nothing at all": nil, "noise": {0x12, 0x34}} {
		t.Run(what, func(t *testing.T) {
			got, err := readMBus(t, &MBusOptions{Address: 5, Timeout: 50 * time.Millisecond}, nil, func(_ int, request []byte) []byte {
				if request[1] == mbusSndNke {
					return ack
				}
				return water
			})
			if err != nil || got["volume"] != "12.565 m³" {
				t.Errorf("got %v, %v, want the meter's volume", got, err)
			}
		})
	}
}

// A meter whose values are all under tariffs says so, with the names to write.
func TestMBusMeterWithoutAChannelSaysWhatItHas(t *testing.T) {
	tariffs := mbusFrame(0x78, hexBytes(t, "8C 10 04 78 56 34 12 8C 20 04 01 00 00 00 02 FD C9 FC 81 7E E7 08")...)
	got, err := readMBus(t, &MBusOptions{Address: 5, Timeout: 200 * time.Millisecond}, nil, func(_ int, request []byte) []byte {
		if request[1] == mbusSndNke {
			return []byte{mbusAck}
		}
		return tariffs
	})
	if err == nil || len(got) > 0 || !strings.Contains(err.Error(), `record = "energy_t1" (123456.78 kWh), record = "energy_t2" (0.01 kWh)`) {
		t.Errorf("got %v, %v, want a fault that names the records", got, err)
	}
	got, err = readMBus(t, &MBusOptions{Address: 5, Timeout: 200 * time.Millisecond}, []drivers.ChannelConfig{
		{Name: "day", Unit: "MWh", Options: &MBusChannel{Record: "energy_t1"}}, {Name: "energy_t2", Options: &MBusChannel{}},
		{Name: "wrong", Unit: "m³", Options: &MBusChannel{Record: "energy_t2"}}, {Name: "twice", Unit: "kWh", Options: &MBusChannel{Record: "energy_t2", Value: field.Value{Scale: 2}}},
	}, func(_ int, request []byte) []byte {
		if request[1] == mbusSndNke {
			return []byte{mbusAck}
		}
		return tariffs
	})
	if want := "map[day:123.45678 MWh energy_t2:0.01 kWh twice:0.02 kWh]"; fmt.Sprint(got) != want || err == nil || !strings.Contains(err.Error(), "wrong: its unit is kWh") {
		t.Errorf("got %v, %v, want %s and a fault of the channel whose unit does not fit", got, err, want)
	}
}

// The neighbour's late answer is not this meter's.
func TestMBusAnswerOfAnotherAddress(t *testing.T) {
	other := mbusFrame(0x78, 0x03, 0x13, 0xFF, 0xFF, 0x00)
	other[5], other[len(other)-2] = 6, other[len(other)-2]+1
	got, err := readMBus(t, &MBusOptions{Address: 5, Timeout: 100 * time.Millisecond}, nil, func(_ int, request []byte) []byte {
		if request[1] == mbusSndNke {
			return []byte{mbusAck}
		}
		return append(append([]byte(nil), other...), water...)
	})
	if err != nil || got["volume"] != "12.565 m³" {
		t.Errorf("both answers: got %v, %v, want ours", got, err)
	}
	got, err = readMBus(t, &MBusOptions{Address: 5, Timeout: 100 * time.Millisecond}, nil, func(_ int, request []byte) []byte {
		if request[1] == mbusSndNke {
			return []byte{mbusAck}
		}
		return other
	})
	if !errors.Is(err, drivers.ErrNoAnswer) || !strings.Contains(err.Error(), "6 answers") || len(got) > 0 {
		t.Errorf("only the neighbour's: got %v, %v, want no answer", got, err)
	}
}

// A meter that only says E5 has no data.
func TestMBusMeterWithoutData(t *testing.T) {
	got, err := readMBus(t, &MBusOptions{Address: 5, Timeout: 100 * time.Millisecond}, nil, func(int, []byte) []byte { return []byte{mbusAck} })
	if err == nil || len(got) > 0 || !strings.Contains(err.Error(), "nothing is in it") {
		t.Errorf("got %v, %v, want that nothing is in it", got, err)
	}
}
