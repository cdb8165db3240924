package example

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/driverstest"
	"sensorgate/drivers/serial"
	"sensorgate/drivers/serial/framing"
	"sensorgate/drivers/serial/serialtest"
)

// answer is a line as the gauge prints it.
func answer(body string) []byte { return fmt.Appendf(nil, "%s*%02X\r\n", body, xor([]byte(body))) }

// gauge is the simulator: a device that answers Q, and nothing else.
func gauge() serialtest.Simulator {
	return serialtest.Simulator{Answer: func(request []byte) []byte {
		if bytes.HasSuffix(request, []byte("Q\r")) {
			return answer("L=1.234 T=+21.5")
		}
		return nil
	}}
}

// The whole driver, with everything that goes wrong on wires.
func TestGaugeConformance(t *testing.T) {
	serialtest.Conformance{
		Drivers: Drivers, Name: "acme-al2",
		Config: func() drivers.DeviceConfig {
			return drivers.DeviceConfig{Every: 10 * time.Second, Options: &GaugeOptions{Wire: serial.Wire{Bus: serialtest.BusName}, Timeout: time.Second}}
		},
		Simulator: gauge,
		Want:      []driverstest.Want{{Channel: "level", Value: 1.234}, {Channel: "temperature", Value: 21.5}},
	}.Run(t)
}

// The decoder alone, on lines of the manual and on broken ones.
func TestGaugeDecodes(t *testing.T) {
	for line, want := range map[string]string{
		"L=1.234 T=+21.5*21": "[level=1.234 temperature=21.5]", // AL-2 manual, section 4
		"L=1.234 T=+21.5*5E": "check sum",
		"L=1.234 T=+21.5":    "no check sum",
		"":                   "no check sum",
		string(bytes.TrimSpace(answer("L=-.--- T=-05.0"))): "[temperature=-5] level: the float is stuck",
		string(bytes.TrimSpace(answer("L=nan T=1"))):       "[temperature=1]",
	} {
		var r framing.Results
		gaugeDecoder{}.Decode([]byte(line), &r)
		got := []string{}
		for _, v := range r.Readings {
			got = append(got, v.Channel+"="+v.Value.String())
		}
		text := fmt.Sprint(got)
		for _, fault := range r.Faults {
			text += " " + fault.Error()
		}
		if !bytes.Contains([]byte(text), []byte(want)) {
			t.Errorf("%q: got %s, want %s", line, text, want)
		}
	}
}

// Whatever parses bytes from outside has a fuzz target, with good lines as its seeds.
func FuzzGauge(f *testing.F) {
	f.Add([]byte("L=1.234 T=+21.5*21"))
	f.Add([]byte("L=-.--- T=-05.0*00"))
	f.Fuzz(func(t *testing.T, line []byte) {
		var r framing.Results
		gaugeDecoder{}.Decode(line, &r)
		for _, v := range r.Readings {
			if !v.Value.Valid() {
				t.Errorf("%q: %s without a value", line, v.Channel)
			}
		}
	})
}
