package meters

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/serial"
	"sensorgate/drivers/serial/framing"
	"sensorgate/drivers/serial/serialtest"
)

// vector is one entry of testdata/vectors.json.
type vector struct {
	ID, What string
	Input    json.RawMessage
	Expect   json.RawMessage
}

// text returns the input with its escapes resolved.
func (v vector) text(t *testing.T) string {
	t.Helper()
	var s string
	if err := json.Unmarshal(v.Input, &s); err != nil {
		t.Fatal(err)
	}
	return strings.NewReplacer(`\r`, "\r", `\n`, "\n", `\t`, "\t").Replace(s)
}

// vectors returns the ones whose id begins with prefix.
func vectors(t *testing.T, prefix string) (list []vector) {
	t.Helper()
	b, err := os.ReadFile("../testdata/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var all []vector
	if err := json.Unmarshal(b, &all); err != nil {
		t.Fatal(err)
	}
	for _, v := range all {
		if strings.HasPrefix(v.ID, prefix) {
			list = append(list, v)
		}
	}
	if len(list) == 0 {
		t.Fatalf("no vectors %s", prefix)
	}
	return list
}

// decodeAll feeds frames to a decoder and gives the values by channel.
func decodeAll(d framing.Decoder, frames ...string) (map[string]string, []error) {
	got := map[string]string{}
	var h framing.Results
	for _, f := range frames {
		h.Reset(time.Unix(1, 0))
		d.Decode([]byte(f), &h)
		if len(h.Faults) > 0 {
			return got, h.Faults
		}
		for _, r := range h.Readings {
			got[r.Channel] = r.Value.String()
		}
	}
	return got, nil
}

func TestNMEAVectors(t *testing.T) {
	want := map[string]map[string]string{
		"NMEA-1":  {"latitude": "48.1173", "longitude": "11.516667", "altitude": "545.4", "satellites": "8", "fix": "1", "hdop": "0.9"},
		"NMEA-3":  {"latitude": "63.426897", "longitude": "10.35715", "altitude": "72.5", "satellites": "8", "fix": "1", "hdop": "2.42"},
		"NMEA-5":  {"wind_angle": "12.1", "wind_speed": "5.195889"}, // 10.1 kn
		"NMEA-7":  {"pressure": "101000", "temperature": "23.4", "humidity": "40.2", "dew_point": "12.1", "wind_direction": "19.3", "wind_speed": "1.1"},
		"NMEA-9":  {"depth": "10.04"},
		"NMEA-11": {"utc": "1996-07-12T17:28:09.456Z"},
	}
	for _, v := range vectors(t, "NMEA") {
		got, errs := decodeAll(newNMEADecoder(nil), v.text(t))
		if errs != nil {
			t.Errorf("%s: %v", v.ID, errs)
		}
		for channel, value := range want[v.ID] {
			if got[channel] != value {
				t.Errorf("%s %s: got %q, want %s", v.ID, channel, got[channel], value)
			}
		}
		if len(got) != len(want[v.ID]) {
			t.Errorf("%s: got %v, want %v", v.ID, got, want[v.ID])
		}
	}
}

func TestNMEAGivesNothingItDoesNotKnow(t *testing.T) {
	for _, c := range []struct{ what, line, want string }{
		{"no fix", "$GPGGA,123519,4807.038,N,01131.000,E,0,00,,,M,,M,,*52", "fix"},
		{"empty fields", "$GPRMC,,V,,,,,,,,,,N*53", ""},
		{"proprietary", "$PUBX,00*33", ""},
	} {
		got, errs := decodeAll(newNMEADecoder(nil), c.line)
		if errs != nil {
			t.Errorf("%s: %v", c.what, errs)
		}
		if _, ok := got["latitude"]; ok || c.want == "" && len(got) > 0 {
			t.Errorf("%s: got %v", c.what, got)
		}
	}
	for _, bad := range []string{"$GPGGA,123519,4807.038,N,01131.000,E,1,08,0.9,545.4,M,46.9,M,,*48", "$GPGGA,1235", "hello", ""} {
		if got, errs := decodeAll(newNMEADecoder(nil), bad); errs == nil {
			t.Errorf("%q gave %v and no error", bad, got)
		}
	}
}

func TestNMEAOnAPty(t *testing.T) {
	far, path := serialtest.PTY(t)
	o := &NMEAOptions{Wire: serial.Wire{Serial: &serial.PortOptions{Port: path}}, Dialogue: framing.DefaultDialogue(), Only: []string{"GGA"}}
	reports := serialtest.Watch(t, serialtest.Named(t, Drivers(serialtest.NoBuses, serialtest.Quiet()), "nmea"), drivers.DeviceConfig{Device: "gps", Options: o})
	for range 20 {
		far.WriteString("\xff\xfe$GPGGA,123519,4807.038,N,01131.000,E,1,08,0.9,545.4,M,46.9,M,,*47\r\n$WIMWV,12.1,T,10.1,N,A*27\r\n")
	}
	got := map[string]int{}
	for got["altitude"] < 20 {
		s := serialtest.Next(t, reports)
		if s.Err != nil {
			t.Fatal(s.Err)
		}
		got[s.Reading.Channel]++
	}
	if got["wind_speed"] != 0 || got["latitude"] != 20 {
		t.Errorf("got %v, want 20 positions and no wind", got)
	}
}

func FuzzNMEA(f *testing.F) {
	f.Add([]byte("$GPGGA,123519,4807.038,N,01131.000,E,1,08,0.9,545.4,M,46.9,M,,*47"))
	f.Add([]byte("$WIXDR,C,23.15,C,WTHI,P,1.01,B,BARO*2D"))
	f.Add([]byte("!AIVDM,1,1,,A,13aGt0PP0jPN@9fMPKVDJgwfR>`<,0*55"))
	d := newNMEADecoder(nil)
	f.Fuzz(func(t *testing.T, line []byte) {
		var h framing.Results
		d.Decode(line, &h)
		// And once with a right check sum, which no fuzzer finds by itself.
		line = append([]byte("$"), bytes.TrimLeft(bytes.SplitN(line, []byte("*"), 2)[0], "$!")...)
		d.Decode(fmt.Appendf(line, "*%02X", xor(line[1:])), &h)
		for _, r := range h.Readings {
			if !r.Value.Valid() {
				t.Errorf("%q: channel %s without a value", line, r.Channel)
			}
		}
	})
}

func xor(p []byte) (x byte) {
	for _, b := range p {
		x ^= b
	}
	return x
}

// A receiver's own words at power-up, which took the whole gateway down: sentences with
// fewer fields than their type has. They are passed over, and the next one counts.
func TestGPSTextAtPowerUpIsPassedOver(t *testing.T) {
	rmc := "$GPRMC,212614.879,A,4839.9488,N,00214.8863,E,0.56,344.41,181207,,,A*"
	rmc += fmt.Sprintf("%02X", xor([]byte(rmc[1:len(rmc)-1])))
	for _, line := range []string{"$$GPTXT,DEFAULT PVT CONFIGURATION*2A", "$GPTXT,*63", "$GPALC*59", "$GPTXT*4F", "$GPGGA*56", "$GPXDR*59", "$WIMDA*56"} {
		got, errs := decodeAll(newNMEADecoder(nil), line, rmc)
		if errs != nil || got["speed"] != "0.288089" {
			t.Errorf("%q: got %v, %v, want nothing of it, and the speed of the next", line, got, errs)
		}
	}
}

// Every sentence that is known, with every number of fields that it may have lost.
func TestNMEASentencesCutAnywhere(t *testing.T) {
	fields := strings.Split("123519,4807.038,N,01131.000,E,1,08,0.9,545.4,M,46.9,M,A,C,1,2,3,4,5,6,7", ",")
	for typ := range nmeaSentences {
		for n := range len(fields) {
			body := "GP" + typ + strings.Repeat(",", min(n, 1)) + strings.Join(fields[:n], ",")
			var r framing.Results
			newNMEADecoder(nil).Decode(fmt.Appendf(nil, "$%s*%02X", body, xor([]byte(body))), &r)
		}
	}
}

// What is good in a sentence is used, whatever stands in its other fields.
func TestNMEAUsesWhatIsGood(t *testing.T) {
	for _, c := range []struct{ what, body, want string }{
		{"RMC with a variation of 0 and no side", "GPRMC,212614.879,A,4839.9488,N,00214.8863,E,0.56,344.41,181207,0,A",
			"map[course:344.41 latitude:48.665813 longitude:2.248105 speed:0.288089 utc:2007-12-18T21:26:14.879Z]"},
		{"GGA with a position and nothing behind it", "GPGGA,130711,5012.790800,N,00806.879600,W,2,,,,,,,",
			"map[fix:2 latitude:50.21318 longitude:-8.11466]"},
		{"GGA of a simulator", "GPGGA,130711,5012.790800,N,00806.879600,W,8,04,1.1,12.5,M,,,,",
			"map[altitude:12.5 fix:8 hdop:1.1 latitude:50.21318 longitude:-8.11466 satellites:4]"},
		{"a date of the last century", "GPRMC,123519,A,4807.038,N,01131.000,E,022.4,084.4,230394,003.1,W",
			"map[course:84.4 latitude:48.1173 longitude:11.516667 speed:11.523556 utc:1994-03-23T12:35:19Z]"},
		{"a date that does not exist", "GPRMC,123519,A,,,,,,,310299,,", "map[]"},
		{"VTG of an old receiver", "GPVTG,054.7,034.4,005.5,010.2", "map[course:54.7 speed:2.829444]"},
		{"VTG with kilometres only", "GPVTG,,,,,,,36.0,K", "map[speed:10]"},
		{"GLL of an old receiver", "GPGLL,4916.45,N,12311.12,W", "map[latitude:49.274167 longitude:-123.185333]"},
		{"depth in feet only", "SDDBT,10.0,f,,,,", "map[depth:3.048]"},
		{"a water temperature in Fahrenheit", "YXMTW,68.0,F", "map[water_temperature:20]"},
		{"pressure in inches only", "WIMDA,29.92,I,,,20.0,C", "map[pressure:101320.75888 temperature:20]"},
	} {
		got, errs := decodeAll(newNMEADecoder(nil), fmt.Sprintf("$%s*%02X", c.body, xor([]byte(c.body))))
		if errs != nil || fmt.Sprint(got) != c.want {
			t.Errorf("%s: got %v, %v, want %s", c.what, got, errs, c.want)
		}
	}
}

// A field that cannot be right costs its channel and says so; the others count.
func TestNMEAFieldThatCannotBeRight(t *testing.T) {
	for _, c := range []struct{ body, want, others string }{
		{"GPRMC,123519,A,4861.038,N,01131.000,E,022.4,084.4,230394,003.1,W", "latitude", "map[course:84.4 speed:11.523556 utc:1994-03-23T12:35:19Z]"},
		{"GPRMC,123519,A,4807.038,X,01131.000,E,022.4,084.4,230394,003.1,W", "latitude", "map[course:84.4 speed:11.523556 utc:1994-03-23T12:35:19Z]"},
		{"GPRMC,123519,A,4807.038,N,19131.000,E,022.4,084.4,230394,003.1,W", "longitude", "map[course:84.4 speed:11.523556 utc:1994-03-23T12:35:19Z]"},
		{"WIMWV,12.1,R,10.1,Q,A", "wind_speed", "map[wind_angle:12.1]"},
		{"WIMWV,412.1,R,10.1,M,A", "wind_angle", "map[wind_speed:10.1]"},
		{"GPGGA,123519,4807.038,N,01131.000,E,1,08,x,545.4,M,46.9,M,,", "hdop", "map[altitude:545.4 fix:1 latitude:48.1173 longitude:11.516667 satellites:8]"},
	} {
		var r framing.Results
		newNMEADecoder(nil).Decode(fmt.Appendf(nil, "$%s*%02X", c.body, xor([]byte(c.body))), &r)
		others := map[string]string{}
		for _, v := range r.Readings {
			others[v.Channel] = v.Value.String()
		}
		if len(r.Faults) != 1 || !strings.HasPrefix(r.Faults[0].Error(), c.want) || fmt.Sprint(others) != c.others {
			t.Errorf("%s: got %v and the faults %v, want %s and a fault of %s", c.body, others, r.Faults, c.others, c.want)
		}
	}
}
