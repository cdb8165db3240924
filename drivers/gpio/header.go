package gpio

import (
	"fmt"
	"strconv"
	"strings"
)

// The pins of the 40-pin header of every Raspberry Pi since the B+, with the names
// that the kernel has for the lines behind them; the first 26 are the same on the
// older boards with P1 revision 2. 0 is power or ground, or has no line to use.
//
// periph's host packages (v3.8.5) have such tables for more boards and are not linked.
// Their import opens nothing: on ARM it enters drivers into periph's list, and what reads
// and maps memory is its Init, which nobody here calls. But their tables are variables of
// type gpio.PinIO that point at the drivers of one processor's registers (rpi.P1_11 is
// bcm283x.GPIO17), so a name costs that driver, DMA and memory mapping included: 396 KiB
// for rpi, 92 for distro, whose DTModel is the one file that Cdev.Board reads. Which pins
// a Raspberry Pi of the first revision has is decided in that Init as well; before it the
// variables are those of the 40-pin header, which is the table below. Their other tables
// (Pine64, NanoPi, Orange Pi, C.H.I.P.) number the lines of Allwinner chips by register
// banks, that mainline kernels name themselves (PH3). Other boards need no table: their
// device trees name the lines after the pins (BeagleBone "P9_12 [gpio1_28]", Rock
// "PIN_11 [GPIO0_C0]"), which matches below.
//
// Raspberry Pi documentation, "GPIO and the 40-pin header"; -1 stands for GPIO0.
var raspberryPins = [41]int{
	3: 2, 5: 3, 7: 4, 8: 14, 10: 15, 11: 17, 12: 18, 13: 27, 15: 22, 16: 23, 18: 24, 19: 10, 21: 9, 22: 25, 23: 11, 24: 8,
	26: 7, 27: -1, 28: 1, 29: 5, 31: 6, 32: 12, 33: 13, 35: 19, 36: 16, 37: 26, 38: 20, 40: 21,
}

// onHeader reports whether the chip is the one behind the header: an expander may call
// a line GPIO17 too.
func (c ChipInfo) onHeader() bool { return strings.HasPrefix(c.Label, "pinctrl-") }

// headerPin translates P1_11 or J8_11. ok is false if name is not the pin of a
// header that we know; err means a pin that has no line.
func headerPin(board, name string) (line string, ok bool, err error) {
	header, num, found := strings.Cut(name, "_")
	pin, convErr := strconv.Atoi(num)
	if !found || convErr != nil || (header != "P1" && header != "J8") || !strings.HasPrefix(board, "Raspberry Pi") {
		return "", false, nil
	}
	if pin < 1 || pin >= len(raspberryPins) {
		return "", true, fmt.Errorf("%s: the header has pins 1 to 40", name)
	}
	switch gpio := raspberryPins[pin]; gpio {
	case 0:
		return "", true, fmt.Errorf("%s: that pin is power or ground", name)
	case -1:
		return "GPIO0", true, nil
	default:
		return "GPIO" + strconv.Itoa(gpio), true, nil
	}
}

// pinOf is the way back, for people: "P1_11" for GPIO17.
func pinOf(board, line string) string {
	if !strings.HasPrefix(board, "Raspberry Pi") {
		return ""
	}
	n, err := strconv.Atoi(strings.TrimPrefix(line, "GPIO"))
	if err != nil || n == 0 {
		return ""
	}
	for pin, gpio := range raspberryPins {
		if gpio == n {
			return "P1_" + strconv.Itoa(pin)
		}
	}
	return ""
}

// named reports whether a line that the kernel calls have is what the user calls
// want: the whole name, its first word, or PIN_11 for P1_11.
func named(have, want string) bool {
	if have == "" {
		return false
	}
	first, _, _ := strings.Cut(have, " ")
	if have == want || first == want {
		return true
	}
	header, pin, ok := strings.Cut(want, "_")
	return ok && header == "P1" && (first == "PIN_"+pin || first == "pin-"+pin)
}
