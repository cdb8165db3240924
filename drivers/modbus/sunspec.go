package modbus

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// SunSpec Information Model Specification, section 6: the map begins with "SunS" at
// one of these holding registers, and then has models: number, length, registers;
// the last has number 0xFFFF.
var sunspecBases = []int{40000, 0, 50000}

const (
	sunspecMark   = "SunS"
	lastModel     = 0xFFFF
	maxModels     = 200 // a device that answers nonsense must not keep the wire forever
	modelHeader   = 2
	maxModelsText = 16
)

// model is one that was found on a device.
type model struct {
	number, at, length int // at is where its number stands; length is without the header
}

// parseModels reads "103,102,101".
func parseModels(s string) ([]int, error) {
	parts := strings.Split(s, ",")
	if len(parts) > maxModelsText {
		return nil, fmt.Errorf("found %d models, expected up to %d", len(parts), maxModelsText)
	}
	var numbers []int
	for _, p := range parts {
		n, err := strconv.Atoi(strings.TrimSpace(p))
		if err != nil || n < 1 || n >= lastModel {
			return nil, fmt.Errorf("found %q, expected numbers of models", s)
		}
		numbers = append(numbers, n)
	}
	return numbers, nil
}

// discover returns items of the SunSpec channels at the places where their models are on
// this device. A channel of a model that the device does not have is reported, and left out.
func (d *device) discover(ctx context.Context) ([]*item, error) {
	models, err := d.models(ctx)
	if err != nil {
		return nil, err
	}
	var found []*item
	for _, i := range d.sunspec {
		c := i.channel
		m, ok := firstOf(models, c.o.SunSpec)
		switch {
		case !ok:
			d.channelFailed(c, fmt.Errorf("the device has no SunSpec model %s", c.o.SunSpec))
			continue
		case i.at+i.width > m.length+modelHeader:
			d.channelFailed(c, fmt.Errorf("register %d is outside model %d, which has %d", i.at+i.width-1, m.number, m.length+modelHeader))
			continue
		}
		at := *i
		at.at += m.at
		found = append(found, &at)
	}
	return found, nil
}

// models walks the device's list of models.
func (d *device) models(ctx context.Context) ([]model, error) {
	base, err := d.sunspecBase(ctx)
	if err != nil {
		return nil, err
	}
	var list []model
	for at := base + len(sunspecMark)/2; len(list) < maxModels && at+modelHeader <= 0xFFFF; {
		p, _, err := d.read(ctx, Holding, at, modelHeader, time.Time{})
		if err != nil {
			return nil, err
		}
		m := model{number: int(binary.BigEndian.Uint16(p)), at: at, length: int(binary.BigEndian.Uint16(p[2:]))}
		if m.number == lastModel {
			return list, nil
		}
		list = append(list, m)
		at += modelHeader + m.length
	}
	return list, errors.New("the list of SunSpec models has no end")
}

// sunspecBase finds the map. There are devices that keep silent where they have none, so
// after a silence the next attempt begins elsewhere.
func (d *device) sunspecBase(ctx context.Context) (int, error) {
	for range sunspecBases {
		base := sunspecBases[d.base]
		p, _, err := d.read(ctx, Holding, base, len(sunspecMark)/2, time.Time{})
		if err == nil && string(p) == sunspecMark {
			return base, nil
		}
		d.base = (d.base + 1) % len(sunspecBases)
		if err != nil && !errors.As(err, new(exception)) {
			return 0, err
		}
	}
	return 0, errors.New("no SunSpec map (is it switched on in the device? another unit number?)")
}

func firstOf(models []model, wanted string) (model, bool) {
	numbers, _ := parseModels(wanted) // checked when the file was read
	for _, n := range numbers {
		for _, m := range models {
			if m.number == n {
				return m, true
			}
		}
	}
	return model{}, false
}
