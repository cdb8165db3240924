package modbus

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/serial"
)

// A battery's current has its direction in the register after it.
func TestASignInAnotherRegister(t *testing.T) {
	current := Channel{Input: ptr(33134), Exact: true, Sign: ptr(33135), Layout: typed(t, "u16")}
	current.Scale = 0.1
	for _, c := range []struct {
		value, sign uint16
		want        string
	}{{123, 0, "12.3"}, {123, 1, "-12.3"}, {0, 1, "0"}, {123, 7, "12.3"}} {
		if got, err := decodes(t, current, c.value, c.sign); err != nil || got != c.want {
			t.Errorf("%d with the sign %d: got %s, %v, want %s", c.value, c.sign, got, err, c.want)
		}
	}
	current.Negative = []int{0, 2}
	if got, err := decodes(t, current, 123, 0); err != nil || got != "-12.3" {
		t.Errorf("0 is negative: got %s, %v", got, err)
	}
	for _, bad := range []Channel{
		{Coil: ptr(1), Sign: ptr(2)}, {Holding: ptr(1), Negative: []int{2}}, {Holding: ptr(1), Sign: ptr(2), Write: true},
		{Input: ptr(1), Multiple: true}, {Holding: ptr(1), Only: &Identity{Holding: ptr(1)}},
		{Holding: ptr(1), Only: &Identity{Holding: ptr(1), Is: []string{"1"}, Others: []string{"2"}}},
	} {
		if err := bad.Check(); err == nil {
			t.Errorf("%+v was accepted", bad)
		}
	}
}

// variantOf opens a device of which x is there only if register 5 reads 6; it has the
// unit's own address in each register.
func variantOf(t *testing.T, b *serial.Bus) any {
	t.Helper()
	only := &Identity{Holding: ptr(5), Is: []string{"6", "7"}}
	config := drivers.DeviceConfig{Options: &Options{Wire: serial.Wire{Bus: "wire"}, Unit: 1, Timeout: time.Second}, Every: time.Minute,
		Channels: []drivers.ChannelConfig{
			{Name: "x", Options: &Channel{Holding: ptr(20), Only: only, Write: true}},
			{Name: "y", Options: &Channel{Holding: ptr(21)}}}}
	dev, err := Drivers(serial.Only(b), quiet())[0].Open(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	return dev
}

// What a model has in a register that is something else on this variant of the device is
// not published and not written; when the variant changes, it is.
func TestARegisterOfAnotherVariantIsNotRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		writes := 0
		q := &queueingSlave{unit: &slave{}, stall: func(int) time.Duration { return 0 }}
		q.heard = func(function byte) {
			if function == writeRegister {
				writes++
			}
		}
		b, stop := lateBus(q)
		defer stop()
		dev := variantOf(t, b)
		readings, faults := map[string]int{}, map[string]string{}
		watch := func(d time.Duration) {
			ctx, cancel := context.WithTimeout(context.Background(), d)
			defer cancel()
			clear(readings)
			clear(faults)
			dev.(drivers.Watcher).Watch(ctx, func(r drivers.Reading, err error) {
				var fault *drivers.ChannelError
				switch {
				case err == nil:
					readings[r.Channel]++
				case errors.As(err, &fault):
					faults[fault.Channel] = err.Error()
				default:
					t.Error(err)
				}
			})
		}
		command := func() error {
			return dev.(drivers.Commander).Command(t.Context(), drivers.Command{Channel: "x", Payload: []byte("1")})
		}
		watch(5 * time.Minute)
		if readings["x"] > 0 || readings["y"] < 4 || !strings.Contains(faults["x"], "holding 5 reads 5, which would be 6 or 7") {
			t.Errorf("readings %v, faults %v, want y alone and why x does not come", readings, faults)
		}
		if err := command(); !errors.Is(err, drivers.ErrRefused) || writes > 0 {
			t.Errorf("%d writes, %v; want a refusal: it is another register on this device", writes, err)
		}
		q.set(func() { q.unit.holding[5] = 7 })
		watch(refusedEvery)
		if readings["x"] == 0 {
			t.Errorf("readings %v, faults %v: the device is another one now", readings, faults)
		}
		if err := command(); err != nil || writes != 1 {
			t.Errorf("%d writes, %v; want one", writes, err)
		}
	})
}
