package kernel

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"sensorgate/drivers"
)

var hwmonClass = class{dir: "class/hwmon", pattern: "hwmon*", kind: "hwmon"}

// hwmonQuantities: Documentation/hwmon/sysfs-interface. Power is in micro-, the rest in
// milli-units.
var hwmonQuantities = map[string]quantity{
	"temp":     {unit: "°C", scale: 1e-3, among: between(-100, 300)},
	"in":       {unit: "V", scale: 1e-3},
	"curr":     {unit: "A", scale: 1e-3},
	"power":    {unit: "W", scale: 1e-6},
	"energy":   {unit: "J", scale: 1e-6},
	"humidity": {unit: "%", scale: 1e-3, among: between(0, 100)},
	"fan":      {unit: "rpm", scale: 1, among: positive},
	"freq":     {unit: "Hz", scale: 1, among: positive},
	"pwm":      {unit: "", scale: 1, among: between(0, 255)},
}

var hwmonByName = map[string]string{
	"temperature": "temp1", "humidity": "humidity1", "voltage": "in1", "current": "curr1", "power": "power1",
	"energy": "energy1", "fan": "fan1", "frequency": "freq1",
}

// hwmon reads the kernel's hardware monitors: the processor's temperature, INA226, fans.
func (s sysfs) hwmon() drivers.Driver {
	return drivers.Driver{
		Name:           "hwmon",
		Summary:        "what the kernel's hwmon drivers measure: processor temperature, INA2xx, fans, supply voltages",
		Every:          30 * time.Second,
		Options:        func() any { return &deviceOptions{} },
		ChannelOptions: func() any { return &channelOptions{measures: hwmonKind} },
		Open: func(_ context.Context, config drivers.DeviceConfig) (any, error) {
			opts := config.Options.(*deviceOptions)
			n, err := s.find(hwmonClass, opts.Name, opts.At)
			if err != nil {
				return nil, err
			}
			attrs, err := attributes(config, hwmonByName, func(input string) (quantity, bool) {
				return hwmonQuantity(n.dir, input)
			})
			if err != nil {
				return nil, err
			}
			return &source{root: s, class: hwmonClass, opts: opts, attrs: attrs, files: newFiles(), tries: 1, number: readHwmon}, nil
		},
	}
}

// hwmonQuantity returns what an input such as "temp1", or one labelled "Tctl", measures.
func hwmonQuantity(dir, input string) (quantity, bool) {
	return hwmonKind(hwmonLabelled(dir, input))
}

// hwmonKind decides it by the input's name alone.
func hwmonKind(input string) (quantity, bool) {
	q, ok := hwmonQuantities[strings.TrimRight(input, "0123456789")]
	return q, ok
}

// hwmonLabelled returns the attribute whose label is input, or else input itself.
func hwmonLabelled(dir, input string) string {
	labels, _ := filepath.Glob(filepath.Join(dir, "*_label")) // the pattern is ours
	for _, path := range labels {
		if text, err := os.ReadFile(path); err == nil && strings.TrimSpace(string(text)) == input {
			return strings.TrimSuffix(filepath.Base(path), "_label")
		}
	}
	return input
}

func readHwmon(ctx context.Context, f *files, dir, input string) (float64, error) {
	attr := hwmonLabelled(dir, input)
	// A sensor that is broken or not connected may say so.
	if fault, err := f.number(ctx, filepath.Join(dir, attr+"_fault")); err == nil && fault != 0 {
		return 0, errors.New("the sensor is faulty or not connected")
	}
	v, err := f.number(ctx, filepath.Join(dir, attr+"_input"))
	if !errors.Is(err, fs.ErrNotExist) {
		return v, err
	}
	// Some have an average only, and pwm has no ending.
	for _, ending := range []string{"_average", ""} {
		if v, err := f.number(ctx, filepath.Join(dir, attr+ending)); err == nil {
			return v, nil
		}
	}
	return 0, fmt.Errorf("has no such attribute (try: ls %s)", dir)
}
