package kernel

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/driverstest"
)

// wall is a chip with pins behind the kernel: what is wired to it, and what it pulls to ground.
type wall struct {
	t      *testing.T
	tr     tree
	id     string
	closed byte // contacts to ground
	weak   byte // outputs that cannot pull what is wired to them
	dev    drivers.Poller
}

func newWall(t *testing.T, id string, channels ...drivers.ChannelConfig) *wall {
	w := &wall{t: t, tr: newTree(t), id: id}
	w.tr.attribute(id, "output", 0xff)
	w.tr.attribute(id, "status_control", 0x88)
	w.show()
	d := sysfs(w.tr.root).w1Switch()
	s, err := sysfs(w.tr.root).newSwitch(drivers.DeviceConfig{Device: "d", Options: &w1SwitchOptions{ID: id}, Channels: channels})
	if err != nil {
		t.Fatal(d.Name, err)
	}
	s.files.wrote = func(string) { w.show() }
	if err := s.begin(t.Context()); err != nil {
		t.Fatal(err)
	}
	if w.dev = s; s.outputs != 0 {
		w.dev = switching{s}
	}
	return w
}

func (w *wall) output() byte {
	b, err := os.ReadFile(filepath.Join(w.tr.root, "devices/w1_bus_master1", w.id, "output"))
	if err != nil || len(b) != 1 {
		w.t.Errorf("output is % x, %v: one byte must be written", b, err)
		return 0
	}
	return b[0]
}

// show puts into state what the kernel would read there.
func (w *wall) show() {
	out := w.output()
	level := (out | w.weak) &^ w.closed
	state := level
	if w.id[:2] == "3a" {
		state = level&1 | out&1<<1 | level&2<<1 | out&2<<2
		state |= ^state << 4
	}
	w.tr.attribute(w.id, "state", state)
}

// power is a dip of its supply: all outputs are released.
func (w *wall) power() {
	w.tr.attribute(w.id, "output", 0xff)
	w.show()
}

func (w *wall) is(when string, want string) {
	w.t.Helper()
	rs, err := driverstest.Poll(w.t.Context(), w.dev)
	var got []string
	for _, r := range rs {
		got = append(got, r.Channel+"="+r.Value.String())
	}
	if err != nil || strings.Join(got, " ") != want {
		w.t.Errorf("%s: %v, %v; want %s", when, got, err, want)
	}
}

func (w *wall) send(channel, payload string) error {
	return w.dev.(drivers.Commander).Command(w.t.Context(), drivers.Command{Channel: channel, Payload: []byte(payload)})
}

func switchPin(name string, o w1Pin) drivers.ChannelConfig {
	if o.Active == "" {
		o.Active = "low"
	}
	if o.Start == "" {
		o.Start = "off"
	}
	return drivers.ChannelConfig{Name: name, Options: &o}
}

// A door at one pin, a lamp and a pump at two others; of a DS2413 the door is left out.
func wallPins(id string) []drivers.ChannelConfig {
	lamp, pump := w1Pin{Pin: "P2", Out: true, Start: "on"}, w1Pin{Pin: "P7", Out: true, Exit: "on", Failsafe: &w1Failsafe{After: time.Minute, State: "on"}}
	if id[:2] == "3a" {
		lamp.Pin, pump.Pin = "A", "B"
		return []drivers.ChannelConfig{switchPin("lamp", lamp), switchPin("pump", pump)}
	}
	return []drivers.ChannelConfig{switchPin("door", w1Pin{Pin: "P0"}), switchPin("lamp", lamp), switchPin("pump", pump)}
}

// Outputs start as the file says, do what is commanded, are safe when nobody commands them, and
// end where the file says; what they do not hold is seen.
func TestW1SwitchesAreCommandedSafeAndEnd(t *testing.T) {
	for id, pins := range map[string][2]byte{"29-00000012a3b4": {1 << 2, 1 << 7}, "3a-0000001a2b3c": {1, 2}} {
		synctest.Test(t, func(t *testing.T) {
			w := newWall(t, id, wallPins(id)...)
			lamp, pump, door := pins[0], pins[1], ""
			if id[:2] == "29" {
				door = "door=false "
			}
			mask := lamp | pump
			if got := ^w.output() & mask; got != lamp {
				t.Errorf("started with %02x at ground, want the lamp, %02x", got, lamp)
			}
			w.is("started", door+"lamp=true pump=false")
			for _, c := range [][2]string{{"pump", "on"}, {"lamp", "off"}, {"lamp", "on"}} {
				if err := w.send(c[0], c[1]); err != nil {
					t.Error(err)
				}
			}
			if got := ^w.output() & mask; got != mask {
				t.Errorf("commanded %02x to ground, want %02x", got, mask)
			}
			if err := w.send("pump", "off"); err != nil {
				t.Error(err)
			}
			w.is("commanded", door+"lamp=true pump=false")
			if err := w.send("pump", "perhaps"); !errors.Is(err, drivers.ErrRefused) {
				t.Errorf("perhaps: %v", err)
			}
			if err := w.send("door", "on"); !errors.Is(err, drivers.ErrNoCommands) {
				t.Errorf("an input: %v", err)
			}
			time.Sleep(61 * time.Second)
			w.is("without a command for a minute", door+"lamp=true pump=true")
			if err := w.send("pump", "off"); err != nil {
				t.Error(err)
			}
			w.weak = pump
			if err := w.send("pump", "on"); err == nil || !strings.Contains(err.Error(), "not at ground") {
				t.Errorf("overloaded: %v", err)
			}
			w.weak = 0
			w.show()
			w.power()
			if err := w.send("pump", "on"); err == nil || !strings.Contains(err.Error(), "not as they were set") {
				t.Errorf("a command to a chip that lost its power: %v", err)
			}
			w.is("back where they start", door+"lamp=true pump=false")
			if err := w.dev.(io.Closer).Close(); err != nil {
				t.Error(err)
			}
			if got := ^w.output() & mask; got != mask {
				t.Errorf("ended with %02x at ground, want both", got)
			}
		})
	}
}

// Inputs need no right to write, and a wire that is shorted or cut is no closed door.
func TestW1InputsAndABrokenWire(t *testing.T) {
	door := switchPin("door", w1Pin{Pin: "P0"})
	window := switchPin("window", w1Pin{Pin: "P1", Active: "high"})
	w := newWall(t, "29-00000012a3b4", door, window)
	if _, ok := w.dev.(drivers.Commander); ok {
		t.Error("inputs take commands")
	}
	w.is("open", "door=false window=true")
	w.closed = 3
	w.show()
	w.is("closed", "door=true window=false")
	for _, all := range []byte{0x00, 0xff} {
		for _, name := range []string{"state", "output", "status_control"} {
			w.tr.attribute(w.id, name, all)
		}
		rs, err := driverstest.Poll(t.Context(), w.dev)
		driverstest.WantError(t, "a broken wire", rs, err, w.id, "only zeros or only ones")
	}
	w.tr.attribute(w.id, "status_control", 0x88)
	w.tr.attribute(w.id, "output", 0xfe)
	rs, err := driverstest.Poll(t.Context(), w.dev)
	driverstest.WantError(t, "another program's output", rs, err, "another program")

	w = newWall(t, "3a-0000001a2b3c", switchPin("door", w1Pin{Pin: "B"}))
	w.closed = 2
	w.show()
	w.is("closed", "door=true")
	for _, all := range []byte{0x00, 0xff, 0xf0 &^ 0x10} {
		w.tr.attribute(w.id, "state", all)
		rs, err := driverstest.Poll(t.Context(), w.dev)
		driverstest.WantError(t, "a broken wire", rs, err, "only zeros or only ones")
	}
	w.tr.remove("bus/w1/devices/" + w.id)
	rs, err = driverstest.Poll(t.Context(), w.dev)
	if driverstest.WantError(t, "unplugged", rs, err, w.id); !errors.Is(err, drivers.ErrAbsent) {
		t.Errorf("%v is not ErrAbsent", err)
	}
}

func TestW1SwitchOptions(t *testing.T) {
	for problem, o := range map[string]w1Pin{
		"pin": {Pin: "P8", Active: "low", Start: "off"}, "active": {Pin: "A", Active: "ground", Start: "off"}, "start": {Pin: "A", Active: "low", Start: "keep"},
		"exit": {Pin: "A", Active: "low", Start: "off", Exit: "keep"}, "failsafe.state": {Pin: "A", Active: "low", Start: "off", Failsafe: &w1Failsafe{After: 1}},
		"failsafe.after": {Pin: "A", Active: "low", Start: "off", Failsafe: &w1Failsafe{State: "on"}},
	} {
		if err := o.Check(); err == nil || !strings.Contains(err.Error(), problem) {
			t.Errorf("%s: %v", problem, err)
		}
	}
	root := sysfs(t.TempDir())
	for problem, channels := range map[string][]drivers.ChannelConfig{
		"no channels": nil, "channels.x.pin": {switchPin("x", w1Pin{Pin: "P1"})}, "used twice": {switchPin("x", w1Pin{Pin: "A"}), switchPin("y", w1Pin{Pin: "A"})},
	} {
		_, err := root.newSwitch(drivers.DeviceConfig{Options: &w1SwitchOptions{ID: "3a-0000001a2b3c"}, Channels: channels})
		if err == nil || !strings.Contains(strings.ToLower(err.Error()), strings.ToLower(problem)) {
			t.Errorf("%s: %v", problem, err)
		}
	}
}

// A file that only root may write says what to do; the outputs are not called set.
func TestW1OutputsThatMayNotBeWrittenSayWhatToDo(t *testing.T) {
	if os.Getuid() == 0 {
		t.Skip("skipped: root may write everything")
	}
	const id = "3a-0000001a2b3c"
	tr := newTree(t)
	tr.attribute(id, "state", 0x0f)
	tr.attribute(id, "output", 0xff)
	if err := os.Chmod(filepath.Join(tr.root, "devices/w1_bus_master1", id, "output"), 0o444); err != nil {
		t.Fatal(err)
	}
	_, err := tr.open("w1-switch", func(o any) { o.(*w1SwitchOptions).ID = id }, switchPin("lamp", w1Pin{Pin: "A", Out: true}))
	driverstest.WantError(t, "not allowed", nil, err, id, "udev rule")
}
