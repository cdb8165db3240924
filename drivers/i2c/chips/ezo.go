package chips

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/adapter"
	"sensorgate/drivers/i2c/bus"
	"sensorgate/drivers/i2c/chip"
)

// ezoKinds are Atlas Scientific's circuits: what they call themselves, what they measure
// and how long it takes at most.
var ezoKinds = map[string]struct {
	name    string
	channel drivers.Channel
	takes   time.Duration
}{
	"ph":  {"pH", drivers.Channel{Name: "ph", Min: 0.001, Max: 14}, 900 * time.Millisecond},
	"orp": {"ORP", drivers.Channel{Name: "orp", Unit: "mV", Min: -1020, Max: 1020}, 900 * time.Millisecond},
	"do":  {"D.O.", drivers.Channel{Name: "oxygen", Unit: "mg/l", Min: 0, Max: 100}, 600 * time.Millisecond},
	"ec":  {"EC", drivers.Channel{Name: "conductivity", Unit: "µS/cm", Min: 0, Max: 500000}, 600 * time.Millisecond},
	"rtd": {"RTD", drivers.Channel{Name: "temperature", Unit: "°C", Min: -126, Max: 1254}, 600 * time.Millisecond},
}

type ezoOptions struct {
	chip.I2COptions
	Circuit   string              `toml:"circuit" required:"true" example:"\"ph\"" doc:"What the circuit measures: ph, orp, do, ec or rtd."`
	Water     *float64            `toml:"water" example:"25.0" doc:"The temperature of the water in °C, to compensate for (ph, do, ec); 25 unless given."`
	WaterFrom drivers.ChannelName `toml:"water_from" example:"\"tank/temperature\"" doc:"The channel of another device with that temperature: \"tank/temperature\"; water, or 25 °C, without one or while it is too old."`
	followOptions
}

// Check implements drivers.Checker.
func (o *ezoOptions) Check() error {
	errs := []error{o.I2COptions.Check()}
	if _, ok := ezoKinds[o.Circuit]; !ok {
		errs = append(errs, &drivers.KeyError{Key: "circuit", Problem: fmt.Sprintf("found %q", o.Circuit), Expected: "ph, orp, do, ec or rtd"})
	}
	if o.Water != nil && (*o.Water < -20 || *o.Water > 120) {
		errs = append(errs, &drivers.KeyError{Key: "water", Problem: fmt.Sprintf("found %v °C", *o.Water), Expected: "-20 to 120"})
	}
	return chip.JoinErrors(errs...)
}

// Outputs implements drivers.Outputter.
func (o *ezoOptions) Outputs() []drivers.Channel {
	if k, ok := ezoKinds[o.Circuit]; ok {
		return []drivers.Channel{k.channel, ezoCalibrated(o.Circuit)}
	}
	return nil
}

// EZO talks to Atlas Scientific's water circuits. EZO data sheets, "I2C mode".
func EZO(b *bus.Buses) drivers.Driver {
	return chip.Driver[*ezoOptions]{
		Name:      "ezo",
		Summary:   "Atlas Scientific EZO circuits: pH, ORP, dissolved oxygen, conductivity, temperature of water",
		Addresses: chip.Span(0x61, 0x6f), // programmable; 0x61 to 0x66 from the factory
		Every:     30 * time.Second,
		Options:   func() *ezoOptions { return &ezoOptions{} },
		OpenDevice: func(ctx context.Context, d *bus.Dev, o *ezoOptions, config chip.Config) (chip.Device, error) {
			e := &ezo{d: d, o: o, latest: config.Latest}
			info, err := e.ask(ctx, "i", 300*time.Millisecond)
			if errors.Is(err, drivers.ErrNoAnswer) && ctx.Err() == nil {
				info, err = e.ask(ctx, "i", 300*time.Millisecond) // asleep: the first command woke it
			}
			if err != nil {
				return nil, err
			}
			// "?I,pH,1.98". Oxygen circuits say "D.O." or "DO".
			parts := strings.Split(info, ",")
			plain := func(s string) string { return strings.ReplaceAll(s, ".", "") }
			if len(parts) < 3 || !strings.EqualFold(parts[0], "?I") || plain(parts[1]) != plain(ezoKinds[o.Circuit].name) {
				return nil, fmt.Errorf("this is %.20q, not a circuit for %s", info, o.Circuit)
			}
			return adapter.Acting(e, map[string]adapter.Action{"calibrate": e.calibrate}), e.setOutput(ctx)
		},
	}.On(b)
}

type ezo struct {
	d      *bus.Dev
	o      *ezoOptions
	latest *drivers.Latest
}

// water returns the temperature to compensate for, whether there is one, and how far what
// was asked for is measured. Redox and temperature need none.
func (e *ezo) water() (celsius float64, given bool, quality drivers.Quality) {
	if !slices.Contains([]string{"ph", "do", "ec"}, e.o.Circuit) {
		return 0, false, drivers.Good
	}
	if v, ok := e.o.follow(e.latest, e.o.WaterFrom, "°C", -20, 120); ok {
		return v, true, drivers.Good
	}
	if e.o.WaterFrom != "" {
		celsius, given, quality = usualTemperature, true, drivers.Uncertain
	}
	if e.o.Water != nil {
		celsius, given = *e.o.Water, true
	}
	return celsius, given, quality
}

// ezoOutputs says, for circuits that can answer in more than one unit, how to ask for what
// is set, what makes an answer another than ours, and what sets ours.
var ezoOutputs = map[string]struct {
	ask   string
	wrong func(outputs []string) bool
	set   []string
}{
	// Celsius, not Kelvin or Fahrenheit.
	"rtd": {"S,?", func(o []string) bool { return slices.Contains(o, "K") || slices.Contains(o, "F") }, []string{"S,c"}},
	// mg/l, and not saturation too or alone.
	"do": {"O,?", func(o []string) bool { return slices.Contains(o, "%") || !slices.Contains(o, "MG") }, []string{"O,mg,1", "O,%,0"}},
	// Conductivity, which comes first, and not dissolved solids or salinity alone.
	"ec": {"O,?", func(o []string) bool { return len(o) == 0 || o[0] != "EC" }, []string{"O,EC,1"}},
}

// setOutput has the circuit answer in our unit. It keeps over power cuts what was set with
// another program, so it is asked first: writing wears its memory.
func (e *ezo) setOutput(ctx context.Context) error {
	out, several := ezoOutputs[e.o.Circuit]
	if !several {
		return nil
	}
	got, err := e.outputs(ctx, out.ask)
	if err != nil || !out.wrong(got) {
		return err
	}
	for _, cmd := range out.set {
		if _, err := e.ask(ctx, cmd, 300*time.Millisecond); err != nil {
			return err
		}
	}
	if got, err = e.outputs(ctx, out.ask); err == nil && out.wrong(got) {
		err = fmt.Errorf("it answers in %.20q and cannot be set to another unit", got)
	}
	return err
}

// outputs returns what a circuit lists after the letter of the question: "?O,EC,TDS" or
// "?,O,EC,TDS" of the outputs, "?S,c" of the scale.
func (e *ezo) outputs(ctx context.Context, question string) ([]string, error) {
	got, err := e.ask(ctx, question, 300*time.Millisecond)
	if err != nil {
		return nil, err
	}
	list := strings.FieldsFunc(strings.ToUpper(got), func(r rune) bool { return r == '?' || r == ',' })
	if len(list) > 0 && list[0] == question[:1] {
		list = list[1:]
	}
	return list, nil
}

func (e *ezo) Poll(ctx context.Context) ([]drivers.Reading, error) {
	// Not kept over a power cut, so it is sent each time.
	water, given, quality := e.water()
	if given {
		if _, err := e.ask(ctx, "T,"+strconv.FormatFloat(water, 'f', 1, 64), 300*time.Millisecond); err != nil {
			return nil, err
		}
	}
	k := ezoKinds[e.o.Circuit]
	text, err := e.ask(ctx, "R", k.takes)
	if err != nil {
		return nil, err
	}
	first, _, _ := strings.Cut(text, ",") // an EC circuit may be set to say more
	v, err := strconv.ParseFloat(first, 64)
	if err != nil {
		return nil, fmt.Errorf("answered %.20q, expected a number", text)
	}
	r := drivers.Reading{Channel: k.channel.Name, Unit: k.channel.Unit, Value: drivers.Number(v), Time: time.Now(), Quality: quality}
	if err := k.channel.Plausible(r.Value); err != nil { // a probe that is not connected reads as an end of the range
		return nil, chip.Fault(r.Channel, fmt.Errorf("%w (is the probe connected?)", err))
	}
	return []drivers.Reading{r}, nil
}

// ask sends a command and waits for its answer: a status byte, then text up to a zero.
func (e *ezo) ask(ctx context.Context, cmd string, takes time.Duration) (string, error) {
	if err := e.d.Write(ctx, []byte(cmd)...); err != nil {
		return "", err
	}
	for range 4 {
		if err := bus.Sleep(ctx, takes); err != nil {
			return "", err
		}
		b, err := e.d.Read(ctx, 32)
		if err != nil {
			return "", err
		}
		switch b[0] {
		case 1:
			text, _, ended := bytes.Cut(b[1:], []byte{0})
			if !ended {
				return "", errors.New("the answer has no end")
			}
			for _, c := range text {
				if c < ' ' || c > '~' {
					return "", fmt.Errorf("answered %.20q, which is no text", text)
				}
			}
			return string(text), nil
		case 2:
			return "", fmt.Errorf("%w: the circuit does not understand %q", drivers.ErrRefused, cmd)
		case 254: // still at it
			takes = 100 * time.Millisecond
		case 255:
			return "", fmt.Errorf("%w: has no answer to %q (was it reset?)", drivers.ErrNoAnswer, cmd)
		default:
			return "", fmt.Errorf("status %d is not one of an EZO circuit", b[0])
		}
	}
	return "", chip.ErrNoData
}
