package toml

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

var (
	errDuration = errors.New(`a duration such as "5s", "1m30s" or "14d"`)
	errSize     = errors.New(`a size such as "512MiB" or "64KiB"`)
	errRate     = errors.New(`a rate such as "50/s" or "64KiB/s"`)
)

// parseDuration reads "5s", "1h30m", "14d" and "2w".
func parseDuration(s string) (time.Duration, error) {
	total := time.Duration(0)
	for rest := s; ; {
		number := len(rest) - len(strings.TrimLeft(rest, "0123456789."))
		end := number
		for end < len(rest) && !strings.ContainsRune("0123456789.", rune(rest[end])) {
			end++
		}
		f, err := strconv.ParseFloat(rest[:number], 64)
		unit, known := timeUnits[strings.TrimSpace(rest[number:end])]
		if err != nil || !known {
			return 0, errDuration
		}
		ns := f*float64(unit) + float64(total)
		if ns >= math.MaxInt64 {
			return 0, errors.New("a duration of less than 292 years")
		}
		total = time.Duration(math.Round(ns))
		if rest = rest[end:]; rest == "" {
			return total, nil
		}
	}
}

var timeUnits = map[string]time.Duration{
	"us": time.Microsecond, "µs": time.Microsecond, "ms": time.Millisecond,
	"s": time.Second, "m": time.Minute, "min": time.Minute, "h": time.Hour,
	"d": 24 * time.Hour, "w": 7 * 24 * time.Hour,
}

// FormatDuration writes d as parseDuration reads it, in the largest units.
func FormatDuration(d time.Duration) string {
	if d == 0 {
		return "0s"
	}
	var b strings.Builder
	for _, u := range []struct {
		unit time.Duration
		name string
	}{{24 * time.Hour, "d"}, {time.Hour, "h"}, {time.Minute, "m"}, {time.Second, "s"}, {time.Millisecond, "ms"}, {time.Microsecond, "us"}} {
		if n := d / u.unit; n > 0 {
			fmt.Fprintf(&b, "%d%s", n, u.name)
			d -= n * u.unit
		}
	}
	return b.String()
}

// Size is a number of bytes: "512MiB", "10MB", "0".
type Size int64

var sizeUnits = map[string]float64{
	"": 0, "B": 1, "KB": 1e3, "kB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12,
	"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40,
}

// UnmarshalText reads a size.
func (s *Size) UnmarshalText(text []byte) error {
	n, err := parseSize(string(text))
	*s = Size(n)
	return err
}

func parseSize(s string) (float64, error) {
	number := strings.TrimRight(s, "BKMGTki ")
	f, err := strconv.ParseFloat(number, 64)
	factor, known := sizeUnits[strings.TrimSpace(s[len(number):])]
	if err != nil || !known || f < 0 || f*factor >= math.MaxInt64 || factor == 0 && f != 0 {
		return 0, errSize
	}
	return math.Round(f * factor), nil
}

// formatSize writes n bytes as parseSize reads them.
func formatSize(n int64) string {
	for _, u := range []struct {
		factor int64
		name   string
	}{{1 << 30, "GiB"}, {1 << 20, "MiB"}, {1 << 10, "KiB"}} {
		if n >= u.factor && n%u.factor == 0 {
			return strconv.FormatInt(n/u.factor, 10) + u.name
		}
	}
	return strconv.FormatInt(n, 10) + "B"
}

// Rate is "50/s" or "64KiB/s"; both zero is unlimited.
type Rate struct {
	Messages float64 // per second
	Bytes    float64 // per second
}

// UnmarshalText reads "50/s", "600/m" or "64KiB/s".
func (r *Rate) UnmarshalText(text []byte) error {
	amount, per, ok := strings.Cut(string(text), "/")
	unit, known := timeUnits[strings.TrimSpace(per)]
	if !ok || !known {
		return errRate
	}
	amount = strings.TrimSpace(amount)
	if f, err := strconv.ParseFloat(amount, 64); err == nil {
		if !(f > 0) || math.IsInf(f, 0) {
			return errRate
		}
		*r = Rate{Messages: f / unit.Seconds()}
		return nil
	}
	n, err := parseSize(amount)
	if err != nil || n <= 0 {
		return errRate
	}
	*r = Rate{Bytes: n / unit.Seconds()}
	return nil
}

// KeyType implements Typed.
func (Size) KeyType() (string, Object) {
	return "size", Object{"type": "string", "pattern": `^[0-9.]+ *(B|[kKMGT]i?B)$`, "examples": []string{"512MiB"}}
}

// DefaultText implements Defaulted.
func (s Size) DefaultText() string { return `"` + formatSize(int64(s)) + `"` }

// KeyType implements Typed.
func (Rate) KeyType() (string, Object) {
	return "rate", Object{"type": "string", "pattern": `/(us|ms|s|m|min|h|d)$`, "examples": []string{"50/s", "64KiB/s"}}
}

// DefaultText implements Defaulted: no limit is not written down.
func (Rate) DefaultText() string { return "" }
