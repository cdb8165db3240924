package main

import (
	"strings"
	"testing"
	"time"

	"sensorgate/drivers/gpio"
)

func TestScanGPIOShowsAFreeLineToUse(t *testing.T) {
	chip := gpio.ChipInfo{Name: "gpiochip0", Label: "pinctrl-bcm2711", Lines: 3}
	lines := []gpio.Found{
		{LineInfo: gpio.LineInfo{Offset: 17, Name: "GPIO17", Used: true, Output: true, Consumer: "sensorgate:pump"}, Chip: chip, Pin: "P1_11", Ref: "GPIO17"},
		{LineInfo: gpio.LineInfo{Offset: 27, Name: "GPIO27"}, Chip: chip, Pin: "P1_13", Ref: "GPIO27"},
		{LineInfo: gpio.LineInfo{Offset: 50}, Chip: chip, Ref: "gpiochip0:50"},
	}
	var w strings.Builder
	if err := printLines(&w, "Raspberry Pi 4 Model B", lines, false); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"GPIO17  P1_11  gpiochip0:17  pinctrl-bcm2711  output     sensorgate:pump",
		"1 lines without a name are not shown",
		"gpio     = \"GPIO27\"",
	} {
		if !strings.Contains(w.String(), want) {
			t.Errorf("lacks %q:\n%s", want, w.String())
		}
	}
}

func TestWatchGPIOLine(t *testing.T) {
	at := time.Date(2026, 11, 23, 8, 0, 1, 500_000, time.UTC)
	e := gpio.Edge{Event: gpio.Event{Rising: true, Seq: 12, Mono: 5 * time.Second, Time: at}, Lost: 3}
	if got, want := edgeLine(e, 4999*time.Millisecond), "08:00:01.000500  #12     +1ms            active  (3 edges before it were lost)"; got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}
