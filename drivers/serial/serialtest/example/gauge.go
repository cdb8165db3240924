// Package example is a driver for a device that does not exist, complete with its
// simulator, its conformance run and its fuzz target, as docs/adding-a-driver.md walks
// through it. It is compiled and tested, and not part of the program.
//
// The Acme AL-2 is a tank gauge on RS-232, 9600 8N1. It answers the question Q with its
// level and its temperature:
//
//	51 0D                                               Q<CR>
//	4C 3D 31 2E 32 33 34 20 54 3D 2B 32 31 2E 35 2A …   L=1.234 T=+21.5*21<CR><LF>
//
// After the star stands the exclusive or of all before it, as two hexadecimal digits.
// A float that is stuck is reported as L=-.---.
package example

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/serial"
	"sensorgate/drivers/serial/framing"
)

// GaugeOptions are the keys of the device's table. Wire brings bus, serial and line.
type GaugeOptions struct {
	serial.Wire
	Timeout time.Duration `toml:"timeout" doc:"How long an answer may take; the gauge needs up to 0.3 s."`
}

// Check looks at the keys when the file is read. It opens nothing.
func (o *GaugeOptions) Check() error {
	if o.Timeout <= 0 || o.Timeout > time.Minute {
		return &drivers.KeyError{Key: "timeout", Problem: fmt.Sprintf("found %v, expected above 0s, up to 1m", o.Timeout), Try: `timeout = "1s"`}
	}
	return o.Wire.Check()
}

// Drivers lists the drivers of this package, as every package of drivers does. A real
// one has its line in internal/gateway/hardware.go.
func Drivers(buses *serial.Buses, log *slog.Logger) []drivers.Driver {
	wires := serial.NewWires(buses, log)
	return []drivers.Driver{{
		Name:    "acme-al2",
		Summary: "Acme AL-2 tank gauge: level, temperature",
		Every:   10 * time.Second,
		Options: func() any { return &GaugeOptions{Timeout: time.Second} },
		Channels: []drivers.Channel{
			// AL-2 manual, section 2: what the sensor can measure. Beyond it is a fault.
			{Name: "level", Unit: "m", Min: 0, Max: 6},
			{Name: "temperature", Unit: "°C", Min: -30, Max: 80},
		},
		Open: func(_ context.Context, c drivers.DeviceConfig) (any, error) {
			o := c.Options.(*GaugeOptions)
			talk := framing.DefaultDialogue()
			talk.Poll, talk.Timeout = []byte("Q\r"), o.Timeout
			return framing.Open(wires, c, framing.Device{
				Wire:     o.Wire,
				Dialogue: talk,
				Framer:   framing.Framer{Cutter: &framing.LineCutter{Max: 64}},
				Decoder:  gaugeDecoder{},
			})
		},
	}}
}

// gaugeDecoder takes the values out of one line. It is a pure function of the line, so
// that a table of lines and a fuzzer can test it.
type gaugeDecoder struct{}

// Decode checks the sum before anything else: AL-2 manual, section 4.
func (gaugeDecoder) Decode(line []byte, r *framing.Results) {
	body, sum, found := bytes.Cut(line, []byte("*"))
	want, err := strconv.ParseUint(string(sum), 16, 8)
	if !found || err != nil || len(sum) != 2 {
		r.Reject(fmt.Errorf("%.40q has no check sum", line))
		return
	}
	if got := xor(body); got != byte(want) {
		r.Reject(fmt.Errorf("check sum of %.40q is %02X", line, got))
		return
	}
	level, temperature, found := bytes.Cut(body, []byte(" "))
	if !found {
		r.Reject(fmt.Errorf("%.40q has no two values", line))
		return
	}
	number(r, "level", "m", "L=", level)
	number(r, "temperature", "°C", "T=", temperature)
}

// number puts one value: L=1.234. A stuck float is a fault with a reason, never a zero.
func number(r *framing.Results, channel, unit, prefix string, text []byte) {
	digits, found := bytes.CutPrefix(text, []byte(prefix))
	if string(digits) == "-.---" {
		r.Put(channel, unit, drivers.Value{}, fmt.Errorf("the float is stuck"))
		return
	}
	v, err := strconv.ParseFloat(string(digits), 64)
	if !found || err != nil {
		r.Put(channel, unit, drivers.Value{}, fmt.Errorf("%.20q is not %sNUMBER", text, prefix))
		return
	}
	r.Put(channel, unit, drivers.Number(v), nil) // NaN and infinities are no value
}

func xor(p []byte) (x byte) {
	for _, b := range p {
		x ^= b
	}
	return x
}
