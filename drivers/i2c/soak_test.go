package i2c

import (
	"context"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/driverstest"
	"sensorgate/drivers/driverstest/soak"
	"sensorgate/drivers/i2c/i2ctest"
)

// ownChecks are the checksums of the chips that send one, of what one transfer read,
// written down a second time so that a fault in a driver's check is seen.
var ownChecks = map[string]func(r []byte) bool{
	"sht3x": sensirionSum, "sht4x": sensirionSum, "shtc3": sensirionSum, "hdc302x": sensirionSum,
	"scd30": sensirionSum, "scd4x": sensirionSum, "sgp30": sensirionSum, "sgp40": sensirionSum, "sgp41": sensirionSum,
	"sps30": sensirionSum, "sen5x": sensirionSum,
	"sht21": htu21Sum, "htu21d": htu21Sum, "si7021": htu21Sum,
	"aht20": func(r []byte) bool { return len(r) != 7 || i2ctest.CRC8(0xff, r[:6]...) == r[6] },
	"am2320": func(r []byte) bool {
		return len(r) != 8 || bitwise16(r[:6]) == uint16(r[6])|uint16(r[7])<<8
	},
	"mlx90614": func(r []byte) bool { // of either of the two words that are read
		return len(r) != 3 || smbusSum(0x07, r) || smbusSum(0x06, r)
	},
}

func sensirionSum(r []byte) bool {
	for ; len(r) >= 3; r = r[3:] {
		if i2ctest.CRC8(0xff, r[0], r[1]) != r[2] {
			return false
		}
	}
	return true
}

// htu21Sum: the user register, one byte, has none.
func htu21Sum(r []byte) bool { return len(r) != 3 || i2ctest.CRC8(0, r[0], r[1]) == r[2] }

func bitwise16(b []byte) uint16 {
	crc := uint16(0xffff)
	for _, x := range b {
		crc ^= uint16(x)
		for range 8 {
			low := crc & 1
			crc >>= 1
			crc ^= low * 0xa001
		}
	}
	return crc
}

func smbusSum(word byte, r []byte) bool {
	var crc byte
	for _, x := range []byte{0x5a << 1, word, 0x5a<<1 | 1, r[0], r[1]} {
		for bit := 7; bit >= 0; bit-- {
			top := crc>>7 ^ x>>bit&1
			crc <<= 1
			crc ^= top * 0x07
		}
	}
	return crc == r[2]
}

// TestSoak damages what chips answer, at random, with the drivers behind it: nothing
// panics; of a chip with a checksum no value comes from an answer that fails it; of one
// without, none is out of the plausible range. The log has, for each chip, how many
// damaged answers changed a value all the same: that is what its protocol lets through.
// SOAK is how many are damaged in all, as for the serial protocols; see package soak.
func TestSoak(t *testing.T) {
	each := soak.Count(t) / len(ownChecks)
	for _, d := range onI2C(i2ctest.On(i2ctest.NewBus()), nil) {
		if d.Name == described {
			continue // what it reads is the user's; package field has its soak
		}
		n := each
		if ownChecks[d.Name] == nil {
			n = max(n/10, 200)
		}
		if testing.Short() { // an emulated processor
			n = min(n, 50)
		}
		t.Run(d.Name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { soakChip(t, d.Name, n) })
		})
	}
}

// soaked is one chip under damage.
type soaked struct {
	t      *testing.T
	bus    *i2ctest.Bus
	driver drivers.Driver
	config drivers.DeviceConfig
	dev    any
	good   map[string]map[float64]bool
	valid  bool // what was damaged last still passes the chip's own check

	damaged, changed int
}

func soakChip(t *testing.T, name string, n int) {
	s := &soaked{t: t, bus: i2ctest.NewBus(), good: map[string]map[float64]bool{}}
	buses, ctx, end := i2ctest.Start(t, s.bus)
	defer end()
	for _, d := range onI2C(buses, nil) {
		if d.Name == name {
			s.driver = d
		}
	}
	addr, config := deviceOf(t, s.driver)
	s.config = config
	s.bus.Attach(addr, simulators[name]())
	s.learn(ctx)
	answers := 1 // in one poll
	for seed := range n {
		rnd := rand.New(rand.NewPCG(uint64(seed), uint64(addr)))
		at, hit, seen := rnd.IntN(answers), false, 0
		s.bus.Flip(func(_ int, r []byte) {
			if seen == at {
				hit = true
				damage(rnd, r)
				s.valid = ownChecks[name] == nil || ownChecks[name](r)
			}
			seen++
		})
		s.judge(seed, s.poll(ctx), hit)
		answers = max(seen, 1)
		s.bus.Flip(nil)
		time.Sleep(s.pause())
		s.judge(seed, s.poll(ctx), false) // a good one behind it
		time.Sleep(s.pause())
	}
	t.Logf("%s: %d damaged answers, %d changed a value (%.2g %%)", name, s.damaged, s.changed, 100*float64(s.changed)/float64(max(s.damaged, 1)))
}

// pause is long enough for a chip that measures on its own to have something new.
func (s *soaked) pause() time.Duration {
	if s.driver.Name == "scd4x" {
		return 6 * time.Second
	}
	return 2500 * time.Millisecond
}

// learn notes what the chip measures when nothing is damaged.
func (s *soaked) learn(ctx context.Context) {
	for range 60 {
		s.bus.Hook(nil)
		for _, r := range s.poll(ctx) {
			if s.good[r.Channel] == nil {
				s.good[r.Channel] = map[float64]bool{}
			}
			s.good[r.Channel][number(r)] = true
		}
		time.Sleep(s.pause())
	}
	if len(s.good) == 0 && s.driver.Name != "as3935" { // which has nothing to say without lightning
		s.t.Fatalf("%s measures nothing", s.driver.Name)
	}
}

func (s *soaked) poll(ctx context.Context) []drivers.Reading {
	if s.dev == nil {
		var err error
		if s.dev, err = s.driver.Open(ctx, s.config); err != nil {
			s.dev = nil
			return nil
		}
	}
	rs, _ := driverstest.Poll(ctx, s.dev.(drivers.Poller))
	return rs
}

// judge looks at what came out; hit says that an answer was damaged on the way.
func (s *soaked) judge(seed int, rs []drivers.Reading, hit bool) {
	changed := false
	for _, r := range rs {
		if ranged := (drivers.RangesOf(s.driver, s.config, nil)).Check(r); ranged != nil || !r.Value.Valid() {
			s.t.Errorf("%s, seed %d: published %s = %v (%v)", s.driver.Name, seed, r.Channel, r.Value, ranged)
		}
		if strings.HasSuffix(r.Channel, "_index") || s.good[r.Channel][number(r)] { // an index learns
			continue
		}
		changed = true
		if ownChecks[s.driver.Name] != nil && !(hit && s.valid) {
			s.t.Errorf("%s, seed %d: published %s = %v from an answer that fails the chip's own check (damaged now: %v)", s.driver.Name, seed, r.Channel, r.Value, hit)
		}
	}
	if hit {
		s.damaged++
		if changed {
			s.changed++
		}
	}
}

func number(r drivers.Reading) float64 {
	if b, ok := r.Value.Bool(); ok {
		if b {
			return 1
		}
		return 0
	}
	v, _ := r.Value.Number()
	return math.Round(v*1e9) / 1e9
}

// damage changes what was read, as wires, glitches and other chips do.
func damage(rnd *rand.Rand, r []byte) {
	at := rnd.IntN(len(r))
	switch rnd.IntN(6) {
	case 0, 1: // one bit
		r[at] ^= 1 << rnd.IntN(8)
	case 2: // a burst
		for i := at; i < min(len(r), at+1+rnd.IntN(4)); i++ {
			r[i] = byte(rnd.Uint32())
		}
	case 3: // the line is held from here on
		held := byte(rnd.IntN(2)) * 0xff
		for i := at; i < len(r); i++ {
			r[i] = held
		}
	case 4: // a clock too many: all that follows is shifted
		for i := len(r) - 1; i > at; i-- {
			r[i] = r[i]>>1 | r[i-1]<<7
		}
		r[at] >>= 1
	case 5: // two changed places
		other := rnd.IntN(len(r))
		r[at], r[other] = r[other], r[at]
	}
}
