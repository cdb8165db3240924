package chips

import (
	"context"
	"math"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/i2c/bus"
	"sensorgate/drivers/i2c/chip"
)

// What SGP40 and SGP41 share.
const (
	gasSampleRate    = time.Second // what all three SGPs want
	sgp4xSaveEvery   = 5 * time.Minute
	sgp41Conditioned = 10 * time.Second // never longer: SGP41 data sheet section 3.2
)

func indexChannels(gases ...string) []drivers.Channel {
	var all []drivers.Channel
	for _, gas := range gases {
		all = append(all, drivers.Channel{Name: gas + "_index", Min: 1, Max: 500}, drivers.Channel{Name: gas + "_raw", Min: 0, Max: 65535})
	}
	return all
}

type sgp4xOptions struct {
	chip.I2COptions
	airOptions
}

type sgp4x struct {
	d        *bus.Dev
	o        *sgp4xOptions
	latest   *drivers.Latest
	store    drivers.Store
	voc, nox *gasIndex // nox: SGP41
	since    time.Time
	saved    time.Time
	channels []drivers.Channel
}

func openSGP4x(ctx context.Context, d *bus.Dev, o *sgp4xOptions, config chip.Config, nox bool) (chip.Device, error) {
	// The serial number has a checksum: there is one of Sensirion's here.
	if _, err := sensirionAsk(ctx, d, time.Millisecond, 3, 0x3682); err != nil {
		return nil, err
	}
	g := &sgp4x{d: d, o: o, latest: config.Latest, store: config.Store, since: time.Now(), saved: time.Now(), channels: indexChannels("voc")}
	if nox {
		g.channels = indexChannels("voc", "nox")
	}
	// What was learnt survives a fault of the chip, and a short restart.
	if kept, ok := config.Keep["voc"].(*gasIndex); ok {
		g.voc = kept
		g.nox, _ = config.Keep["nox"].(*gasIndex)
		return g, nil
	}
	g.voc = newGasIndex(false)
	if b, ok := config.Store.Load("voc"); ok {
		g.voc.restore(b, time.Now())
	}
	config.Keep["voc"] = g.voc
	if nox {
		g.nox = newGasIndex(true)
		config.Keep["nox"] = g.nox
	}
	return g, nil
}

func (g *sgp4x) Poll(ctx context.Context) ([]drivers.Reading, error) {
	rh, celsius, quality := g.o.air(g.latest)
	raw, err := g.raw(ctx, sgp4xTicks(rh, 100), sgp4xTicks(celsius+45, 175))
	if err != nil || raw == nil {
		return nil, err
	}
	values := []float64{g.voc.process(raw[0]), float64(raw[0])}
	if g.nox != nil {
		values = append(values, g.nox.process(raw[1]), float64(raw[1]))
	}
	if now := time.Now(); now.Sub(g.saved) >= sgp4xSaveEvery {
		g.saved = now
		if b := g.voc.save(now); b != nil {
			g.store.Save("voc", b)
		}
	}
	if math.IsNaN(values[0]) { // the first 45 seconds
		return nil, nil
	}
	rs := chip.Readings(g.channels, values)
	for i := range rs {
		rs[i].Quality = quality
	}
	return rs, nil
}

// sgp4xTicks is a part of a whole in 16 bits: SGP40 data sheet table 11.
func sgp4xTicks(v, whole float64) uint16 { return uint16(math.Round(v * 65535 / whole)) }

// raw asks for the signals, compensated for the air. SGP40 data sheet table 9: 30 ms;
// SGP41 table 10: 50 ms.
func (g *sgp4x) raw(ctx context.Context, rh, t uint16) ([]uint16, error) {
	switch {
	case g.nox == nil:
		return sensirionAsk(ctx, g.d, 30*time.Millisecond, 1, 0x260f, rh, t)
	case time.Since(g.since) < sgp41Conditioned:
		_, err := sensirionAsk(ctx, g.d, 50*time.Millisecond, 1, 0x2612, rh, t)
		return nil, err
	}
	return sensirionAsk(ctx, g.d, 50*time.Millisecond, 2, 0x2619, rh, t)
}
