package meters

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/serial"
	"sensorgate/drivers/serial/framing"
	"sensorgate/drivers/serial/serialtest"
)

// hexBytes reads "68 1F …".
func hexBytes(t testing.TB, s string) []byte {
	t.Helper()
	var b []byte
	if _, err := fmt.Sscanf(strings.ReplaceAll(s, " ", ""), "%x", &b); err != nil {
		t.Fatal(err)
	}
	return b
}

func TestMBusVectors(t *testing.T) {
	for _, v := range vectors(t, "MBUS") {
		frame := hexBytes(t, v.text(t))
		if v.ID == "MBUS-3" {
			if got := mbusShortFrame(mbusReqUD2, 1); !bytes.Equal(got, frame) {
				t.Errorf("MBUS-3: we send % X, want % X", got, frame)
			}
			continue
		}
		found, _ := findMBus(append([]byte{0, 0x68, 3, 3, 0xFF}, frame...), mbusAnybody)
		if !bytes.Equal(found, frame) {
			t.Fatalf("%s was not found behind noise", v.ID)
		}
		got := map[string]string{}
		var all mbusTelegram
		err := all.decode(found)
		for _, r := range all.records {
			if r.unit != "" {
				got[r.name] = fmt.Sprintf("%v %s", r.value, r.unit)
			}
		}
		// 12565 l; 113 l/h, storage 5, maximum; 218.37 kWh, tariff 2 of subunit 1
		want := "map[energy_t2_u1:218.37 kWh flow_max_s5:0.113 m³/h volume:12.565 m³]"
		if err != nil || all.more || fmt.Sprint(got) != want {
			t.Errorf("%s: got %v, %v, want %s", v.ID, got, err, want)
		}
	}
}

// meter opens a driver's device on a pty whose far end serve plays.
func meter(t *testing.T, driver string, o any, config drivers.DeviceConfig, serve func(far *os.File)) drivers.Poller {
	t.Helper()
	far, path := serialtest.PTY(t)
	switch o := o.(type) {
	case *MBusOptions:
		o.Serial = &serial.PortOptions{Port: path}
	case *D0Options:
		o.Serial = &serial.PortOptions{Port: path}
	}
	config.Options = o
	if err := o.(drivers.Checker).Check(); err != nil {
		t.Fatal(err)
	}
	dev, err := serialtest.Named(t, Drivers(serialtest.NoBuses, serialtest.Quiet()), driver).Open(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { dev.(io.Closer).Close() })
	go serve(far)
	return dev.(drivers.Poller)
}

func values(rs []drivers.Reading) map[string]string {
	got := map[string]string{}
	for _, r := range rs {
		got[r.Channel] = strings.TrimSpace(r.Value.String() + " " + r.Unit)
	}
	return got
}

// A water meter: the first request is lost, the answer comes byte by byte after noise.
func TestMBusMeterOnAPty(t *testing.T) {
	var frame []byte
	for _, v := range vectors(t, "MBUS-1") {
		frame = hexBytes(t, v.text(t))
	}
	asked := make(chan []byte, 10)
	m := meter(t, "mbus", &MBusOptions{Address: 2, Timeout: 100 * time.Millisecond}, drivers.DeviceConfig{Every: time.Hour, Channels: []drivers.ChannelConfig{
		{Name: "peak", Unit: "l/h", Options: &MBusChannel{Record: "flow_max_s5"}},
	}}, func(far *os.File) {
		for n := 1; ; n++ {
			request := make([]byte, 5)
			if _, err := io.ReadFull(far, request); err != nil {
				return
			}
			asked <- request
			switch {
			case n == 1: // lost
			case request[1] == mbusSndNke:
				far.Write([]byte{mbusAck})
			default:
				for _, b := range append([]byte{0xFF, 0x68}, frame...) {
					far.Write([]byte{b})
				}
			}
		}
	})
	rs, err := m.Poll(t.Context())
	got := values(rs)
	if err != nil || got["volume"] != "12.565 m³" || got["peak"] != "113 l/h" || len(got) != 2 {
		t.Errorf("got %v, %v, want volume and peak; energy_t2 was not asked for", got, err)
	}
	if _, err := m.Poll(t.Context()); err != nil {
		t.Error(err)
	}
	var requests [][]byte
	for range len(asked) {
		requests = append(requests, <-asked)
	}
	if n := len(requests); n != 4 || requests[2][1] == requests[3][1] {
		t.Errorf("requests % X: want NKE twice, then two with alternating frame count bits", requests)
	}
}

func TestMBusSilence(t *testing.T) {
	m := meter(t, "mbus", &MBusOptions{Address: 2, Timeout: 20 * time.Millisecond}, drivers.DeviceConfig{Every: time.Hour}, func(*os.File) {})
	if _, err := m.Poll(t.Context()); !errors.Is(err, drivers.ErrNoAnswer) {
		t.Errorf("got %v, want no answer", err)
	}
}

// Mode C: sign on, agree on 9600 baud, read out with block check. Values as an EMH
// meter prints them.
func TestD0ModeC(t *testing.T) {
	data := "0.0.0(12345678)\r\n1.8.1(000123.45*kWh)\r\n1-0:2.8.0*255(00000.9*kWh)\r\n1-0:21.7.0*255(000747.85*W)\r\n32.7(230.1*V)\r\n!\r\n"
	said := make(chan string, 10)
	m := meter(t, "d0", &D0Options{Mode: D0Ask, Timeout: time.Second}, drivers.DeviceConfig{Every: time.Hour, Channels: []drivers.ChannelConfig{
		{Name: "number", Options: &OBISChannel{OBIS: "1-0:0.0.0"}},
	}}, func(far *os.File) {
		buf := make([]byte, 64)
		n, _ := far.Read(buf)
		said <- string(buf[:n])
		io.WriteString(far, "\x00/EMH5\\@01LZQJL0014F\r\n")
		n, _ = far.Read(buf)
		said <- string(buf[:n])
		block := []byte(data + "\x03")
		far.Write(append(append([]byte{d0STX}, block...), xor(block)))
		n, _ = far.Read(buf)
		said <- string(buf[:n])
		io.WriteString(far, "/EMH5\\@01LZQJL0014F\r\n")
		far.Read(buf)
		far.Write(append(append([]byte{d0STX}, block...), xor(block)^1))
	})
	rs, err := m.Poll(t.Context())
	want := "map[energy_export:0.9 kWh energy_import_t1:123.45 kWh number:12345678 power_import_l1:747.85 W voltage_l1:230.1 V]"
	if got := values(rs); err != nil || fmt.Sprint(got) != want {
		t.Errorf("got %v, %v, want %s", got, err, want)
	}
	if got := <-said + <-said; got != "/?!\r\n\x06050\r\n" {
		t.Errorf("we said %q", got)
	}
	if _, err := m.Poll(t.Context()); err == nil || !strings.Contains(err.Error(), "block check") {
		t.Errorf("a wrong block check: got %v", err)
	}
}

// Mode D, as an EasyMeter Q3D pushes it every two seconds.
func TestD0Push(t *testing.T) {
	far, path := serialtest.PTY(t)
	o := &D0Options{Mode: D0Push, Timeout: time.Second, Wire: serial.Wire{Serial: &serial.PortOptions{Port: path}}}
	reports := serialtest.Watch(t, serialtest.Named(t, Drivers(serialtest.NoBuses, serialtest.Quiet()), "d0"), drivers.DeviceConfig{Options: o})
	io.WriteString(far, "00052185.7825309*kWh)\r\n!\r\n/ESY5Q3DB1024 V3.04\r\n\r\n1-0:0.0.0*255(0272031312565)\r\n1-0:1.8.0*255(00052185.7825309*kWh)\r\n1-0:1.7.0*255(002124.86*W)\r\n!\r\n")
	for _, want := range []string{"energy_import=52185.782531 kWh", "power_import=2124.86 W"} {
		if s := serialtest.Next(t, reports); s.Err != nil || s.Reading.Channel+"="+s.Reading.Value.String()+" "+s.Reading.Unit != want {
			t.Errorf("got %v, want %s", s, want)
		}
	}
}

func TestTeleinfo(t *testing.T) {
	configs := []drivers.ChannelConfig{{Name: "tariff", Options: &TeleinfoChannel{Label: "PTEC"}}, {Name: "number", Options: &TeleinfoChannel{Label: "NTARF"}}}
	// Groups as a meter of the 2000s prints them, with their check characters.
	got, errs := decodeAll(newTeleinfoDecoder(Historic, configs), "\x02", "ADCO 040422040644 5", "BASE 002815235 %", "PTEC TH.. $", "IINST 002 Y", "PAPP 00390 -")
	want := "map[apparent_power:390 current:2 energy_import:2815.235 tariff:TH..]"
	if errs != nil || fmt.Sprint(got) != want {
		t.Errorf("historic: got %v, %v, want %s", got, errs, want)
	}
	// A Linky in standard mode; a value that has a time stands behind it.
	group := func(s string) string {
		var sum byte
		for _, b := range []byte(s) {
			sum += b
		}
		return s + string(rune(sum&0x3F+0x20))
	}
	got, errs = decodeAll(newTeleinfoDecoder(Standard, configs), group("EAST\t001842912\t"), group("SINSTS\t00390\t"), group("SMAXSN\tE200902111533\t03500\t"), group("NTARF\t01\t"))
	want = "map[apparent_power:390 energy_import:1842.912 number:1]"
	if errs != nil || fmt.Sprint(got) != want {
		t.Errorf("standard: got %v, %v, want %s", got, errs, want)
	}
	for _, bad := range []string{"PAPP 00391 -", "PAPP", "PAPP 00390 -x", group("EAST\t1\t")} {
		if got, errs := decodeAll(newTeleinfoDecoder(Historic, configs), bad); errs == nil {
			t.Errorf("%q gave %v and no error", bad, got)
		}
	}
}

func FuzzMeters(f *testing.F) {
	f.Add([]byte("\x68\x1f\x1f\x68\x08\x02\x72\x78\x56\x34\x12\x24\x40\x01\x07\x55\x00\x00\x00\x03\x13\x15\x31\x00\xda\x02\x3b\x13\x01\x8b\x60\x04\x37\x18\x02\x18\x16"))
	f.Add([]byte("/ESY5Q3DB1024 V3.04\r\n\r\n1-0:1.8.0*255(00052185.7825309*kWh)\r\n!\r\n"))
	f.Add([]byte("PAPP 00390 -"))
	obis, err := newOBISDecoder(obisChannels, nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, p []byte) {
		check := func(what string, rs []drivers.Reading) {
			for _, r := range rs {
				if !r.Value.Valid() {
					t.Errorf("%s: channel %s without a value", what, r.Channel)
				}
			}
		}
		for what, d := range map[string]framing.Decoder{"d0": &d0Decoder{obis: obis}, "historic": newTeleinfoDecoder(Historic, nil), "standard": newTeleinfoDecoder(Standard, nil)} {
			var h framing.Results
			d.Decode(p, &h)
			check(what, h.Readings)
		}
		findD0Block(p)
		findD0Ident(p)
		findMBus(p, 2)
		// And as the records of a frame whose sum is right, which no fuzzer finds by itself.
		if len(p) < 200 {
			frame := append([]byte{mbusLong, 0, 0, mbusLong, 8, 2, 0x78}, p...)
			frame = append(frame, 0, mbusStop)
			for _, ci := range []byte{0x72, 0x73, 0x78, 0x7A} {
				frame[6] = ci
				var all mbusTelegram
				all.decode(frame)
				all.decode(frame)
				for _, r := range all.records {
					if r.name == "" || !r.value.Valid() && r.fault == nil && r.unit == "" && r.usual {
						t.Errorf("% X: a record %+v", frame, r)
					}
				}
			}
		}
	})
}

// Former billing periods stand in the same telegram as the present value.
func TestD0FormerPeriodsAreNotThePresentTotal(t *testing.T) {
	for _, c := range []struct{ what, block, want string }{
		{"as an EMH prints them", "1.8.0(0302.8260*kWh)\r\n1.8.0*12(0075.5341*kWh)\r\n1.8.0*00(0000.0000*kWh)\r\n", "map[energy_import:302.826 kWh]"},
		{"five of a tariff", "1.8.1(9*kWh)\r\n1.8.1*15(5*kWh)\r\n1.8.1*14(4*kWh)\r\n1.8.1*13(3*kWh)\r\n1.8.1*12(2*kWh)\r\n1.8.1*11(1*kWh)\r\n", "map[energy_import_t1:9 kWh last:5 kWh]"},
		{"reset by hand", "1.8.0(302.8*kWh)\r\n1.8.0&12(75.5*kWh)\r\n", "map[energy_import:302.8 kWh]"},
		{"in full", "1-0:1.8.0*255(302.8*kWh)\r\n1-0:1.8.0*96(75.5*kWh)\r\n", "map[energy_import:302.8 kWh]"},
		{"watts and watt hours", "1.8.0(302826*Wh)\r\n16.7.0(-0.250*kW)\r\n", "map[energy_import:302.826 kWh power:-250 W]"},
		{"megawatt hours, in other letters", "1.8.0(0.302826*MWh)\r\n2.8.0(1*KWH)\r\n", "map[energy_export:1 kWh energy_import:302.826 kWh]"},
		{"heads and states", "F.F(00000000)\r\nC.1.0(123)\r\n0.0.0(555)\r\n1.8.0(1*kWh)\r\n", "map[energy_import:1 kWh serial:123]"},
	} {
		obis, err := newOBISDecoder(obisChannels, []drivers.ChannelConfig{
			{Name: "last", Options: &OBISChannel{OBIS: "1-0:1.8.1*15"}}, {Name: "serial", Options: &OBISChannel{OBIS: "C.1.0"}},
		})
		if err != nil {
			t.Fatal(err)
		}
		var r framing.Results
		(&d0Decoder{obis: obis}).Decode([]byte(c.block), &r)
		if got := fmt.Sprint(values(r.Readings)); r.Faults != nil || got != c.want {
			t.Errorf("%s: got %s, %v, want %s", c.what, got, r.Faults, c.want)
		}
	}
}

// What optical heads of other makers printed, as volkszaehler/vzlogger recorded it
// (tests/MeterD0), and a log of an ISKRA.
func TestD0RecordingsOfOtherMakers(t *testing.T) {
	for _, c := range []struct{ what, block, want string }{
		{"Landis+Gyr E350, ZMF100AC.M27", "F.F(00)\r\n0.0(          18438636)\r\nC.1.0(18438636)\r\nC.1.1(        )\r\n1.8.1(000000.000*kWh)\r\n1.8.2(000219.251*kWh)\r\n" +
			"2.8.1(000000.000*kWh)\r\n2.8.2(000000.000*kWh)\r\n1.8.0(000219.252*kWh)\r\n2.8.0(000000.000*kWh)\r\n15.8.0(000219.252*kWh)\r\nC.7.0(0004)\r\n" +
			"32.7(233*V)\r\n52.7(233*V)\r\n72.7(234*V)\r\n31.7(002.30*A)\r\n51.7(002.32*A)\r\n71.7(002.97*A)\r\n16.7(001.66*kW)\r\n82.8.1(0000)\r\n82.8.2(0000)\r\n0.2.0(M27)\r\nC.5.0(1420)\r\n",
			"map[current_l1:2.3 A current_l2:2.32 A current_l3:2.97 A energy_export:0 kWh energy_export_t1:0 kWh energy_export_t2:0 kWh energy_import:219.252 kWh energy_import_t1:0 kWh energy_import_t2:219.251 kWh power:1660 W serial:18438636 voltage_l1:233 V voltage_l2:233 V voltage_l3:234 V]"},
		{"Landis+Gyr ZMD120APt.G03", "F.F(00000000)\r\n0.0.0(   20000)\r\n1.8.1(001846.0*kWh)\r\n1.8.2(000000.0*kWh)\r\n2.8.1(004329.6*kWh)\r\n2.8.2(000000.0*kWh)\r\n1.8.0(001846.0*kWh)\r\n2.8.0(004329.6*kWh)\r\n",
			"map[energy_export:4329.6 kWh energy_export_t1:4329.6 kWh energy_export_t2:0 kWh energy_import:1846 kWh energy_import_t1:1846 kWh energy_import_t2:0 kWh]"},
		{"ISKRA MT174", "0-0:F.F.0*255(0000000)\r\n1-0:0.0.0*255(352143)\r\n0-0:C.1.0*255(62791737)\r\n0-0:C.1.1(ISK0MT174-0001)\r\n1-0:2.8.1*255(0000001.012*kWh)\r\n1-0:2.8.2*255(0000001.612*kWh)\r\n" +
			"1-0:2.8.0*255(0000002.624*kWh)\r\n1-0:32.7.0*255(233.1*V)\r\n1-0:31.7.0*255(5.36*A)\r\n1-0:51.7.0*255(8.06*A)\r\n1-0:36.7.0*255(1.086*kW)\r\n1-0:33.7.0*255(0.866)\r\n0-0:C.7.0*255(5)\r\n1-0:0.2.0*255(1.03)\r\n0-0:C.1.6*255(FDF5)\r\n",
			"map[current_l1:5.36 A current_l2:8.06 A energy_export:2.624 kWh energy_export_t1:1.012 kWh energy_export_t2:1.612 kWh power_l1:1086 W voltage_l1:233.1 V]"},
	} {
		obis, err := newOBISDecoder(obisChannels, []drivers.ChannelConfig{{Name: "serial", Options: &OBISChannel{OBIS: "C.1.0"}}})
		if err != nil {
			t.Fatal(err)
		}
		var r framing.Results
		(&d0Decoder{obis: obis}).Decode([]byte(c.block), &r)
		if got := fmt.Sprint(values(r.Readings)); r.Faults != nil || got != c.want {
			t.Errorf("%s: got %s, %v, want %s", c.what, got, r.Faults, c.want)
		}
	}
}

// A unit that does not fit, and none, is a fault of the channel.
func TestD0UnitsThatDoNotFit(t *testing.T) {
	for _, block := range []string{"1.8.0(302.8*m3)\r\n2.8.0(1*kWh)\r\n", "1.8.0(302.8)\r\n2.8.0(1*kWh)\r\n", "1.8.0(302.8*parsec)\r\n2.8.0(1*kWh)\r\n"} {
		obis, _ := newOBISDecoder(obisChannels, nil)
		var r framing.Results
		(&d0Decoder{obis: obis}).Decode([]byte(block), &r)
		if got := fmt.Sprint(values(r.Readings)); len(r.Faults) != 1 || !strings.HasPrefix(r.Faults[0].Error(), "energy_import: ") || got != "map[energy_export:1 kWh]" {
			t.Errorf("%q: got %s, %v, want a fault of energy_import", block, got, r.Faults)
		}
	}
}

func TestOBISCodes(t *testing.T) {
	for text, want := range map[string]string{
		"1.8.0": "1-0:1.8.0", "1-0:1.8.0": "1-0:1.8.0", "1-0:1.8.0*255": "1-0:1.8.0", "1-0:1.8.0*96": "1-0:1.8.0*96", "1.8.1&11": "1-0:1.8.1*11", "32.7": "1-0:32.7.0",
		"C.1.0": "1-0:96.1.0", "F.F": "1-0:97.97.0", "0-4:24.2.1": "0-4:24.2.1", "129-129:199.130.3*255": "129-129:199.130.3", "7-0:3.0.0": "7-0:3.0.0",
	} {
		if code, ok := parseOBIS(text); !ok || code.String() != want {
			t.Errorf("%q is %v, %v, want %s", text, code, ok, want)
		}
	}
	for _, bad := range []string{"", "1", "1.8.0.0", "1-0", "1-0:", "1:1.8.0", "1.8.256", "1.8.-1", "1.8.0*", "1.8.0*x", "1.8.0*256", "x.8.0", "1.8.0001", "1-0:1-0:1.8.0"} {
		if code, ok := parseOBIS(bad); ok {
			t.Errorf("%q was taken as %v", bad, code)
		}
		if new(OBIS).UnmarshalText([]byte(bad)) == nil {
			t.Errorf("obis = %q was accepted", bad)
		}
	}
}

// Through a serial server the speed cannot be changed: the meter is asked to stay at 300 baud.
func TestD0AskedThroughASerialServer(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Skip(err)
	}
	defer l.Close()
	said := make(chan string, 2)
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		buf := make([]byte, 64)
		n, _ := c.Read(buf)
		said <- string(buf[:n])
		io.WriteString(c, "/EMH5\\@01LZQJL0014F\r\n")
		n, _ = c.Read(buf)
		said <- string(buf[:n])
		block := []byte("1.8.0(000123.45*kWh)\r\n!\r\n\x03")
		c.Write(append(append([]byte{d0STX}, block...), xor(block)))
		c.Read(buf)
	}()
	o := &D0Options{Wire: serial.Wire{Serial: &serial.PortOptions{TCP: l.Addr().String()}}, Mode: D0Ask, Timeout: time.Second}
	dev, err := serialtest.Named(t, Drivers(serialtest.NoBuses, serialtest.Quiet()), "d0").Open(t.Context(), drivers.DeviceConfig{Options: o, Every: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	defer dev.(io.Closer).Close()
	rs, err := dev.(drivers.Poller).Poll(t.Context())
	if got := values(rs); err != nil || got["energy_import"] != "123.45 kWh" {
		t.Errorf("got %v, %v", got, err)
	}
	if got := <-said + <-said; got != "/?!\r\n\x06000\r\n" {
		t.Errorf("we said %q, want to stay at the first speed", got)
	}
}

// A meter that answers with no channel of ours says what it has.
func TestD0AnswerWithoutAChannelSaysWhatItHas(t *testing.T) {
	block := []byte("0.0.0(12345678)\r\n3.8.0(000123.45*kvarh)\r\n!\r\n\x03")
	m := meter(t, "d0", &D0Options{Mode: D0Ask, Timeout: time.Second}, drivers.DeviceConfig{Every: time.Hour}, func(far *os.File) {
		buf := make([]byte, 64)
		far.Read(buf)
		io.WriteString(far, "/EMH5\\@01LZQJL0014F\r\n")
		far.Read(buf)
		far.Write(append(append([]byte{d0STX}, block...), xor(block)))
	})
	if rs, err := m.Poll(t.Context()); err == nil || len(rs) > 0 || !strings.Contains(err.Error(), `obis = "1-0:3.8.0" (123.45 kvarh)`) {
		t.Errorf("got %v, %v, want a fault that names what the answer has", rs, err)
	}
}
