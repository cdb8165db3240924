package chips

import (
	"context"
	"encoding/binary"
	"math"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/i2c/bus"
)

// How often learnt state is put into the store, and how old a baseline may be.
// SGP30 data sheet section 3.9: a baseline is good for a week.
const (
	gasSaveEvery  = time.Hour
	indexSave     = 5 * time.Minute
	baselineGood  = 7 * 24 * time.Hour
	sgp30Warm     = 15 * time.Second // in which it answers 400 ppm and 0 ppb; section 6.3
	sgpDefaultRH  = 0x8000           // 50 %: SGP40 data sheet table 10
	sgpDefaultT   = 0x6666           // 25 °C
	sgp41Heating  = 10 * time.Second // of conditioning, never more; SGP41 data sheet section 3.2
	gasSampleRate = time.Second      // what all three want
)

// SGP30 estimates CO2 and VOC from hydrogen.
func SGP30(b *bus.Buses) drivers.Driver {
	return chip[*At]{
		name:    "sgp30",
		summary: "Sensirion SGP30: eCO2, TVOC (sampled every second; baseline kept over restarts)",
		addrs:   []uint16{0x58},
		every:   10 * time.Second,
		sample:  gasSampleRate,
		channels: []drivers.Channel{
			{Name: "eco2", Unit: "ppm", Min: 400, Max: 60000},
			{Name: "tvoc", Unit: "ppb", Min: 0, Max: 60000},
		},
		options: plain,
		device: func(ctx context.Context, d *bus.Dev, _ *At, s site) (device, error) {
			id, err := ask(ctx, d, 10*time.Millisecond, 1, 0x202f) // feature set, section 6.3
			if err != nil {
				return nil, err
			}
			if id[0]>>12 != 0 || id[0]&0xff == 0 {
				return nil, wrongChip("sgp30", uint32(id[0]), nil)
			}
			g := &sgp30{d: d, store: s.Store, since: time.Now(), saved: time.Now()}
			if err := command(ctx, d, 0x2003); err != nil { // init air quality
				return nil, err
			}
			if err := bus.Sleep(ctx, 10*time.Millisecond); err != nil {
				return nil, err
			}
			return g, g.restore(ctx)
		},
	}.driver(b)
}

type sgp30 struct {
	d     *bus.Dev
	store drivers.Store
	since time.Time // init
	saved time.Time
}

// restore gives the chip its baseline back: TVOC first, the other way round than read.
func (g *sgp30) restore(ctx context.Context) error {
	b, ok := g.store.Load("baseline")
	if !ok || len(b) != 12 {
		return nil
	}
	age := time.Since(time.Unix(int64(binary.BigEndian.Uint64(b)), 0))
	if age < 0 || age > baselineGood {
		return nil
	}
	co2, tvoc := binary.BigEndian.Uint16(b[8:]), binary.BigEndian.Uint16(b[10:])
	if err := command(ctx, g.d, 0x201e, tvoc, co2); err != nil {
		return err
	}
	return bus.Sleep(ctx, 10*time.Millisecond)
}

func (g *sgp30) poll(ctx context.Context) ([]drivers.Reading, error) {
	w, err := ask(ctx, g.d, 12*time.Millisecond, 2, 0x2008)
	if err != nil {
		return nil, err
	}
	if time.Since(g.since) <= sgp30Warm {
		return nil, nil
	}
	// A chip that lost its init has no baseline; what it measured then is no measurement.
	base, err := ask(ctx, g.d, 10*time.Millisecond, 2, 0x2015)
	if err != nil {
		return nil, err
	}
	if base[0] == 0 && base[1] == 0 {
		return nil, errReset
	}
	if now := time.Now(); now.Sub(g.saved) >= gasSaveEvery {
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

func indexChannels(gases ...string) []drivers.Channel {
	var all []drivers.Channel
	for _, gas := range gases {
		all = append(all, drivers.Channel{Name: gas + "_index", Min: 1, Max: 500}, drivers.Channel{Name: gas + "_raw", Min: 0, Max: 65535})
	}
	return all
}

// SGP40 measures volatile organic compounds.
func SGP40(b *bus.Buses) drivers.Driver {
	return chip[*At]{
		name:     "sgp40",
		summary:  "Sensirion SGP40: VOC index (sampled every second)",
		addrs:    []uint16{0x59},
		every:    10 * time.Second,
		sample:   gasSampleRate,
		channels: indexChannels("voc"),
		options:  plain,
		device: func(ctx context.Context, d *bus.Dev, _ *At, s site) (device, error) {
			return openSGP4x(ctx, d, s, false)
		},
	}.driver(b)
}

// SGP41 measures nitrogen oxides too.
func SGP41(b *bus.Buses) drivers.Driver {
	return chip[*At]{
		name:     "sgp41",
		summary:  "Sensirion SGP41: VOC index, NOx index (sampled every second)",
		addrs:    []uint16{0x59},
		every:    10 * time.Second,
		sample:   gasSampleRate,
		channels: indexChannels("voc", "nox"),
		options:  plain,
		device: func(ctx context.Context, d *bus.Dev, _ *At, s site) (device, error) {
			return openSGP4x(ctx, d, s, true)
		},
	}.driver(b)
}

type sgp4x struct {
	d        *bus.Dev
	store    drivers.Store
	voc, nox *gasIndex // nox: SGP41
	since    time.Time
	saved    time.Time
	channels []drivers.Channel
}

func openSGP4x(ctx context.Context, d *bus.Dev, s site, nox bool) (device, error) {
	// The serial number has a checksum: there is one of Sensirion's here.
	if _, err := ask(ctx, d, time.Millisecond, 3, 0x3682); err != nil {
		return nil, err
	}
	g := &sgp4x{d: d, store: s.Store, since: time.Now(), saved: time.Now(), channels: indexChannels("voc")}
	if nox {
		g.channels = indexChannels("voc", "nox")
	}
	// What was learnt survives a fault of the chip, and a short restart.
	if kept, ok := s.keep["voc"].(*gasIndex); ok {
		g.voc = kept
		g.nox, _ = s.keep["nox"].(*gasIndex)
		return g, nil
	}
	g.voc = newGasIndex(false)
	if b, ok := s.Store.Load("voc"); ok {
		g.voc.restore(b, time.Now())
	}
	s.keep["voc"] = g.voc
	if nox {
		g.nox = newGasIndex(true)
		s.keep["nox"] = g.nox
	}
	return g, nil
}

func (g *sgp4x) poll(ctx context.Context) ([]drivers.Reading, error) {
	raw, err := g.raw(ctx)
	if err != nil || raw == nil {
		return nil, err
	}
	values := []float64{g.voc.process(raw[0]), float64(raw[0])}
	if g.nox != nil {
		values = append(values, g.nox.process(raw[1]), float64(raw[1]))
	}
	if now := time.Now(); now.Sub(g.saved) >= indexSave {
		g.saved = now
		if b := g.voc.save(now); b != nil {
			g.store.Save("voc", b)
		}
	}
	if math.IsNaN(values[0]) { // the first 45 seconds
		return nil, nil
	}
	return numbers{g.channels, func(context.Context) ([]float64, error) { return values, nil }}.poll(ctx)
}

// raw asks for the signals, compensated for the usual air. SGP40 data sheet table 9: 30 ms;
// SGP41 table 10: 50 ms.
func (g *sgp4x) raw(ctx context.Context) ([]uint16, error) {
	switch {
	case g.nox == nil:
		return ask(ctx, g.d, 30*time.Millisecond, 1, 0x260f, sgpDefaultRH, sgpDefaultT)
	case time.Since(g.since) < sgp41Heating:
		_, err := ask(ctx, g.d, 50*time.Millisecond, 1, 0x2612, sgpDefaultRH, sgpDefaultT)
		return nil, err
	}
	return ask(ctx, g.d, 50*time.Millisecond, 2, 0x2619, sgpDefaultRH, sgpDefaultT)
}
