package chips

import (
	"context"
	"encoding/binary"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/i2c/bus"
	"sensorgate/drivers/i2c/chip"
)

// How often a baseline is put into the store, how old it may be (SGP30 data sheet section
// 3.9: a week), and how long the chip answers 400 ppm and 0 ppb (section 6.3).
const (
	sgp30SaveEvery    = time.Hour
	sgp30BaselineGood = 7 * 24 * time.Hour
	sgp30Warm         = 15 * time.Second
	// sgp30Learns is how long a chip without a baseline needs for its first. Section 3.9.
	sgp30Learns = 12 * time.Hour
)

// SGP30 estimates CO2 and VOC from hydrogen.
func SGP30(b *bus.Buses) drivers.Driver {
	return chip.Driver[*chip.I2COptions]{
		Name:      "sgp30",
		Summary:   "Sensirion SGP30: eCO2, TVOC (sampled every second; baseline kept over restarts)",
		Addresses: []uint16{0x58},
		Every:     10 * time.Second,
		Sample:    gasSampleRate,
		Channels: []drivers.Channel{
			{Name: "eco2", Unit: "ppm", Min: 400, Max: 60000},
			{Name: "tvoc", Unit: "ppb", Min: 0, Max: 60000},
		},
		Options: chip.NoOptions,
		OpenDevice: func(ctx context.Context, d *bus.Dev, _ *chip.I2COptions, config chip.Config) (chip.Device, error) {
			id, err := sensirionAsk(ctx, d, 10*time.Millisecond, 1, 0x202f) // feature set, section 6.3
			if err != nil {
				return nil, err
			}
			if id[0]>>12 != 0 || id[0]&0xff == 0 {
				return nil, chip.WrongChip("sgp30", uint32(id[0]), nil)
			}
			g := &sgp30{d: d, store: config.Store, since: time.Now(), saved: time.Now()}
			if err := sensirionCommand(ctx, d, 0x2003); err != nil { // init air quality
				return nil, err
			}
			if err := bus.Sleep(ctx, 10*time.Millisecond); err != nil {
				return nil, err
			}
			// No compensation of the humidity, which another program may have left on; chips before
			// feature set 0x20 know none. Section 6.3.
			if id[0]&0xff >= 0x20 {
				if err := sensirionCommand(ctx, d, 0x2061, 0); err != nil {
					return nil, err
				}
				if err := bus.Sleep(ctx, 10*time.Millisecond); err != nil {
					return nil, err
				}
			}
			return g, g.restore(ctx)
		},
	}.On(b)
}

type sgp30 struct {
	d     *bus.Dev
	store drivers.Store
	since time.Time // init
	saved time.Time
	// restored: the chip was given a baseline, so the one that it has now is worth keeping.
	restored bool
}

// restore writes the baseline back: TVOC first, the other way round than read.
func (g *sgp30) restore(ctx context.Context) error {
	b, ok := g.store.Load("baseline")
	if !ok || len(b) != 12 {
		return nil
	}
	age := time.Since(time.Unix(int64(binary.BigEndian.Uint64(b)), 0))
	if age < 0 || age > sgp30BaselineGood {
		return nil
	}
	co2, tvoc := binary.BigEndian.Uint16(b[8:]), binary.BigEndian.Uint16(b[10:])
	if err := sensirionCommand(ctx, g.d, 0x201e, tvoc, co2); err != nil {
		return err
	}
	g.restored = true
	return bus.Sleep(ctx, 10*time.Millisecond)
}

func (g *sgp30) Poll(ctx context.Context) ([]drivers.Reading, error) {
	w, err := sensirionAsk(ctx, g.d, 12*time.Millisecond, 2, 0x2008)
	if err != nil {
		return nil, err
	}
	if time.Since(g.since) <= sgp30Warm {
		return nil, nil
	}
	// A chip that lost its init has no baseline; what it measured then is no measurement.
	base, err := sensirionAsk(ctx, g.d, 10*time.Millisecond, 2, 0x2015)
	if err != nil {
		return nil, err
	}
	if base[0] == 0 && base[1] == 0 {
		return nil, chip.ErrReset
	}
	if now := time.Now(); now.Sub(g.saved) >= sgp30SaveEvery && (g.restored || now.Sub(g.since) >= sgp30Learns) {
		g.saved = now
		b := binary.BigEndian.AppendUint64(nil, uint64(now.Unix()))
		b = binary.BigEndian.AppendUint16(b, base[0])
		g.store.Save("baseline", binary.BigEndian.AppendUint16(b, base[1]))
	}
	now := time.Now()
	return []drivers.Reading{
		{Channel: "eco2", Unit: "ppm", Value: drivers.Number(float64(w[0])), Time: now},
		{Channel: "tvoc", Unit: "ppb", Value: drivers.Number(float64(w[1])), Time: now},
	}, nil
}
