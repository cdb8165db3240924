package meters

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"testing"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/driverstest"
	"sensorgate/drivers/serial"
	"sensorgate/drivers/serial/framing"
	"sensorgate/drivers/serial/serialtest"
)

var onWire = serial.Wire{Bus: serialtest.BusName}

// pushes is a suite for a meter that sends by itself.
func pushes(name string, options func() any, sent []byte, want ...driverstest.Want) serialtest.Conformance {
	return serialtest.Conformance{
		Drivers: Drivers, Name: name,
		Config:    func() drivers.DeviceConfig { return drivers.DeviceConfig{Options: options()} },
		Simulator: func() serialtest.Simulator { return serialtest.Simulator{Pushes: sent, Every: 2 * time.Second} },
		Want:      want,
	}
}

func TestNMEAConformance(t *testing.T) {
	pushes("nmea", func() any { return &NMEAOptions{Wire: onWire, Dialogue: framing.DefaultDialogue()} },
		[]byte("$GPGGA,123519,4807.038,N,01131.000,E,1,08,0.9,545.4,M,46.9,M,,*47\r\n"),
		driverstest.Want{Channel: "latitude", Value: 48.1173}, driverstest.Want{Channel: "longitude", Value: 11.516667},
		driverstest.Want{Channel: "altitude", Value: 545.4}, driverstest.Want{Channel: "satellites", Value: 8},
		driverstest.Want{Channel: "hdop", Value: 0.9}, driverstest.Want{Channel: "fix", Value: 1}).Run(t)
}

func TestSMLConformance(t *testing.T) {
	var input string
	if err := json.Unmarshal(vectors(t, "SML-5")[0].Input, &input); err != nil {
		t.Fatal(err)
	}
	file, err := hex.DecodeString(input)
	if err != nil {
		t.Fatal(err)
	}
	pushes("sml", func() any { return &SMLOptions{Wire: onWire} }, file,
		driverstest.Want{Channel: "energy_import", Value: 8189.5949, Within: 1e-9}, driverstest.Want{Channel: "power", Value: 613}).Run(t)
}

func TestD0PushConformance(t *testing.T) {
	c := pushes("d0", func() any { return &D0Options{Wire: onWire, Mode: D0Push, Timeout: time.Second} },
		[]byte("/ESY5Q3DB1024 V3.04\r\n\r\n1-0:1.8.0*255(00052185.7825309*kWh)\r\n1-0:1.7.0*255(002124.86*W)\r\n!\r\n"),
		driverstest.Want{Channel: "energy_import", Value: 52185.782531}, driverstest.Want{Channel: "power_import", Value: 2124.86})
	c.Unprotected = "mode D has no check sum, only parity"
	c.Run(t)
}

func TestD0AskedConformance(t *testing.T) {
	block := []byte("0.0.0(12345678)\r\n1.8.1(000123.45*kWh)\r\n32.7(230.1*V)\r\n!\r\n\x03")
	block = append(append([]byte{d0STX}, block...), xor(block))
	serialtest.Conformance{
		Drivers: Drivers, Name: "d0",
		Config: func() drivers.DeviceConfig {
			return drivers.DeviceConfig{Options: &D0Options{Wire: onWire, Mode: D0Ask, Timeout: 2 * time.Second}, Every: time.Minute}
		},
		Simulator: func() serialtest.Simulator {
			return serialtest.Simulator{Answer: func(request []byte) []byte {
				switch {
				case bytes.HasSuffix(request, []byte("/?!\r\n")):
					return []byte("/EMH5\\@01LZQJL0014F\r\n")
				case bytes.HasSuffix(request, []byte("\x06050\r\n")):
					return block
				}
				return nil
			}}
		},
		Want: []driverstest.Want{{Channel: "energy_import_t1", Value: 123.45}, {Channel: "voltage_l1", Value: 230.1}},
	}.Run(t)
}

func TestMBusConformance(t *testing.T) {
	frame := hexBytes(t, vectors(t, "MBUS-1")[0].text(t))
	serialtest.Conformance{
		Drivers: Drivers, Name: "mbus",
		Config: func() drivers.DeviceConfig {
			return drivers.DeviceConfig{Options: &MBusOptions{Wire: onWire, Address: 2, Timeout: 500 * time.Millisecond}, Every: time.Hour}
		},
		Simulator: func() serialtest.Simulator {
			return serialtest.Simulator{Answer: func(request []byte) []byte {
				switch {
				case bytes.HasSuffix(request, mbusShortFrame(mbusSndNke, 2)):
					return []byte{mbusAck}
				case bytes.HasSuffix(request, mbusShortFrame(mbusReqUD2, 2)), bytes.HasSuffix(request, mbusShortFrame(mbusReqUD2|mbusFCB, 2)),
					bytes.HasSuffix(request, mbusShortFrame(mbusReqUD2&^mbusFCB, 2)):
					return frame
				}
				return nil
			}}
		},
		Want: []driverstest.Want{{Channel: "volume", Value: 12.565}},
	}.Run(t)
}

func TestTeleinfoConformance(t *testing.T) {
	pushes("teleinfo", func() any { return &TeleinfoOptions{Wire: onWire, Mode: Historic} },
		[]byte("\x02\nBASE 002815235 %\r\nPAPP 00390 -\r\n\x03"),
		driverstest.Want{Channel: "energy_import", Value: 2815.235}, driverstest.Want{Channel: "apparent_power", Value: 390}).Run(t)
}

// onPort is a wire that the device has for itself.
func onPort(path string) serial.Wire { return serial.Wire{Serial: &serial.PortOptions{Port: path}} }
