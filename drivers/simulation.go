package drivers

import (
	"context"
	"errors"
	"io"
	"math"
	"strings"
	"time"
)

// Simulation is a device that is not there: what it would send over its wire. It is for
// people who try a configuration at home, and for tests that run every model.
type Simulation struct {
	// Every is how often it speaks by itself; 0: it only answers.
	Every time.Duration

	// Speak returns what it sends by itself when it has run for so long. nil: nothing.
	Speak func(ran time.Duration) []byte

	// Answer takes what was heard since the last answer, and returns what it sends back and
	// what of heard it has not understood yet. nil: it does not listen.
	Answer func(ran time.Duration, heard []byte) (answer, rest []byte)

	// Blank makes a channel have what the device has where there is no value, such as 0x8000
	// of a probe that is not connected. false: it has no such value. nil: nor has any channel.
	Blank func(channel string) bool

	// Values returns what its channels have when it has run for so long.
	Values func(ran time.Duration) []Reading
}

// maxHeard bounds what a simulation keeps of what it does not understand.
const maxHeard = 4096

// Serve is the device at the far end of wire until ctx ends or the wire does; whoever
// calls it closes wire then. An end of file is no error.
func (s Simulation) Serve(ctx context.Context, wire io.ReadWriter) error {
	heard, failed := make(chan []byte), make(chan error, 1)
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	go func() { failed <- hear(ctx, wire, heard) }()
	began := time.Now()
	var speak <-chan time.Time
	if s.Every > 0 && s.Speak != nil {
		tick := time.NewTicker(s.Every)
		defer tick.Stop()
		speak = tick.C
	}
	var rest []byte
	for {
		var send []byte
		select {
		case <-ctx.Done():
			return ctx.Err()
		case err := <-failed:
			return err
		case p := <-heard:
			if s.Answer != nil {
				send, rest = s.Answer(time.Since(began), append(rest, p...))
				rest = rest[max(0, len(rest)-maxHeard):]
			}
		case <-speak:
			send = s.Speak(time.Since(began))
		}
		if len(send) == 0 {
			continue
		}
		if _, err := wire.Write(send); err != nil {
			return err
		}
	}
}

// hear hands on what comes from wire.
func hear(ctx context.Context, wire io.Reader, heard chan<- []byte) error {
	for {
		p := make([]byte, 512)
		n, err := wire.Read(p)
		if n > 0 {
			select {
			case heard <- p[:n]:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
	}
}

// usualValues are what a channel of a unit has in a house, about.
var usualValues = map[string]float64{
	"V": 230, "mV": 900, "A": 5, "mA": 120, "W": 1500, "kW": 1.5, "VA": 1550, "var": 300, "kWh": 1234.5, "Wh": 1234500, "MWh": 1.2, "kvarh": 321,
	"kVAh": 1300, "Ah": 80, "mAh": 1200, "Hz": 50, "°C": 21.5, "K": 12, "%": 55, "ppm": 612, "ppb": 120, "µg/m³": 12, "m": 1.5, "mm": 320, "m/s": 3.4, "°": 200,
	"Pa": 101300, "hPa": 1013, "bar": 1.5, "lx": 400, "dB": 40, "m³": 321.5, "m³/h": 0.4, "l/min": 12, "L/h": 400, "l/h": 400, "s": 100, "min": 100, "h": 1000,
	"rpm": 1450, "kg": 1.234, "g": 250, "GJ": 12.3, "Ω": 2000, "kΩ": 2,
}

// totalUnits are those of what is counted: a meter that falls has been reset or read wrong.
var totalUnits = map[string]bool{
	"Wh": true, "kWh": true, "MWh": true, "VAh": true, "kVAh": true, "MVAh": true, "varh": true, "kvarh": true, "Mvarh": true,
	"J": true, "kJ": true, "MJ": true, "GJ": true, "m³": true,
}

// swing is how far a simulated gauge goes up and down, of its value.
const swing = 0.05

// Likely returns what the nth channel of a simulated device has when it has run for so
// long: usual for its unit, within its limits, another for each n. Totals grow.
func Likely(c Channel, n int, lowest, highest *float64, ran time.Duration) float64 {
	v, ok := usualValues[c.Unit]
	if !ok {
		v = 7 + float64(n)
	}
	switch {
	case c.Kind == Total || totalUnits[c.Unit]:
		v *= 1 + 0.001*ran.Hours()
	case strings.HasPrefix(c.Name, "power_factor") || c.Unit == "Hz": // hardly changes
	case ok:
		v *= 1 + swing*math.Sin(2*math.Pi*ran.Minutes()/float64(3+n%5))
	}
	switch {
	case strings.HasPrefix(c.Name, "power_factor"):
		v = 0.95 - 0.001*float64(n)
	case c.Unit == "Hz":
		v += 0.002 * float64(n)
	default:
		v *= 1 + 0.003*float64(n)
	}
	v = round(v)
	low, high := math.Inf(-1), math.Inf(1)
	if lowest != nil {
		low = *lowest
	}
	if highest != nil {
		high = *highest
	}
	if v >= low && v <= high {
		return v
	}
	switch { // inside, and not at the edge
	case !math.IsInf(low, 0) && !math.IsInf(high, 0):
		return round(low + (high-low)*(0.4+0.01*float64(n%20)))
	case v < low:
		return low + 1 + float64(n)/10
	}
	return high - 1 - float64(n)/10
}

// round leaves five digits: meters show no more, and every type of number holds them.
func round(v float64) float64 {
	if v == 0 {
		return 0
	}
	scale := math.Pow10(4 - int(math.Floor(math.Log10(math.Abs(v)))))
	if scale < 1 {
		scale = 1
	}
	return math.Round(v*scale) / scale
}
