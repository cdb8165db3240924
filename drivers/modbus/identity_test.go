package modbus

import (
	"context"
	"io"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/serial"
)

// identified watches unit 1, which is known by register 100: 3 it should be, 4 is another.
// It returns the values of register 0 that came in d, and the last error.
func identified(t *testing.T, b *serial.Bus, d time.Duration, change func(*device)) (values []string, last error) {
	t.Helper()
	id := &Identity{Holding: ptr(100), Type: typed(t, "u16").Type, Is: []string{"3"}, Others: []string{"4"}}
	config := drivers.DeviceConfig{Every: time.Second, Channels: []drivers.ChannelConfig{{Name: "a", Options: &Channel{Holding: ptr(0)}}},
		Options: &Options{Wire: serial.Wire{Bus: "wire"}, Unit: 1, Timeout: 500 * time.Millisecond, Identity: id}}
	dev, err := Drivers(serial.Only(b), quiet())[0].Open(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	defer dev.(io.Closer).Close()
	if change != nil {
		change(dev.(*device))
	}
	ctx, cancel := context.WithTimeout(context.Background(), d)
	defer cancel()
	dev.(drivers.Watcher).Watch(ctx, func(r drivers.Reading, err error) {
		if last = err; err == nil {
			values = append(values, r.Value.String())
		}
	})
	return values, last
}

// There are devices that keep silent where they should refuse. One that did so about the
// register that it is known by was never read.
func TestUnitThatIsSilentAboutItsIdentityIsRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, b, stop := pipeBus(t, map[byte]*slave{1: {holding: map[uint16]uint16{0: 7}, mute: func(at uint16) bool { return at == 100 }}})
		values, err := identified(t, b, 30*time.Second, nil)
		stop()
		if len(values) < 20 || values[0] != "7" || err != nil {
			t.Errorf("in 30 s: %v, %v; want 7 every second", values, err)
		}
	})
}

// A unit that is switched on later is known before its first reading.
func TestUnitThatComesLaterIsKnownFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := &slave{holding: map[uint16]uint16{0: 7, 100: 4}, dead: true}
		s, b, stop := pipeBus(t, map[byte]*slave{1: u})
		go func() { time.Sleep(20 * time.Second); s.set(func() { u.dead = false }) }()
		values, err := identified(t, b, 3*time.Minute, nil)
		stop()
		if len(values) != 0 || err == nil || !strings.Contains(err.Error(), "another device") {
			t.Errorf("%v, %v; want no reading of another model", values, err)
		}
	})
}

// gatewayed is a transport over a gateway whose unit does not answer it for a while.
type gatewayed struct {
	exchanger
	away *atomic.Bool
}

func (g gatewayed) exchange(s *serial.Transaction, unit byte, r request) ([]byte, time.Time, error) {
	if g.away.Load() {
		return nil, time.Time{}, noTarget
	}
	return g.exchanger.exchange(s, unit, r)
}

// A gateway's "target does not answer" says nothing about the device: it was taken for one
// that cannot be asked, and another model was read for good.
func TestGatewayWithoutTheUnitIsNoIdentity(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var away atomic.Bool
		away.Store(true)
		_, b, stop := pipeBus(t, map[byte]*slave{1: {holding: map[uint16]uint16{0: 7, 100: 4}}})
		go func() { time.Sleep(100 * time.Millisecond); away.Store(false) }()
		values, err := identified(t, b, 3*time.Minute, func(d *device) { d.transport = gatewayed{d.transport, &away} })
		stop()
		if len(values) != 0 || err == nil || !strings.Contains(err.Error(), "another device") {
			t.Errorf("%v, %v; want no reading of another model", values, err)
		}
	})
}

// objects of a device identification, as App 6.21 shows them.
var objectsAnswer = []byte{0x2B, 0x0E, 0x01, 0x01, 0x00, 0x00, 0x03,
	0x00, 0x03, 'A', 'B', 'C', 0x01, 0x02, 'X', '1', 0x02, 0x04, 'V', '2', '.', '1'}

func TestObjectsOfADevice(t *testing.T) {
	texts, n := parseObjects(append(slices.Clone(objectsAnswer), 0xFF))
	if !slices.Equal(texts, []string{"ABC", "X1", "V2.1"}) || n != len(objectsAnswer) {
		t.Errorf("got %q of %d bytes", texts, n)
	}
	for cut := range objectsAnswer {
		if texts, n := parseObjects(objectsAnswer[:cut]); n != 0 {
			t.Errorf("cut after %d bytes: %q", cut, texts)
		}
	}
	frame := seal(7, objectsAnswer)
	if got := findObjects(append([]byte{7, 7, 0x2B}, frame...), 7, false); len(got) != 3 {
		t.Errorf("after noise: %q", got)
	}
	frame[len(frame)-1] ^= 1
	if got := findObjects(frame, 7, false); got != nil {
		t.Errorf("with a wrong CRC: %q", got)
	}
}

func FuzzObjects(f *testing.F) {
	f.Add(objectsAnswer, false)
	f.Add(seal(1, objectsAnswer), false)
	f.Add([]byte{0, 1, 0, 0, 0, 4, 1, 0x2B, 0x0E, 1}, true)
	f.Fuzz(func(t *testing.T, p []byte, overTCP bool) {
		if texts, n := parseObjects(p); n > len(p) || len(texts) > maxObjects {
			t.Errorf("%d texts of %d bytes of %d", len(texts), n, len(p))
		}
		findObjects(p, 1, overTCP)
	})
}
