package main

import (
	"testing"
	"time"
)

// A small terminal shows the devices at the top and neither wraps nor scrolls.
func TestSmallTerminalShowsTheTop(t *testing.T) {
	const text = "barn  up 3s\n\nDEVICE  VALUE °C and more\nattic   21.5\ncellar  12\nlog line\n"
	for _, c := range []struct {
		columns, rows int
		want          string
	}{
		{80, 24, "barn  up 3s\n\nDEVICE  VALUE °C and more\nattic   21.5\ncellar  12\nlog line"},
		{80, 6, "barn  up 3s\n\nDEVICE  VALUE °C and more\nattic   21.5\ncellar  12\nlog line"},
		{80, 4, "barn  up 3s\n\nDEVICE  VALUE °C and more\n… 3 more lines; make the window higher"},
		{16, 3, "barn  up 3s\n\n… 4 more lines;…"},
		{10, 24, "barn  up …\n\nDEVICE  V…\nattic   2…\ncellar  12\nlog line"},
		{1, 1, "…"},
	} {
		if got := fitted(text, c.columns, c.rows); got != c.want {
			t.Errorf("at %d × %d:\n%s\nwant\n%s", c.columns, c.rows, got, c.want)
		}
	}
}

// What is longer than a terminal is wide goes on below it, with its words whole.
func TestNarrowTerminalTearsNoWord(t *testing.T) {
	const text = "DEVICE  STATE\nhand    absent: connection refused by 127.0.0.1:21502\n\nabcdefghijklmnopqrstuvwxyz\n"
	for columns, want := range map[int]string{
		80: text,
		20: "DEVICE  STATE\nhand    absent:\n    connection\n    refused by\n    127.0.0.1:21502\n\nabcdefghijklmnopqrst\n    uvwxyz\n",
		5:  text,
	} {
		if got := wrapped(text, columns); got != want {
			t.Errorf("at %d columns:\n%s\nwant\n%s", columns, got, want)
		}
	}
}

// A slot of ten minutes is one of 10m.
func TestSlotsAreNamedWithoutZeroes(t *testing.T) {
	for d, want := range map[time.Duration]string{30 * time.Second: "30s", time.Minute: "1m", 10 * time.Minute: "10m", 24 * time.Hour: "24h", 90 * time.Minute: "1h30m", 87 * time.Second: "1m27s"} {
		if got := whole(d); got != want {
			t.Errorf("%v: %q, want %q", d, got, want)
		}
	}
}
