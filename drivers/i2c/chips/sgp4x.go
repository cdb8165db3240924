package chips

import (
	"context"
	"math"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/i2c/bus"
	"sensorgate/drivers/i2c/chip"
)

// What SGP40 and SGP41 share. The compensation is for the usual air: SGP40 data sheet
// table 10, 50 % and 25 °C.
const (
	gasSampleRate    = time.Second // what all three SGPs want
	sgp4xSaveEvery   = 5 * time.Minute
	sgp4xDefaultRH   = 0x8000
	sgp4xDefaultT    = 0x6666
	sgp41Conditioned = 10 * time.Second // never longer: SGP41 data sheet section 3.2
)

func indexChannels(gases ...string) []drivers.Channel {
	var all []drivers.Channel
	for _, gas := range gases {
		all = append(all, drivers.Channel{Name: gas + "_index", Min: 1, Max: 500}, drivers.Channel{Name: gas + "_raw", Min: 0, Max: 65535})
	}
	return all
}

type sgp4x struct {
	d        *bus.Dev
	store    drivers.Store
	voc, nox *gasIndex // nox: SGP41
	since    time.Time
	saved    time.Time
	channels []drivers.Channel
}

func openSGP4x(ctx context.Context, d *bus.Dev, config chip.Config, nox bool) (chip.Device, error) {
	// The serial number has a checksum: there is one of Sensirion's here.
	if _, err := sensirionAsk(ctx, d, time.Millisecond, 3, 0x3682); err != nil {
		return nil, err
	}
	g := &sgp4x{d: d, store: config.Store, since: time.Now(), saved: time.Now(), channels: indexChannels("voc")}
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
	raw, err := g.raw(ctx)
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
	return chip.Readings(g.channels, values), nil
}

// raw asks for the signals, compensated for the usual air. SGP40 data sheet table 9: 30 ms;
// SGP41 table 10: 50 ms.
func (g *sgp4x) raw(ctx context.Context) ([]uint16, error) {
	switch {
	case g.nox == nil:
		return sensirionAsk(ctx, g.d, 30*time.Millisecond, 1, 0x260f, sgp4xDefaultRH, sgp4xDefaultT)
	case time.Since(g.since) < sgp41Conditioned:
		_, err := sensirionAsk(ctx, g.d, 50*time.Millisecond, 1, 0x2612, sgp4xDefaultRH, sgp4xDefaultT)
		return nil, err
	}
	return sensirionAsk(ctx, g.d, 50*time.Millisecond, 2, 0x2619, sgp4xDefaultRH, sgp4xDefaultT)
}
