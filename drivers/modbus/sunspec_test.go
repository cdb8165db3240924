package modbus

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/serial"
)

// inverter is a SunSpec map at 40000: common model 1, inverter model 103 (three phases,
// integers with scale factors), end. Offsets as in the SunSpec model definitions.
func inverter() *slave {
	h := map[uint16]uint16{40000: 0x5375, 40001: 0x6E53}
	put := func(at int, values ...uint16) {
		for i, v := range values {
			h[uint16(40000+at+i)] = v
		}
	}
	put(2, 1, 66)
	for i := 4; i < 70; i++ {
		put(i, 0)
	}
	put(4, 0x4163, 0x6D65, 0) // manufacturer: Acme
	const m = 70
	put(m, 103, 50)
	for i := m + 2; i < m+52; i++ {
		put(i, 0xFFFF)
	}
	put(m+10, 2301)                   // PhVphA
	put(m+13, 0xFFFF)                 // V_SF -1
	put(m+14, 1234, 0)                // W, W_SF
	put(m+16, 5001, 0xFFFE)           // Hz, Hz_SF -2
	put(m+24, 0x0001, 0x86A0, 1)      // WH 100000, WH_SF 1
	put(m+33, 0x8000, 0x8000, 0x8000) // TmpCab and others: not implemented
	put(m+38, 4)                      // St
	put(m+52, 0xFFFF, 0)
	return &slave{holding: h}
}

func TestSunSpecIsFound(t *testing.T) {
	_, path := newSlaves(t, map[byte]*slave{1: inverter()})
	at := func(at int, typ string, sf int) Channel {
		c := Channel{SunSpec: "101,102,103", At: &at, Layout: typed(t, typ)}
		if sf > 0 {
			c.SF = &sf
		}
		return c
	}
	maker := typed(t, "text")
	maker.Len = 6
	_, reports := unit(t, bus(t, path, "115200 8N1"), Options{}, 50*time.Millisecond, map[string]Channel{
		"voltage": at(10, "u16", 13), "power": at(14, "s16", 15), "frequency": at(16, "u16", 17),
		"energy": at(24, "u32", 26), "state": at(38, "u16", 0), "temperature": at(33, "s16", 37),
		"maker": {SunSpec: "1", At: ptr(2), Layout: maker},
	})
	got := collect(t, reports, 6)
	for channel, want := range map[string]string{"voltage": "230.1", "power": "1234", "frequency": "50.01", "energy": "1000000", "state": "4", "maker": "Acme"} {
		if got[channel] != want {
			t.Errorf("%s: got %q, want %s", channel, got[channel], want)
		}
	}
	for range 12 {
		if s := next(t, reports); s.err != nil || s.r.Channel == "temperature" {
			t.Errorf("got %v: what is not implemented is no reading", s)
		}
	}
}

// An inverter that sleeps at night is asked less and less, and found in the morning.
func TestSunSpecDeviceThatSleeps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := inverter()
		u.dead = true
		s, b, stop := pipeBus(t, map[byte]*slave{1: u})
		driver := Drivers(serial.Only(b), quiet())[0]
		dev, err := driver.Open(t.Context(), drivers.DeviceConfig{Options: &Options{Wire: serial.Wire{Bus: "wire"}, Unit: 1, Timeout: time.Second}, Every: time.Second,
			Channels: []drivers.ChannelConfig{{Name: "power", Options: &Channel{SunSpec: "103", At: ptr(14), SF: ptr(15), Layout: typed(t, "s16")}}}})
		if err != nil {
			t.Fatal(err)
		}
		time.AfterFunc(time.Hour, func() {
			s.set(func() {
				if n := len(s.requests); n > 75 {
					t.Errorf("asked %d times in an hour of silence", n)
				}
				u.dead = false
			})
		})
		ctx, cancel := context.WithTimeout(context.Background(), time.Hour+2*time.Minute)
		defer cancel()
		readings := 0
		dev.(drivers.Watcher).Watch(ctx, func(r drivers.Reading, err error) {
			if err == nil && r.Value.String() == "1234" {
				readings++
			}
		})
		stop()
		if readings < 30 {
			t.Errorf("%d readings in the two minutes after it woke up", readings)
		}
	})
}

// Some keep silent at 40000, where their map is not, instead of refusing.
func TestSunSpecMapElsewhereOfADeviceThatKeepsSilent(t *testing.T) {
	u := &slave{holding: map[uint16]uint16{}, silentOverHoles: true}
	for at, v := range inverter().holding {
		u.holding[at-40000+50000] = v
	}
	_, path := newSlaves(t, map[byte]*slave{1: u})
	_, reports := unit(t, bus(t, path, "115200 8N1"), Options{Timeout: 50 * time.Millisecond}, 50*time.Millisecond, map[string]Channel{
		"power": {SunSpec: "103", At: ptr(14), SF: ptr(15), Layout: typed(t, "s16")},
	})
	for start := time.Now(); time.Since(start) < 5*time.Second; {
		if s := next(t, reports); s.err == nil {
			if s.r.Value.String() != "1234" {
				t.Errorf("got %v, want 1234", s.r.Value)
			}
			return
		}
	}
	t.Error("the map at 50000 was not found")
}
