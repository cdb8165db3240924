package config

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"strings"
	"testing/fstest"
	"time"

	"sensorgate/drivers"
)

// The catalogue of these tests has the drivers of the example in the documentation,
// with options like those of the real ones.

type fakeWire struct {
	Bus    string    `toml:"bus" doc:"name of a [serial.*] table"`
	Serial *fakePort `toml:"serial" doc:"a port for this device alone"`
}

func (w *fakeWire) Check() error {
	if (w.Bus == "") == (w.Serial == nil) {
		return errors.New("exactly one of bus and serial is needed")
	}
	return nil
}

func (w *fakeWire) Claims() []drivers.Claim {
	if w.Serial != nil {
		return []drivers.Claim{{Kind: "serial", ID: w.Serial.Port, Key: "serial.port"}}
	}
	return []drivers.Claim{{Kind: "bus", ID: w.Bus, Key: "bus", Shared: true}}
}

type fakePort struct {
	Port string   `toml:"port" required:"true" doc:"path of the port"`
	Line fakeLine `toml:"line" doc:"speed and format: 9600 8N1"`
}

func (p *fakePort) Claims() []drivers.Claim {
	return []drivers.Claim{{Kind: "serial", ID: p.Port, Key: "port"}}
}

type fakeLine string

func (l *fakeLine) UnmarshalText(text []byte) error {
	*l = fakeLine(text)
	if !regexp.MustCompile(`^\d+ [5-8][NEO][12]$`).Match(text) {
		return errors.New(`a line such as "9600 8N1"`)
	}
	return nil
}

type fakeModbus struct {
	fakeWire
	Unit int `toml:"unit" required:"true" doc:"address on the wire, 1 to 247"`
}

type fakeRegister struct {
	Input    *uint16 `choice:"register" toml:"input" doc:"input register"`
	Holding  *uint32 `choice:"register" toml:"holding" doc:"holding register"`
	Coil     *uint16 `choice:"register" toml:"coil" doc:"coil"`
	Discrete *uint16 `choice:"register" toml:"discrete" doc:"discrete input"`
	Type     string  `toml:"type" doc:"u16, i32, f32, …"`
	Order    string  `toml:"order" doc:"of the bytes"`
}

func (r *fakeRegister) Check() error {
	n := 0
	for _, set := range []bool{r.Input != nil, r.Holding != nil, r.Coil != nil, r.Discrete != nil} {
		if set {
			n++
		}
	}
	switch {
	case n != 1:
		return &drivers.KeyError{Problem: fmt.Sprintf("found %d registers", n), Expected: "exactly one of input, holding, coil, discrete"}
	case r.Holding != nil && *r.Holding > 40000:
		return &drivers.KeyError{Key: "holding", Problem: fmt.Sprintf("%d is a document number, the wire address starts at 0", *r.Holding), Try: fmt.Sprint(*r.Holding - 40001)}
	}
	return nil
}

func (r *fakeRegister) Outputs() []drivers.Channel {
	return []drivers.Channel{{Writable: r.Coil != nil}}
}

type fakeLines struct {
	fakeWire
	Match   string `toml:"match" required:"true" doc:"regular expression with named groups"`
	Example string `toml:"example" doc:"a line that match must fit"`
	groups  []string
}

func (o *fakeLines) Check() error {
	re, err := regexp.Compile(o.Match)
	if err != nil {
		return &drivers.KeyError{Key: "match", Problem: strings.TrimPrefix(err.Error(), "error parsing regexp: ")}
	}
	for _, g := range re.SubexpNames() {
		if g != "" {
			o.groups = append(o.groups, g)
		}
	}
	if o.Example != "" && !re.MatchString(o.Example) {
		return &drivers.KeyError{Key: "example", Problem: "match does not fit this line"}
	}
	return nil
}

func (o *fakeLines) Outputs() (out []drivers.Channel) {
	for _, g := range o.groups {
		out = append(out, drivers.Channel{Name: g})
	}
	return out
}

type fakeFrames struct {
	fakeWire
	Sync   string `toml:"sync" required:"true" doc:"bytes that begin a frame"`
	Length *struct {
		At   int    `toml:"at"`
		Type string `toml:"type"`
		Add  int    `toml:"add"`
	} `toml:"length"`
	Check_ *struct {
		Kind string `toml:"kind"`
		At   int    `toml:"at"`
	} `toml:"check"`
	Example string `toml:"example"`
}

type fakeField struct {
	At   int    `toml:"at" required:"true"`
	Type string `toml:"type"`
}

type fakeI2C struct {
	I2C string `toml:"i2c" required:"true" doc:"bus:address"`
}

func (o *fakeI2C) Claims() []drivers.Claim {
	return []drivers.Claim{{Kind: "i2c", ID: o.I2C, Key: "i2c"}}
}

type fakeADC struct {
	Input string `toml:"input" required:"true"`
	Range string `toml:"range"`
}

type fakeGPIO struct {
	GPIO     string        `toml:"gpio" required:"true" doc:"line name, or gpiochip0:17"`
	Pull     string        `toml:"pull"`
	Active   string        `toml:"active"`
	Debounce time.Duration `toml:"debounce"`
	Edge     string        `toml:"edge"`
	PerPulse string        `toml:"per_pulse"`
	Start    string        `toml:"start"`
	MaxOn    time.Duration `toml:"max_on"`
	Failsafe *struct {
		After time.Duration `toml:"after" required:"true"`
		State string        `toml:"state" required:"true"`
	} `toml:"failsafe"`
}

func (o *fakeGPIO) Claims() []drivers.Claim {
	return []drivers.Claim{{Kind: "gpio", ID: o.GPIO, Key: "gpio"}}
}

func fakeCatalogue() Catalogue {
	open := func(context.Context, drivers.DeviceConfig) (any, error) { return nil, nil }
	reg := &drivers.Registry{}
	state := []drivers.Channel{{Name: "state", Kind: drivers.State}}
	reg.Add(
		drivers.Driver{Name: "modbus", Every: 5 * time.Second, Open: open, Options: func() any { return &fakeModbus{} }, ChannelOptions: func() any { return &fakeRegister{} }},
		drivers.Driver{Name: "lines", Open: open, Options: func() any { return &fakeLines{} }},
		drivers.Driver{Name: "nmea", Open: open, Options: func() any { return &fakeWire{} }, Channels: []drivers.Channel{{Name: "lat", Unit: "°"}, {Name: "lon", Unit: "°"}}},
		drivers.Driver{Name: "frames", Open: open, Options: func() any { return &fakeFrames{} }, ChannelOptions: func() any { return &fakeField{} }},
		drivers.Driver{Name: "bme280", Every: 10 * time.Second, Open: open, Options: func() any { return &fakeI2C{} }, Channels: []drivers.Channel{{Name: "temperature", Unit: "°C"}, {Name: "humidity", Unit: "%"}, {Name: "pressure", Unit: "Pa"}}},
		drivers.Driver{Name: "ads1115", Every: time.Second, Open: open, Options: func() any { return &fakeI2C{} }, ChannelOptions: func() any { return &fakeADC{} }},
		drivers.Driver{Name: "w1", Every: 10 * time.Second, Open: open, Options: func() any {
			return &struct {
				ID string `toml:"id" required:"true"`
			}{}
		}, Channels: []drivers.Channel{{Name: "temperature", Unit: "°C"}}},
		drivers.Driver{Name: "input", Open: open, Options: func() any { return &fakeGPIO{} }, Channels: state},
		drivers.Driver{Name: "pulse", Open: open, Options: func() any { return &fakeGPIO{} }, Channels: []drivers.Channel{{Name: "total", Unit: "L", Kind: drivers.Total}, {Name: "flow", Unit: "L/min"}}},
		drivers.Driver{Name: "output", Open: open, Options: func() any { return &fakeGPIO{} }, Channels: []drivers.Channel{{Name: "state", Kind: drivers.State, Writable: true}}},
	)
	return Catalogue{
		Drivers:   reg,
		SerialBus: func() any { return &fakePort{} },
		Models: []fs.FS{fstest.MapFS{"eastron/sdm630.toml": {Data: []byte(`
title  = "Eastron SDM630"
source = "SDM630 Modbus protocol V1.5"
tested = "by its manual only"
driver = "modbus"
every  = "10s"
[channels]
voltage = { input = 0x0000, type = "f32", unit = "V" }
power   = { input = 0x0034, type = "f32", unit = "W" }
`)}}},
		StablePort: func(port string) string {
			if port == "/dev/ttyUSB0" {
				return "/dev/serial/by-id/usb-FTDI_FT232R_USB_UART_AB0KNUJC-if00-port0"
			}
			return ""
		},
	}
}
