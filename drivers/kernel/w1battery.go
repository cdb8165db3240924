package kernel

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"sensorgate/drivers"
)

// counterChannels are the inputs of a DS2423.
func counterChannels(*w1Options) []drivers.Channel {
	return []drivers.Channel{{Name: "a", Kind: drivers.Total}, {Name: "b", Kind: drivers.Total}}
}

// counters reads a DS2423: pulses at its two inputs since its own battery was put in.
func (p *w1Probe) counters(ctx context.Context, dir string) ([]drivers.Reading, error) {
	text, err := p.files.read(ctx, filepath.Join(dir, "w1_slave"))
	if err != nil {
		return nil, err
	}
	totals, err := parseDS2423(text)
	if _, single := drivers.ChannelFaults(err); !single {
		return nil, err
	}
	var rs []drivers.Reading
	for i, c := range counterChannels(nil) {
		if totals[i] != nil {
			rs = append(rs, drivers.Reading{Channel: c.Name, Value: drivers.Number(float64(*totals[i])), Time: time.Now()})
		}
	}
	return rs, err
}

// parseDS2423 reads w1_slave of w1_ds2423, a line for each page from 12 on: 42 bytes, the check
// of their CRC, and the counter, which the kernel makes negative from the middle of its range
// on. Pages 14 and 15 count the inputs, 12 and 13 what is written. Of a wrong CRC there is no
// total: nil, and a fault of that channel. Documentation/w1/slaves/w1_ds2423.
//
//	00 29 c6 5d 18 00 00 00 00 04 37 00 … ff crc=YES c=408798761
func parseDS2423(text string) (totals [2]*uint32, err error) {
	lines := strings.Split(text, "\n")
	if len(lines) != 4 {
		return totals, fmt.Errorf("%w: found %.60q, expected four lines", drivers.ErrNoAnswer, text)
	}
	var errs []error
	for i, c := range counterChannels(nil) {
		v, err := parseCounter(lines[2+i])
		if err != nil {
			errs = append(errs, &drivers.ChannelError{Channel: c.Name, Err: err})
			continue
		}
		totals[i] = &v
	}
	return totals, errors.Join(errs...)
}

func parseCounter(line string) (uint32, error) {
	bytes, sum, ok := strings.Cut(line, "crc=")
	b, err := hex.DecodeString(strings.ReplaceAll(bytes, " ", ""))
	switch {
	case !ok || err != nil || len(b) < 9:
		return 0, fmt.Errorf("found %.60q, expected 42 bytes and crc=", line)
	case !strings.HasPrefix(sum, "YES"):
		return 0, errors.New("checksum wrong (cable too long, or no 4.7 kΩ pull-up?)")
	case b[5]|b[6]|b[7]|b[8] != 0:
		return 0, fmt.Errorf("found % x behind the counter, where there is nothing", b[5:9])
	}
	return uint32(b[1]) | uint32(b[2])<<8 | uint32(b[3])<<16 | uint32(b[4])<<24, nil
}

// batteryChannels are what a DS2438 measures: humidity and light sensors are at vad, batteries
// at vdd.
func batteryChannels(o *w1Options) []drivers.Channel {
	all := []drivers.Channel{{Name: "temperature", Unit: "°C", Min: -55, Max: 125}, {Name: "vdd", Unit: "V", Min: 0, Max: 10.24}, {Name: "vad", Unit: "V", Min: 0, Max: 10.24}}
	if o.Shunt > 0 {
		most := 0.25 / float64(o.Shunt)
		all = append(all, drivers.Channel{Name: "current", Unit: "A", Min: -most, Max: most})
	}
	return all
}

// battery reads a DS2438. Reading an attribute has the chip convert: in 256ths of a degree, in
// hundredths of a volt. The current is in its page 0, whose CRC the kernel checks: 1/4096 V a
// step, measured all the time unless bit 0 of the status is off.
// Documentation/w1/slaves/w1_ds2438; DS2438 data sheet, "Current measurement".
func (p *w1Probe) battery(ctx context.Context, dir string) ([]drivers.Reading, error) {
	var values []float64
	for _, attr := range []struct {
		name  string
		steps float64
	}{{"temperature", 256}, {"vdd", 100}, {"vad", 100}} {
		v, err := p.files.number(ctx, filepath.Join(dir, attr.name))
		if err != nil {
			return nil, err
		}
		values = append(values, v/attr.steps)
	}
	// All zeros have a right CRC: and it cannot have measured without a supply.
	if values[1] == 0 {
		return nil, fmt.Errorf("%w: its own supply is 0 V (the data wire shorted to ground?)", drivers.ErrNoAnswer)
	}
	var failed error
	if p.shunt > 0 {
		page, err := p.files.bytes(ctx, filepath.Join(dir, "page0"))
		switch {
		case err != nil:
			failed = &drivers.ChannelError{Channel: "current", Err: err}
		case len(page) < 8:
			failed = &drivers.ChannelError{Channel: "current", Err: fmt.Errorf("page0 has %d bytes, expected 8", len(page))}
		case page[0]&1 == 0:
			failed = &drivers.ChannelError{Channel: "current", Err: errors.New("its current is switched off (try: echo 1 into its file iad)")}
		default:
			values = append(values, float64(int16(uint16(page[5])|uint16(page[6])<<8))/4096/p.shunt)
		}
	}
	now := time.Now()
	var rs []drivers.Reading
	for i, c := range batteryChannels(&w1Options{Shunt: 1})[:len(values)] {
		rs = append(rs, drivers.Reading{Channel: c.Name, Unit: c.Unit, Value: drivers.Number(values[i]), Time: now})
	}
	return rs, failed
}
