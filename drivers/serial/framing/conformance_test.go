package framing

import (
	"bytes"
	"regexp"
	"testing"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/driverstest"
	"sensorgate/drivers/field"
	"sensorgate/drivers/serial"
	"sensorgate/drivers/serial/serialtest"
)

var onWire = serial.Wire{Bus: serialtest.BusName}

// A scale that prints a line every second.
func TestLinesConformance(t *testing.T) {
	serialtest.Conformance{
		Drivers: Drivers, Name: "lines",
		Config: func() drivers.DeviceConfig {
			o := defaultLines().(*LinesOptions)
			o.Wire, o.Match = onWire, regexp.MustCompile(`^ST,GS,(?P<weight>[+-] *\d+\.\d{3})kg$`)
			return drivers.DeviceConfig{Options: o}
		},
		Simulator: func() serialtest.Simulator {
			return serialtest.Simulator{Pushes: []byte("ST,GS,+   1.234kg\r\n"), Every: time.Second}
		},
		Want:        []driverstest.Want{{Channel: "weight", Value: 1.234}},
		Unprotected: "a line has no check sum",
	}.Run(t)
}

// The same, asked; with an interval of its own, and at the usual one.
func TestAskedLinesConformance(t *testing.T) {
	for _, every := range []time.Duration{0, 2 * time.Second} {
		t.Run(every.String(), func(t *testing.T) {
			serialtest.Conformance{
				Drivers: Drivers, Name: "lines",
				Config: func() drivers.DeviceConfig {
					o := defaultLines().(*LinesOptions)
					o.Wire, o.Poll, o.Match = onWire, field.Bytes("?\r"), regexp.MustCompile(`^T=(?P<temperature>-?\d+\.\d)C$`)
					return drivers.DeviceConfig{Options: o, Every: every}
				},
				Simulator: func() serialtest.Simulator {
					return serialtest.Simulator{Answer: func(request []byte) []byte {
						if bytes.HasSuffix(request, []byte("?\r")) {
							return []byte("T=-21.5C\r\n")
						}
						return nil
					}}
				},
				Want:        []driverstest.Want{{Channel: "temperature", Value: -21.5}},
				Unprotected: "a line has no check sum",
			}.Run(t)
		})
	}
}

func dust(t *testing.T, o *FramesOptions) drivers.DeviceConfig {
	at := 12
	o.Wire, o.Framing = onWire, *framings(t)["sync"]
	channel := &FrameChannel{At: &at}
	return drivers.DeviceConfig{Options: o, Every: time.Second, Channels: []drivers.ChannelConfig{{Name: "pm2_5", Unit: "µg/m³", Options: channel}}}
}

// A dust sensor that sends frames with a sum.
func TestFramesConformance(t *testing.T) {
	serialtest.Conformance{
		Drivers: Drivers, Name: "frames",
		Config:    func() drivers.DeviceConfig { return dust(t, defaultFrames().(*FramesOptions)) },
		Simulator: func() serialtest.Simulator { return serialtest.Simulator{Pushes: pmsFrame(17), Every: time.Second} },
		Want:      []driverstest.Want{{Channel: "pm2_5", Value: 17}},
	}.Run(t)
}

// The same sensor in its passive mode: it is woken and asked.
func TestAskedFramesConformance(t *testing.T) {
	ask := []byte{0x42, 0x4D, 0xE2, 0, 0, 1, 0x71}
	serialtest.Conformance{
		Drivers: Drivers, Name: "frames",
		Config: func() drivers.DeviceConfig {
			o := defaultFrames().(*FramesOptions)
			o.Poll, o.Wake, o.Init = ask, field.Bytes{0}, []field.Bytes{{1}}
			return dust(t, o)
		},
		Simulator: func() serialtest.Simulator {
			return serialtest.Simulator{Answer: func(request []byte) []byte {
				if bytes.HasSuffix(request, ask) {
					return pmsFrame(17)
				}
				return nil
			}}
		},
		Want: []driverstest.Want{{Channel: "pm2_5", Value: 17}},
	}.Run(t)
}
