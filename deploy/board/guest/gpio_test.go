package guest

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/gpio"
	"sensorgate/drivers/gpio/gpiotest"
)

// simulated is line n of gpio-sim: the kernel's own simulator, wires in sysfs.
func simulated(t *testing.T, n int) gpiotest.Wire {
	t.Helper()
	ctl(t, "gpio get 0") // skips where there is no board
	const live = "/sys/kernel/config/gpio-sim/board/live"
	attr := func(name string) string {
		return only(t, fmt.Sprintf("/sys/devices/platform/gpio-sim.*/gpiochip*/sim_gpio%d/%s", n, name))
	}
	chip := func() string { return filepath.Base(filepath.Dir(filepath.Dir(attr("pull")))) }
	w := gpiotest.Wire{
		Kernel: gpio.Cdev{Dev: "/dev"}, Offset: n, Chip: chip(),
		Drive: func(high bool) {
			writeFile(t, attr("pull"), map[bool]string{true: "pull-up", false: "pull-down"}[high])
		},
		Settle:  func() { time.Sleep(2 * time.Millisecond) }, // one processor: the interrupt's thread runs now
		Level:   func() bool { return readFile(t, attr("value")) == "1" },
		Float:   func() {}, // the simulator's own pull is weaker than a requested one
		Remove:  func() { writeFile(t, live, "0") },
		Restore: func() string { writeFile(t, live, "1"); return chip() },
	}
	w.Drive(false)
	return w
}

// external is line n of the chip whose wires the host holds.
func external(t *testing.T, n int) gpiotest.Wire {
	t.Helper()
	drive := func(high bool) {
		ctl(t, "gpio set %d %d", n, map[bool]int{true: 1}[high])
	}
	drive(false)
	k := gpio.Cdev{Dev: "/dev"}
	chips, err := k.Chips()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range chips {
		if c.Lines == 22 { // 16 for these tests, 6 of the SPI bus
			return gpiotest.Wire{
				Kernel: k, Chip: c.Name, Offset: n, Drive: drive,
				Settle: func() { ctl(t, "gpio settle %d", n) },
				Level:  func() bool { return ctl(t, "gpio get %d", n)[0] == '1' },
			}
		}
	}
	t.Fatalf("no chip with 22 lines among %v", chips)
	return gpiotest.Wire{}
}

func TestSmokeGPIO(t *testing.T) {
	w := external(t, 0)
	dev := start(t, "[device.contact]\ndriver = \"input\"\ngpio = \"EXT0\"\n")
	dev.state(t, "off")
	w.Drive(true)
	dev.state(t, "on")
	w.Drive(false)
	dev.state(t, "off")
}

func TestGPIOExamSimulator(t *testing.T) {
	gpiotest.Conformance(t, func(t *testing.T) gpiotest.Wire { return simulated(t, 3) })
}

func TestGPIOExamExternal(t *testing.T) {
	gpiotest.Conformance(t, func(t *testing.T) gpiotest.Wire { return external(t, 5) })
}

// The wire itself, as the host sees it: nothing but what is wanted reaches it.
func TestRelayReachesTheWire(t *testing.T) {
	w := external(t, 7)
	ctl(t, "gpio log")
	dev := start(t, "[device.relay]\ndriver = \"output\"\ngpio = \"EXT7\"\n")
	dev.state(t, "off")
	for _, p := range []string{"on", "on", "off", "on"} {
		if err := dev.Command(t.Context(), drivers.Command{Device: "dut", Channel: "state", Payload: []byte(p)}); err != nil {
			t.Fatal(err)
		}
		if w.Level() != (p == "on") {
			t.Errorf("%s: the wire is %v", p, w.Level())
		}
	}
	dev.stop()
	if w.Level() {
		t.Error("the wire is high after the exit state off")
	}
	t.Log("the wire saw (line:output:level)", ctl(t, "gpio log"))
}

func TestChipRemovedAtRunTime(t *testing.T) {
	w := simulated(t, 1)
	dev := start(t, "[device.contact]\ndriver = \"input\"\ngpio = \"SIM1\"\n")
	dev.state(t, "off")
	w.Remove()
	dev.condition(t, drivers.Absent, "")
	w.Restore()
	dev.state(t, "off")
	w.Drive(true)
	dev.state(t, "on")
}

func TestScanListsTheBoard(t *testing.T) {
	simulated(t, 0)
	_, lines, err := gpio.NewChips(quiet()).Scan()
	if err != nil {
		t.Fatal(err)
	}
	refs := map[gpio.Ref]bool{}
	for _, l := range lines {
		refs[l.Ref] = true
	}
	for _, want := range []gpio.Ref{"SIM0", "SIM7", "EXT0", "EXT14"} {
		if !refs[want] {
			t.Errorf("no line %s among %v", want, refs)
		}
	}
}
