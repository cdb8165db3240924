package kernel

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"time"

	"sensorgate/drivers"
)

var iioClass = class{dir: "bus/iio/devices", pattern: "iio:device*", kind: "iio"}

// iioQuantities: Documentation/ABI/testing/sysfs-bus-iio. Longest name first where one
// begins with another.
var iioQuantities = []struct {
	prefix string
	quantity
}{
	{"temp", quantity{unit: "°C", scale: 1e-3, among: between(-273.15, 2000)}},
	{"humidityrelative", quantity{unit: "%", scale: 1e-3, among: between(0, 100)}},
	{"pressure", quantity{unit: "Pa", scale: 1e3, among: positive}}, // the ABI's unit is kPa
	{"voltage", quantity{unit: "V", scale: 1e-3}},
	{"current", quantity{unit: "A", scale: 1e-3}},
	{"power", quantity{unit: "W", scale: 1e-3}},
	{"energy", quantity{unit: "J", scale: 1}},
	{"illuminance", quantity{unit: "lx", scale: 1, among: positive}},
	{"uvindex", quantity{scale: 1, among: positive}},
	{"intensity", quantity{scale: 1}},
	{"concentration_co2", quantity{unit: "ppm", scale: 1e4, among: between(0, 1e6)}}, // per cent
	{"concentration_voc", quantity{unit: "ppb", scale: 1e7, among: positive}},
	{"concentration", quantity{unit: "%", scale: 1, among: between(0, 100)}},
	{"massconcentration", quantity{unit: "µg/m³", scale: 1, among: positive}},
	{"resistance", quantity{unit: "Ω", scale: 1, among: positive}},
	{"capacitance", quantity{unit: "F", scale: 1e-9}},
	{"electricalconductivity", quantity{unit: "S/m", scale: 1}},
	{"ph", quantity{scale: 1, among: between(0, 14)}},
	{"distance", quantity{unit: "m", scale: 1, among: positive}},
	{"proximity", quantity{scale: 1}},
	{"velocity", quantity{unit: "m/s", scale: 1}},
	{"accel", quantity{unit: "m/s²", scale: 1}},
	{"anglvel", quantity{unit: "rad/s", scale: 1}},
	{"angl", quantity{unit: "rad", scale: 1}},
	{"magn", quantity{unit: "G", scale: 1}},
	{"count", quantity{scale: 1}},
	{"steps", quantity{scale: 1}},
}

var iioByName = map[string]string{
	"temperature": "temp", "humidity": "humidityrelative", "pressure": "pressure", "illuminance": "illuminance",
	"co2": "concentration_co2", "voc": "concentration_voc", "resistance": "resistance", "distance": "distance",
	"voltage": "voltage", "current": "current", "power": "power", "ph": "ph",
}

// iio reads the kernel's Industrial I/O devices.
func (s sysfs) iio() drivers.Driver {
	return drivers.Driver{
		Name:           "iio",
		Summary:        "what the kernel's IIO drivers measure: DHT22, HX711, SPI converters and some 200 more",
		Every:          10 * time.Second,
		Options:        func() any { return &deviceOptions{wrong: iioWrong} },
		ChannelOptions: func() any { return &channelOptions{measures: iioQuantity} },
		Open: func(_ context.Context, config drivers.DeviceConfig) (any, error) {
			opts := config.Options.(*deviceOptions)
			if _, err := s.find(iioClass, opts.Name, opts.At); err != nil {
				return nil, err
			}
			attrs, err := attributes(config, iioByName, func(input string) (quantity, bool) {
				q, ok := iioQuantity(input)
				if known, has := iioChips[chipName(opts.Name)]; has && q.unit == "°C" {
					q.among = known
				}
				return q, ok
			})
			if err != nil {
				return nil, err
			}
			// dht11 often loses a bit and says so; its sensor wants two seconds' rest.
			return &source{root: s, class: iioClass, opts: opts, attrs: attrs, files: newFiles(),
				tries: 3, pause: 2 * time.Second, number: readIIO}, nil
		},
	}
}

// iioChips are the ranges of temperature of parts that are often used with long wires.
var iioChips = map[string]span{
	"dht11":  between(-40, 80), // the driver's name, also for DHT22 and AM2302
	"bme280": between(-40, 85), "bmp280": between(-40, 85), "bmp180": between(-40, 85),
	"sht3x": between(-40, 125), "hdc100x": between(-40, 125), "si7020": between(-40, 125),
}

// iioWrong are drivers of the kernel whose numbers are not what they say.
var iioWrong = map[string]string{
	// drivers/iio/temperature/max31865.c: a scale of 1/32 °C, which presumes a PT100 at 400 Ω, and
	// no offset of -256 °C, which belongs to it: 0 °C are 8192 steps.
	"max31865": "is off by some 256 °C and hides the faults of the wires (try: driver = \"max31865\", without its overlay)",
}

// chipName is the name of a device without its place: "dht11" of "dht11@4".
func chipName(name string) string {
	bare, _, _ := strings.Cut(name, "@")
	return bare
}

func iioQuantity(input string) (quantity, bool) {
	bare := strings.TrimPrefix(input, "in_")
	for _, q := range iioQuantities {
		if strings.HasPrefix(bare, q.prefix) {
			return q.quantity, true
		}
	}
	return quantity{}, false
}

// readIIO returns a channel in the ABI's unit: what _input says, or else
// (_raw + _offset) × _scale.
func readIIO(ctx context.Context, f *files, dir, input string) (float64, error) {
	base := "in_" + strings.TrimPrefix(input, "in_")
	v, err := f.number(ctx, filepath.Join(dir, base+"_input"))
	if !errors.Is(err, fs.ErrNotExist) {
		return v, err
	}
	raw, err := f.number(ctx, filepath.Join(dir, base+"_raw"))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, fmt.Errorf("has no such channel (try: ls %s)", dir)
	} else if err != nil {
		return 0, err
	}
	offset, err := f.shared(ctx, dir, base, "_offset", 0)
	if err != nil {
		return 0, err
	}
	scale, err := f.shared(ctx, dir, base, "_scale", 1)
	return drivers.Scale(drivers.Scale(raw, 1, offset), scale, 0), err
}

// shared reads an attribute of a channel or, if it has none of its own, of all channels
// of its type: in_voltage0_scale, in_voltage0-voltage1_scale, in_voltage_scale.
func (f *files) shared(ctx context.Context, dir, base, ending string, none float64) (float64, error) {
	kind := "in_" + strings.TrimRight(strings.SplitN(strings.TrimPrefix(base, "in_"), "-", 2)[0], "0123456789")
	kinds := []string{base}
	if strings.Contains(base, "-") {
		kinds = append(kinds, kind+"-"+strings.TrimPrefix(kind, "in_"))
	}
	kinds = append(kinds, kind)
	if first, _, ok := strings.Cut(strings.TrimPrefix(base, "in_"), "_"); ok {
		kinds = append(kinds, "in_"+first) // in_accel_x shares in_accel_scale
	}
	for _, k := range kinds {
		v, err := f.number(ctx, filepath.Join(dir, k+ending))
		if !errors.Is(err, fs.ErrNotExist) {
			return v, err
		}
	}
	return none, nil
}
