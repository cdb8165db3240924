package toml

import (
	"math/rand/v2"
	"testing"
	"time"
)

func TestParseDuration(t *testing.T) {
	for in, want := range map[string]time.Duration{
		"5s": 5 * time.Second, "1m30s": 90 * time.Second, "14d": 14 * 24 * time.Hour, "2w": 14 * 24 * time.Hour, "1.5h": 90 * time.Minute,
		"500ms": 500 * time.Millisecond, "10 min": 10 * time.Minute, "0s": 0, "250µs": 250 * time.Microsecond,
		"": -1, "5": -1, "s": -1, "-5s": -1, "5x": -1, "1e9s": -1, "1..5s": -1, "5s6": -1, "400y": -1, "300000d": -1, "five s": -1,
	} {
		got, err := parseDuration(in)
		if want < 0 && err == nil || want >= 0 && (got != want || err != nil) {
			t.Errorf("parseDuration(%q) = %v, %v", in, got, err)
		}
	}
	for range 1000 {
		d := time.Duration(rand.Int64N(int64(1000 * time.Hour))).Truncate(time.Microsecond)
		if got, err := parseDuration(FormatDuration(d)); got != d || err != nil {
			t.Fatalf("%v is written %s and read %v, %v", d, FormatDuration(d), got, err)
		}
	}
}

func TestParseSize(t *testing.T) {
	for in, want := range map[string]int64{
		"512MiB": 512 << 20, "10MB": 10e6, "1.5KiB": 1536, "100 B": 100, "0": 0, "2GiB": 2 << 30,
		"": -1, "5": -1, "MiB": -1, "-1MiB": -1, "5Mib": -1, "1e30GiB": -1, "NaN": -1, "Inf": -1,
	} {
		var s Size
		err := s.UnmarshalText([]byte(in))
		if want < 0 && err == nil || want >= 0 && (int64(s) != want || err != nil) {
			t.Errorf("%q is %d, %v", in, s, err)
		}
	}
	for range 1000 {
		n := rand.Int64N(1 << 45)
		if got, err := parseSize(formatSize(n)); int64(got) != n || err != nil {
			t.Fatalf("%d is written %s and read %v, %v", n, formatSize(n), got, err)
		}
	}
}

func TestParseRate(t *testing.T) {
	for in, want := range map[string]Rate{
		"50/s": {Messages: 50}, "600/m": {Messages: 10}, "0.5/s": {Messages: 0.5}, "64KiB/s": {Bytes: 65536}, "3600 B/h": {Bytes: 1},
	} {
		var r Rate
		if err := r.UnmarshalText([]byte(in)); r != want || err != nil {
			t.Errorf("%q is %+v, %v", in, r, err)
		}
	}
	for _, in := range []string{"", "50", "/s", "0/s", "-1/s", "50/x", "NaN/s", "Inf/s", "MiB/s", "0B/s"} {
		var r Rate
		if err := r.UnmarshalText([]byte(in)); err == nil {
			t.Errorf("%q is taken for %+v", in, r)
		}
	}
}
