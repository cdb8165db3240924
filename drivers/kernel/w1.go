package kernel

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/adapter"
)

type w1Options struct {
	ID    string      `toml:"id" required:"true" example:"\"28-01193a4b2c3d\"" doc:"The id of the probe as in /sys/bus/w1/devices: \"28-01193a4b2c3d\"."`
	Shunt adapter.Ohm `toml:"shunt" example:"\"25 mohm\"" doc:"The resistor of a DS2438 that the current goes through, like \"25 mohm\"; without it there is no current."`
}

var w1ID = regexp.MustCompile(`^[0-9a-f]{2}-[0-9a-f]{12}$`)

// w1Family is one kind of probe: what it can measure, by its data sheet.
type w1Family struct {
	chip string
	// Of a thermometer that the kernel's w1_therm drives:
	low, high   float64
	measurement func(pad [9]byte, milli int) (float64, error)
	// Of another:
	channels func(o *w1Options) []drivers.Channel
	poll     func(p *w1Probe, ctx context.Context, dir string) ([]drivers.Reading, error)
}

// w1Families are the probes by the first two digits of their ids.
var w1Families = map[string]w1Family{
	"10": {chip: "DS18S20", low: -55, high: 125, measurement: ds18s20},
	"22": {chip: "DS1822", low: -55, high: 125, measurement: ds18b20},
	"28": {chip: "DS18B20", low: -55, high: 125, measurement: ds18b20},
	"3b": {chip: "MAX31850", low: -270, high: 1768, measurement: max31850},
	"42": {chip: "DS28EA00", low: -40, high: 85, measurement: ds18b20},
	"1d": {chip: "DS2423", channels: counterChannels, poll: (*w1Probe).counters},
	"26": {chip: "DS2438", channels: batteryChannels, poll: (*w1Probe).battery},
}

// checkW1 looks at an id. others is the driver of what known does not have.
func checkW1(id string, known func(family string) bool, expected, other string) error {
	if !w1ID.MatchString(id) {
		return &drivers.KeyError{Key: "id", Problem: fmt.Sprintf("found %q", id),
			Expected: "family and serial number in lower case, like 28-01193a4b2c3d", Try: "ls /sys/bus/w1/devices"}
	}
	if !known(id[:2]) {
		return &drivers.KeyError{Key: "id", Problem: "no chip of family " + id[:2] + " is known here", Expected: expected, Try: fmt.Sprintf("driver = %q", other)}
	}
	return nil
}

// Check implements drivers.Checker.
func (o *w1Options) Check() error {
	err := checkW1(o.ID, func(f string) bool { return w1Families[f].chip != "" }, "10, 22, 28, 3b or 42 (thermometers), 1d (DS2423), 26 (DS2438)", "w1-switch")
	if err == nil && o.Shunt != 0 && o.ID[:2] != "26" {
		err = &drivers.KeyError{Key: "shunt", Problem: "is for a DS2438 (family 26)"}
	}
	return err
}

// Claims implements drivers.Claimer.
func (o *w1Options) Claims() []drivers.Claim {
	return []drivers.Claim{{Kind: "w1", ID: o.ID, Key: "id"}}
}

// Outputs implements drivers.Outputter: each family has its own range.
func (o *w1Options) Outputs() []drivers.Channel {
	c := drivers.Channel{Name: "temperature", Unit: "°C"}
	if w1ID.MatchString(o.ID) {
		f := w1Families[o.ID[:2]]
		if f.channels != nil {
			return f.channels(o)
		}
		c.Min, c.Max = f.low, f.high
	}
	return []drivers.Channel{c}
}

// w1 reads 1-Wire probes through the kernel's w1_therm, w1_ds2423 and w1_ds2438.
func (s sysfs) w1() drivers.Driver {
	masters := &w1Masters{root: s, all: map[string]*w1Master{}}
	return drivers.Driver{
		Name:    "w1",
		Summary: "1-Wire thermometers DS18B20, DS18S20, DS1822, MAX31850, DS28EA00, counters DS2423 and batteries DS2438 through the kernel",
		Every:   30 * time.Second,
		Options: func() any { return &w1Options{} },
		Open: func(_ context.Context, config drivers.DeviceConfig) (any, error) {
			o := config.Options.(*w1Options)
			p := &w1Probe{id: o.ID, shunt: float64(o.Shunt), root: s, masters: masters, files: newFiles()}
			_, err := s.w1Dir(p.id)
			return p, err
		},
	}
}

// w1Probe is one probe.
type w1Probe struct {
	id      string
	shunt   float64 // Ω; 0: none
	root    sysfs
	masters *w1Masters
	files   *files
}

// w1Dir returns a chip's folder; the id is its name, so there is nothing to search.
func (s sysfs) w1Dir(id string) (string, error) {
	dir := filepath.Join(string(s), "bus/w1/devices", id)
	if _, err := filepath.EvalSymlinks(dir); err != nil {
		return "", fmt.Errorf("w1 probe %s: %w (wired? dtoverlay=w1-gpio set?)", id, drivers.ErrAbsent)
	}
	return dir, nil
}

// Poll implements drivers.Poller.
func (p *w1Probe) Poll(ctx context.Context) ([]drivers.Reading, error) {
	dir, err := p.root.w1Dir(p.id)
	if err != nil {
		return nil, err
	}
	if f := w1Families[p.id[:2]]; f.poll != nil {
		rs, err := f.poll(p, ctx, dir)
		if err != nil {
			err = fmt.Errorf("w1 probe %s: %w", p.id, err)
		}
		return rs, err
	}
	m := p.masters.of(dir)
	at, err := m.convert(ctx, p.id)
	if err != nil {
		return nil, fmt.Errorf("w1 probe %s: %w", p.id, err)
	}
	text, err := p.files.read(ctx, filepath.Join(dir, "w1_slave"))
	if err != nil {
		return nil, fmt.Errorf("w1 probe %s: %w", p.id, err)
	}
	if at.IsZero() {
		at = time.Now() // the read itself made the conversion
	}
	celsius, err := parseW1(text, w1Families[p.id[:2]])
	if err != nil {
		return nil, fmt.Errorf("w1 probe %s: %w", p.id, err)
	}
	return []drivers.Reading{{Channel: "temperature", Unit: "°C", Value: drivers.Number(celsius), Time: at}}, nil
}

// parseW1 reads w1_slave: the scratchpad twice, the check of its CRC, and milli-°C.
//
//	72 01 4b 46 7f ff 0e 10 57 : crc=57 YES
//	72 01 4b 46 7f ff 0e 10 57 t=23125
func parseW1(text string, family w1Family) (float64, error) {
	first, second, _ := strings.Cut(text, "\n")
	if text == "" {
		return 0, fmt.Errorf("%w: a conversion is under way", drivers.ErrNoAnswer)
	}
	// After a NO the kernel repeats the value of the last good read.
	// Documentation/w1/slaves/w1_therm.
	if !strings.HasSuffix(strings.TrimSpace(first), "YES") {
		return 0, fmt.Errorf("checksum wrong: %.60q (cable too long, or no 4.7 kΩ pull-up?)", first)
	}
	pad, err := scratchpad(first)
	if err != nil {
		return 0, err
	}
	_, t, ok := strings.Cut(second, "t=")
	milli, err := strconv.Atoi(strings.TrimSpace(t))
	if !ok || err != nil {
		return 0, fmt.Errorf("found %.60q, expected t= and a number", second)
	}
	return family.measurement(pad, milli)
}

// ds18b20 makes °C of a DS18B20 or a relative. At power-on its register has 85 °C, and
// byte 6, which is reserved, 0Ch; another count comes with a measured 85.0 (DS18B20 data
// sheet, table 1, and what chips do). With 07FFh it is the same (Linux w1_therm knows both).
func ds18b20(pad [9]byte, milli int) (float64, error) {
	switch raw := uint16(pad[0]) | uint16(pad[1])<<8; {
	case pad[6] == 0x0c && raw == 0x0550:
		return 0, errors.New("85 °C is its power-on value: it lost its power before it had measured (parasite power? try: the third wire)")
	case pad[6] == 0x0c && raw == 0x07ff:
		return 0, errors.New("127.9 °C is what it has when it could not measure (parasite power? try: the third wire)")
	}
	return float64(milli) / 1000, nil
}

// ds18s20 makes °C of a DS18S20. Without COUNT PER °C in byte 7 there is nothing to
// calculate with, and the kernel says 0 (data sheet: byte 7 is 10h, always).
func ds18s20(pad [9]byte, milli int) (float64, error) {
	switch {
	case pad[7] == 0:
		return 0, errors.New("its count per °C is 0, so what the kernel says is not a temperature (a copy of the chip?)")
	case pad[6] == 0x0c && milli == 85000:
		return 0, errors.New("85 °C is its power-on value: it lost its power before it had measured (parasite power? try: the third wire)")
	}
	return float64(milli) / 1000, nil
}

// max31850 makes °C of a MAX31850 or MAX31851, a thermocouple converter. Its two lowest
// bits are no temperature: bit 0 is the fault, of which byte 2 says which. The kernel
// does not look. Data sheet 19-6201, "Scratchpad" and "Fault".
func max31850(pad [9]byte, _ int) (float64, error) {
	if pad[0]&1 != 0 {
		var what []string
		for bit, text := range []string{"open", "shorted to GND", "shorted to VDD"} {
			if pad[2]>>bit&1 != 0 {
				what = append(what, text)
			}
		}
		if what == nil {
			what = []string{"at fault"}
		}
		return 0, fmt.Errorf("the thermocouple is %s", strings.Join(what, " and "))
	}
	return float64(int16(uint16(pad[0])|uint16(pad[1])<<8)&^3) / 16, nil
}

// scratchpad reads the nine bytes. All zeros have a right CRC: that is a bus that is
// shorted to ground, or a probe that is gone.
func scratchpad(line string) (pad [9]byte, err error) {
	fields := strings.Fields(line)
	if len(fields) < len(pad) {
		return pad, fmt.Errorf("found %.60q, expected nine bytes", line)
	}
	zero := true
	for i := range pad {
		v, err := strconv.ParseUint(fields[i], 16, 8)
		if err != nil {
			return pad, fmt.Errorf("found %.60q, expected nine bytes", line)
		}
		pad[i] = byte(v)
		zero = zero && v == 0
	}
	if zero {
		return pad, fmt.Errorf("%w: only zeros (the data wire shorted to ground?)", drivers.ErrNoAnswer)
	}
	return pad, nil
}

// w1Masters are the 1-Wire buses. Several probes on one bus convert together: alone each
// would keep the bus for 750 ms.
type w1Masters struct {
	root sysfs
	mu   sync.Mutex
	all  map[string]*w1Master
}

func (ms *w1Masters) of(probe string) *w1Master {
	dir := ""
	if p, err := filepath.EvalSymlinks(probe); err == nil {
		dir = filepath.Dir(p)
	}
	ms.mu.Lock()
	defer ms.mu.Unlock()
	m := ms.all[dir]
	if m == nil {
		m = &w1Master{dir: dir, lock: make(chan struct{}, 1), files: newFiles(), fresh: map[string]time.Time{}}
		ms.all[dir] = m
	}
	return m
}
