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
