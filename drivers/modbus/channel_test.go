package modbus

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/field"
)

// decodes makes a channel and decodes registers that begin where its item does.
func decodes(t *testing.T, o Channel, registers ...uint16) (string, error) {
	t.Helper()
	if err := o.Check(); err != nil {
		t.Fatal(err)
	}
	_, at := o.place()
	c, i := newChannel("x", "", o, at)
	if i.width != len(registers) {
		t.Fatalf("reads %d registers, the test has %d", i.width, len(registers))
	}
	var p []byte
	for _, r := range registers {
		p = append(p, byte(r>>8), byte(r))
	}
	v, err := c.decode(p)
	return v.String(), err
}

func TestASumIsOfOneMoment(t *testing.T) {
	power := Channel{Input: ptr(0x500), Minus: []int{0x502}, Layout: typed(t, "f32")}
	half := func(v float32) (uint16, uint16) {
		u := math.Float32bits(v)
		return uint16(u >> 16), uint16(u)
	}
	a, b := half(20)
	c, d := half(6452.5)
	if got, err := decodes(t, power, a, b, c, d); err != nil || got != "-6432.5" {
		t.Errorf("import 20 W, export 6452.5 W: got %s, %v, want -6432.5", got, err)
	}
	energy := Channel{Holding: ptr(10), Plus: []int{8, 12}, Layout: typed(t, "u16")}
	energy.Scale = 0.1
	if got, err := decodes(t, energy, 1, 0, 20, 0, 300); err != nil || got != "32.1" {
		t.Errorf("got %s, %v, want 32.1", got, err)
	}
	heat := Channel{Input: ptr(3501), Plus: []int{3502}, Times: 1000, Layout: typed(t, "u16")}
	if got, err := decodes(t, heat, 999, 12); err != nil || got != "12999" {
		t.Errorf("999 kWh and 12 MWh: got %s, %v, want 12999", got, err)
	}
	energy.Invalid = []float64{65535}
	if got, err := decodes(t, energy, 1, 0, 20, 0, 65535); !errors.Is(err, field.ErrNone) {
		t.Errorf("one number is missing: got %s, %v, want no value", got, err)
	}
	for _, bad := range []Channel{
		{Coil: ptr(1), Plus: []int{2}}, {Holding: ptr(1), Plus: []int{70000}},
		{Holding: ptr(1), Times: 10}, {Holding: ptr(1), Minus: []int{2}, Write: true}, {Holding: ptr(1), Plus: []int{2}, Layout: typed(t, "bool")},
	} {
		if err := bad.Check(); err == nil {
			t.Errorf("%+v was accepted", bad)
		}
	}
}

// min and max were compared with the number before its scale factor.
func TestRangeOfASunSpecChannelIsInItsUnit(t *testing.T) {
	voltage := Channel{SunSpec: "103", At: ptr(10), SF: ptr(13), Layout: typed(t, "u16")}
	voltage.Min, voltage.Max = ptr(0.0), ptr(400.0)
	if got, err := decodes(t, voltage, 2301, 0, 0, 0xFFFF); err != nil || got != "230.1" {
		t.Errorf("got %s, %v, want 230.1", got, err)
	}
	if got, err := decodes(t, voltage, 5001, 0, 0, 0xFFFF); !errors.Is(err, drivers.ErrImplausible) {
		t.Errorf("got %s, %v, want that 500.1 V is implausible", got, err)
	}
	if got, err := decodes(t, voltage, 2301, 0, 0, 0x8000); !errors.Is(err, field.ErrNone) {
		t.Errorf("without a scale factor: got %s, %v, want no value", got, err)
	}
}

// SolarEdge changes W_SF while running: value and factor are read in one request, also
// after the device has refused larger ones, and by channels of other intervals.
func TestAValueAndItsScaleFactorAreOfOneMoment(t *testing.T) {
	u := &slave{holding: map[uint16]uint16{}, maxRead: 5}
	for i := range uint16(60) {
		u.holding[i] = 100
	}
	u.holding[15], u.holding[22] = 0, 0
	s, path := newSlaves(t, map[byte]*slave{1: u})
	_, reports := unit(t, bus(t, path, "115200 8N1"), Options{}, 50*time.Millisecond, map[string]Channel{
		"power": {Holding: ptr(14), SF: ptr(15), Layout: typed(t, "s16")}, "current": {Holding: ptr(18), SF: ptr(22), Layout: typed(t, "s16")},
		"other": {Holding: ptr(30)},
	})
	got := map[string]bool{}
	for len(got) < 3 {
		if r := next(t, reports); r.err == nil {
			got[r.r.Channel] = true
		}
	}
	s.set(func() {
		for _, r := range s.requests {
			at, n := int(r[2])<<8|int(r[3]), int(r[5])
			if at+n <= 14 || at > 22 || n > u.maxRead {
				continue
			}
			if hasValue, hasFactor := at <= 14 && 14 < at+n, at <= 15 && 15 < at+n; hasValue != hasFactor {
				t.Errorf("a request for %d registers from %d reads power or its factor alone", n, at)
			}
			if hasValue, hasFactor := at <= 18 && 18 < at+n, at <= 22 && 22 < at+n; hasValue != hasFactor {
				t.Errorf("a request for %d registers from %d reads current or its factor alone", n, at)
			}
		}
	})
}

// A channel that never comes was silently missing: the others' answers kept the unit ok.
func TestAChannelWithoutAnAnswerIsAFault(t *testing.T) {
	u := &slave{holding: map[uint16]uint16{0: 1, 300: 2}, mute: func(at uint16) bool { return at <= 300 && at > 250 }}
	_, path := newSlaves(t, map[byte]*slave{1: u})
	_, reports := unit(t, bus(t, path, "115200 8N1"), Options{Timeout: 50 * time.Millisecond}, 50*time.Millisecond, map[string]Channel{
		"good": {Holding: ptr(0)}, "gone": {Holding: ptr(300)},
	})
	good := 0
	for start := time.Now(); time.Since(start) < 4*time.Second; {
		s := next(t, reports)
		var fault *drivers.ChannelError
		switch {
		case s.err == nil:
			good++
		case errors.As(s.err, &fault) && fault.Channel == "gone" && errors.Is(s.err, drivers.ErrNoAnswer) && strings.Contains(s.err.Error(), "holding 300"):
			if good < 3 {
				t.Errorf("%d readings of the good channel", good)
			}
			return
		default:
			t.Fatalf("got %v, want a fault of channel gone", s.err)
		}
	}
	t.Error("the channel that never came was not reported")
}

// Some devices keep silent where they should refuse registers that they do not have.
func TestADeviceThatIsSilentOverHolesIsAskedInParts(t *testing.T) {
	u := &slave{holding: map[uint16]uint16{0: 1, 1: 2, 5: 6, 6: 7}, silentOverHoles: true}
	_, path := newSlaves(t, map[byte]*slave{1: u})
	_, reports := unit(t, bus(t, path, "115200 8N1"), Options{Timeout: 120 * time.Millisecond}, 50*time.Millisecond, map[string]Channel{
		"a": {Holding: ptr(0)}, "b": {Holding: ptr(1)}, "f": {Holding: ptr(5)}, "g": {Holding: ptr(6)},
	})
	got := map[string]string{}
	for start := time.Now(); len(got) < 4 && time.Since(start) < time.Minute; {
		if s := next(t, reports); s.err == nil {
			got[s.r.Channel] = s.r.Value.String()
		}
	}
	if got["a"] != "1" || got["b"] != "2" || got["f"] != "6" || got["g"] != "7" {
		t.Errorf("got %v, want all four", got)
	}
}
