package chips

import (
	"bytes"
	"context"
	"encoding/binary"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/driverstest"
	"sensorgate/drivers/i2c/chip"
	"sensorgate/drivers/i2c/i2ctest"
)

// pairs makes words of bytes with checksums in between, which it checks.
func pairs(t *testing.T, b []byte) []uint16 {
	t.Helper()
	var ws []uint16
	for ; len(b) >= 3; b = b[3:] {
		if byte(crcSensirion.Of(b[:2])) != b[2] {
			t.Errorf("the data sheet's example has a wrong checksum: % x", b[:3])
		}
		ws = append(ws, uint16(b[0])<<8|uint16(b[1]))
	}
	return ws
}

func streamed(ws ...uint16) func(i2ctest.Chip) {
	return func(c i2ctest.Chip) { c.(*i2ctest.Streaming).Data = ws }
}

func co2(ppm, celsius, rh float64) []want {
	return []want{w("co2", ppm, 0.01), w("temperature", celsius, 0.001), w("humidity", rh, 0.001)}
}

// The data sheet's example of read_measurement.
func TestSCD4x(t *testing.T) {
	v := load(t, "SCD4X-1")
	e := suite(SCD4x, 0x62, func(*scdOptions) {})
	e.Chip = func() i2ctest.Chip { return i2ctest.NewSCD4x(pairs(t, v.bytes(t, ""))...) }
	e.Want = co2(v.number(t, "co2_ppm"), v.number(t, "temperature_Cel"), v.number(t, "humidity_%RH"))
	e.Protected = true
	e.Every, e.Warmup = 6*time.Second, 4
	e.States = []i2ctest.State{
		{Name: "below zero", Set: streamed(420, 0x1999, 0x8000), Want: co2(420, -27.5013, 50.0008)},
		{Name: "no CO2 at all", Set: streamed(0, 0x6667, 0x8000), Err: "co2: 0 is outside the plausible range", Want: co2(0, 25.0027, 50.0008)[1:]},
	}
	e.Run(t)
}

// The interface description's example: 439 ppm, 27.2 °C, 48.8 %.
func TestSCD30(t *testing.T) {
	v := load(t, "SCD30-1")
	e := suite(SCD30, 0x61, func(*scd30Options) {})
	e.Chip = func() i2ctest.Chip { return i2ctest.NewSCD30(pairs(t, v.bytes(t, ""))...) }
	e.Want = co2(v.number(t, "co2_ppm"), v.number(t, "temperature_Cel"), v.number(t, "humidity_%RH"))
	e.Protected = true
	e.Every, e.Warmup = 3*time.Second, 5
	e.States = []i2ctest.State{
		{Name: "below zero", Set: streamed(words32(420, -10.5, 50)...), Want: co2(420, -10.5, 50)},
		{Name: "absurd", Set: streamed(words32(1e30, 20, 50)...), Err: "e+30 is outside the plausible range", Want: co2(0, 20, 50)[1:]},
		{Name: "not a number", Set: streamed(words32(float32(math.NaN()), 20, 50)...), Err: "co2: the chip returned something that is not a number", Want: co2(0, 20, 50)[1:]},
	}
	e.Run(t)
}

// words32 makes words of floating-point numbers.
func words32(fs ...float32) []uint16 {
	var ws []uint16
	for _, f := range fs {
		b := math.Float32bits(f)
		ws = append(ws, uint16(b>>16), uint16(b))
	}
	return ws
}

func TestSPS30(t *testing.T) {
	e := suite[*chip.I2COptions](SPS30, 0x69, nil)
	e.Chip = func() i2ctest.Chip {
		return i2ctest.NewSPS30(words32(1.5, 2.5, 4.25, 10.5, 12, 13, 14, 15, 16, 0.5)...)
	}
	for i, name := range []string{"pm1_0", "pm2_5", "pm4_0", "pm10", "nc0_5", "nc1_0", "nc2_5", "nc4_0", "nc10", "size"} {
		e.Want = append(e.Want, w(name, []float64{1.5, 2.5, 4.25, 10.5, 12, 13, 14, 15, 16, 0.5}[i], 0))
	}
	e.Protected = true
	e.Every, e.Warmup = 2*time.Second, 4
	nan := words32(1, 1, 1, 1, 1, 1, 1, 1, 1, float32(math.NaN()))
	var ones []want
	for _, c := range e.Want[:len(e.Want)-1] {
		ones = append(ones, w(c.Channel, 1, 0))
	}
	e.States = []i2ctest.State{{Name: "not a number", Set: streamed(nan...), Err: "size: the chip returned something that is not a number", Want: ones}}
	e.Run(t)
}

func TestSEN5x(t *testing.T) {
	e := suite[*chip.I2COptions](SEN5x, 0x69, nil)
	e.Chip = func() i2ctest.Chip { return i2ctest.NewSEN5x(15, 25, 42, 105, 5025, 0xf8f8, 1000, 10) }
	e.Want = []want{w("pm1_0", 1.5, 1e-9), w("pm2_5", 2.5, 1e-9), w("pm4_0", 4.2, 1e-9), w("pm10", 10.5, 1e-9),
		w("humidity", 50.25, 1e-9), w("temperature", -9, 1e-9), w("voc_index", 100, 1e-9), w("nox_index", 1, 1e-9)}
	e.Protected = true
	e.Every, e.Warmup = 2*time.Second, 4
	e.States = []i2ctest.State{{Name: "a SEN50 has dust only",
		Set: streamed(15, 25, 42, 105, 0x7fff, 0x7fff, 0x7fff, 0x7fff), Want: e.Want[:4]}}
	e.Run(t)
}

func TestSGP30(t *testing.T) {
	e := suite[*chip.I2COptions](SGP30, 0x58, nil)
	e.Chip = func() i2ctest.Chip { return i2ctest.NewSGP30(650, 120) }
	e.Want = []want{w("eco2", 650, 0), w("tvoc", 120, 0)}
	e.Protected = true
	e.Warmup = 18
	e.WrongChip = func(c i2ctest.Chip) { c.(*i2ctest.SGP30).Feature = 0x1020 }
	e.WrongID = "0x1020"
	e.Run(t)
}

// The baseline is saved hourly and given back after a restart, if not too old.
func TestSGP30Baseline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := driverstest.Store{}
		// A chip with a baseline of an hour ago: what it has learnt since is kept every hour.
		kept := binary.BigEndian.AppendUint64(nil, uint64(time.Now().Add(-time.Hour).Unix()))
		store.Save("baseline", append(kept, 0x8a, 0x12, 0x8b, 0x33))
		learning := i2ctest.NewSGP30(650, 120)
		runSGP30(t, store, time.Minute, learning)
		if learning.Baseline != [2]uint16{0x8a12, 0x8b33} {
			t.Errorf("baseline %04x, want the one of the store", learning.Baseline)
		}
		learning.Baseline = [2]uint16{0x8a12, 0x8b34}
		store["baseline"] = append(kept, 0x8a, 0x12, 0x8b, 0x34)
		runSGP30(t, store, 61*time.Minute, learning)
		if b, _ := store.Load("baseline"); len(b) != 12 || bytes.Equal(b[:8], kept[:8]) {
			t.Errorf("after an hour the store has % x, want a new time", b)
		}
		fresh := i2ctest.NewSGP30(400, 0)
		fresh.Baseline = [2]uint16{1, 2}
		runSGP30(t, store, time.Minute, fresh)
		if fresh.Baseline != [2]uint16{0x8a12, 0x8b34} {
			t.Errorf("baseline after a restart %04x, want the one of before", fresh.Baseline)
		}
		time.Sleep(8 * 24 * time.Hour)
		stale := i2ctest.NewSGP30(400, 0)
		stale.Baseline = [2]uint16{1, 2}
		runSGP30(t, store, time.Minute, stale)
		if stale.Baseline != [2]uint16{1, 2} {
			t.Error("a baseline of eight days ago was restored")
		}
	})
}

// runSGP30 runs a chip for a while, with this store, as its device does.
func runSGP30(t *testing.T, store drivers.Store, d time.Duration, sgp *i2ctest.SGP30) {
	fake := i2ctest.NewBus()
	fake.Attach(0x58, sgp)
	buses, ctx, end := i2ctest.Start(t, fake)
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan error, 1)
	driver := SGP30(buses)
	o := driver.Options().(*chip.I2COptions)
	o.I2C.Bus, o.I2C.Chip = "1", 0x58
	dev, err := driver.Open(ctx, drivers.DeviceConfig{Device: "air", Options: o, Store: store, Every: 10 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	readings := 0
	go func() {
		ended <- dev.(drivers.Watcher).Watch(ctx, func(r drivers.Reading, err error) {
			if err != nil {
				t.Error(err)
			}
			readings++
		})
	}()
	time.Sleep(d)
	synctest.Wait()
	if want := 2 * int(d/(10*time.Second)); readings < want-6 || readings > want {
		t.Errorf("%d readings in %v, want two every ten seconds", readings, d)
	}
	cancel()
	<-ended
	end()
}

func TestSGP40(t *testing.T) {
	e := suite[*chip.I2COptions](SGP40, 0x59, nil)
	chip := i2ctest.NewSGP4x(30000, 0)
	e.Chip = func() i2ctest.Chip { return i2ctest.NewSGP4x(30000, 0) }
	// What the index is in its first minutes is for TestGasIndex.
	e.Want = []want{w("voc_index", 51, 50), w("voc_raw", 30000, 0)}
	e.Protected = true
	e.Warmup = 60
	e.Run(t)

	// SGP40 data sheet: 26 0F 80 00 A2 66 66 93.
	v := load(t, "SGP40-1")
	if err := chip.Write(v.bytes(t, "")); err != nil {
		t.Errorf("%s: the simulator refuses it: %v", v.ID, err)
	}
	if len(chip.Written) != 2 || chip.Written[0] != 0x8000 || chip.Written[1] != 0x6666 {
		t.Errorf("%s: arguments %04x, the driver sends %04x %04x", v.ID, chip.Written, 0x8000, 0x6666)
	}
}

func TestSGP41(t *testing.T) {
	e := suite[*chip.I2COptions](SGP41, 0x59, nil)
	e.Chip = func() i2ctest.Chip { return i2ctest.NewSGP4x(30000, 16000) }
	e.Want = []want{w("voc_index", 51, 50), w("voc_raw", 30000, 0), w("nox_index", 1, 0), w("nox_raw", 16000, 0)}
	e.Protected = true
	e.Warmup = 75
	e.Run(t)
}

// Facts from the reference's own tests: nothing for 46 samples; 98 first for a signal of
// 20005; after 200 samples of one signal 100 for VOC and 1 for NOx.
func TestGasIndex(t *testing.T) {
	voc := newGasIndex(false)
	for i := range 46 {
		if v := voc.process(20019); !math.IsNaN(v) {
			t.Fatalf("sample %d gives %v, want nothing yet", i, v)
		}
	}
	if v := voc.process(20005); v != 98 {
		t.Errorf("first index %v, want 98", v)
	}
	for nox, want := range map[bool]float64{false: 100, true: 1} {
		g := newGasIndex(nox)
		var v float64
		for range 201 {
			v = g.process(1337)
		}
		if v != want {
			t.Errorf("nox %v: %v after 200 samples, want %v", nox, v, want)
		}
	}
}

// A cloud of solvent lowers the signal: the index rises, and falls when it has gone.
func TestGasIndexEvent(t *testing.T) {
	g := newGasIndex(false)
	feed := func(raw uint16, n int) (v float64) {
		for range n {
			v = g.process(raw)
		}
		return v
	}
	if v := feed(30000, 3*3600); v != 100 {
		t.Errorf("three hours of the same air: %v, want 100", v)
	}
	if v := feed(28000, 300); v < 300 || v > 500 {
		t.Errorf("solvent: %v, want a high index", v)
	}
	if v := feed(30000, 1800); v < 80 || v > 120 {
		t.Errorf("aired: %v, want about 100", v)
	}
	at := time.Unix(1800000000, 0)
	saved := g.save(at)
	next, late := newGasIndex(false), newGasIndex(false)
	next.restore(saved, at.Add(time.Minute))
	if math.Abs(next.mean-(g.mean+g.offset)) > 1e-9 || next.std != g.std || !next.initialized {
		t.Errorf("restored mean %v deviation %v, want %v and %v", next.mean, next.std, g.mean+g.offset, g.std)
	}
	late.restore(saved, at.Add(time.Hour))
	if late.initialized {
		t.Error("what was learnt an hour ago was taken back")
	}
}
