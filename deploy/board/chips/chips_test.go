package chips

import (
	"bytes"
	"errors"
	"math"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// write and read are transfers with one message each.
func write(t *testing.T, b *Bus, addr uint16, data ...byte) {
	t.Helper()
	if err := b.Xfer(addr, false, data, true); err != nil {
		t.Fatalf("write % x to %#x: %v", data, addr, err)
	}
}

func read(t *testing.T, b *Bus, addr uint16, n int) []byte {
	t.Helper()
	buf := make([]byte, n)
	if err := b.Xfer(addr, true, buf, true); err != nil {
		t.Fatalf("read from %#x: %v", addr, err)
	}
	return buf
}

// BST-BME280-DS002 section 3.3.3: in forced mode it measures once, is busy meanwhile,
// and sleeps again. The raw temperature, by the datasheet's formula, is what was set.
func TestBME280MeasuresOnceWhenForced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		chip := NewBME280()
		chip.Celsius = -11.5
		b := &Bus{}
		b.Attach(0x76, chip)
		write(t, b, 0x76, 0xd0)
		if id := read(t, b, 0x76, 1)[0]; id != 0x60 {
			t.Errorf("chip id %#x", id)
		}
		write(t, b, 0x76, 0xf2, 0x01, 0xf4, 0x25)
		write(t, b, 0x76, 0xf3)
		if status := read(t, b, 0x76, 1)[0]; status&8 == 0 {
			t.Error("not measuring")
		}
		time.Sleep(10 * time.Millisecond)
		write(t, b, 0x76, 0xf3)
		r := read(t, b, 0x76, 12)
		if r[0]&8 != 0 || r[1]&3 != 0 {
			t.Errorf("after 10 ms status %#x, mode %d", r[0], r[1]&3)
		}
		raw := int(r[7])<<12 | int(r[8])<<4 | int(r[9])>>4
		if got, _ := bmeTemp(raw); math.Abs(got-chip.Celsius) > 0.01 {
			t.Errorf("raw %d is %.3f °C, want %.3f", raw, got, chip.Celsius)
		}
	})
}

// Sensirion's checksum of BE EF is 92; datasheet SHT3x-DIS section 4.12.
func TestSHT3xIsSilentWhileItMeasures(t *testing.T) {
	if got := CRC8([]byte{0xbe, 0xef}); got != 0x92 {
		t.Errorf("checksum %#x, want 0x92", got)
	}
	synctest.Test(t, func(t *testing.T) {
		b := &Bus{}
		b.Attach(0x44, &SHT3x{Celsius: 20, Humidity: 50})
		write(t, b, 0x44, 0x24, 0x00)
		if err := b.Xfer(0x44, true, make([]byte, 6), true); !errors.Is(err, ErrNAK) {
			t.Errorf("a read at once gave %v, want no acknowledge", err)
		}
		time.Sleep(16 * time.Millisecond)
		r := read(t, b, 0x44, 6)
		celsius := -45 + 175*float64(int(r[0])<<8|int(r[1]))/65535
		if math.Abs(celsius-20) > 0.01 || r[2] != CRC8(r[:2]) || r[5] != CRC8(r[3:5]) {
			t.Errorf("% x is %.3f °C", r, celsius)
		}
	})
}

// SBAS444 section 9.5.3: a single conversion takes 1/rate, and bit 15 tells of its end.
func TestADS1115TellsWhenItIsDone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		chip := NewADS1115()
		chip.Volts[1] = 1.024
		b := &Bus{}
		b.Attach(0x48, chip)
		write(t, b, 0x48, 0x01, 0xd3, 0x03) // A1, ±4.096 V, 8 a second, once
		write(t, b, 0x48, 0x01)
		if read(t, b, 0x48, 2)[0]&0x80 != 0 {
			t.Error("done at once")
		}
		time.Sleep(126 * time.Millisecond)
		if read(t, b, 0x48, 2)[0]&0x80 == 0 {
			t.Error("not done after 1/8 s")
		}
		write(t, b, 0x48, 0x00)
		if got := read(t, b, 0x48, 2); !bytes.Equal(got, []byte{0x20, 0x00}) { // a quarter of full scale
			t.Errorf("conversion % x, want 20 00", got)
		}
	})
}

// DS18B20 datasheet, "Operation Example 2", through the bridge: skip ROM, convert;
// skip ROM, read the scratchpad.
func TestDS18B20ThroughTheBridge(t *testing.T) {
	b := &Bus{}
	b.Attach(0x18, &DS2482{Sensors: []*DS18B20{NewDS18B20(1, -10.125)}})
	reset := func() { write(t, b, 0x18, 0xb4) }
	say := func(bytes ...byte) {
		for _, c := range bytes {
			write(t, b, 0x18, 0xa5, c)
		}
	}
	reset()
	say(0xcc, 0x44)
	reset()
	say(0xcc, 0xbe)
	var pad []byte
	for range 9 {
		write(t, b, 0x18, 0x96)
		write(t, b, 0x18, 0xe1, 0xe1)
		pad = append(pad, read(t, b, 0x18, 1)[0])
	}
	if pad[0] != 0x5e || pad[1] != 0xff || crc1w(pad[:8]) != pad[8] { // table 1: -10.125 °C is FF5E
		t.Errorf("scratchpad % x", pad)
	}
}

func TestFaultsEnd(t *testing.T) {
	b := &Bus{}
	b.Attach(0x44, &SHT3x{})
	b.Inject(Fault{Addr: 0x44, Errno: syscall.EREMOTEIO, Count: 2})
	for i, want := range []error{syscall.EREMOTEIO, syscall.EREMOTEIO, nil} {
		if err := b.Xfer(0x44, false, []byte{0x30, 0x41}, true); err != want {
			t.Errorf("transfer %d: %v, want %v", i, err, want)
		}
	}
	b.Attach(0x44, nil)
	if err := b.Xfer(0x44, false, nil, true); !errors.Is(err, ErrNAK) {
		t.Errorf("an empty address gave %v", err)
	}
}
