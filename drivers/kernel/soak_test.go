package kernel

import (
	"math"
	"strconv"
	"strings"
	"testing"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/driverstest/soak"
	"sensorgate/internal/mapping"
)

// checked is what the Runner and the mapper do with a value.
func checked(ranges drivers.Ranges, m *mapping.Mapper, v float64) []drivers.Reading {
	r := drivers.Reading{Channel: "temperature", Unit: "°C", Value: drivers.Number(v), Time: time.Unix(1e9, 0)}
	if !r.Value.Valid() || ranges.Check(r) != nil {
		return nil
	}
	rs := []drivers.Reading{r}
	m.Messages(rs, true)
	return rs
}

// lines returns the first n lines: what follows is another read of the file.
func lines(text []byte, n int) []byte {
	return []byte(strings.Join(strings.SplitAfterN(string(text), "\n", n+1)[:min(n, strings.Count(string(text), "\n"))], ""))
}

func soakMapper() *mapping.Mapper {
	return mapping.New(mapping.Device{Name: "attic", Node: "n", TopicTemplate: "{node}/{device}/{channel}", Channels: []mapping.Channel{{Name: "temperature"}}})
}

// The text of w1_slave: the kernel's verdict on the CRC is its check.
func TestSoakW1(t *testing.T) {
	for id, c := range map[string]struct {
		frames []string
	}{
		"28-01193a4b2c3d": {[]string{goodW1, "6f fe 4b 46 7f ff 01 10 00 : crc=00 YES\n6f fe 4b 46 7f ff 01 10 00 t=-25062"}},
		"10-000802be73fa": {[]string{"32 00 4b 46 ff ff 08 10 00 : crc=00 YES\n32 00 4b 46 ff ff 08 10 00 t=25250"}},
		"3b-0000001a2b3c": {[]string{"90 01 90 01 f0 ff ff ff 00 : crc=00 YES\n90 01 90 01 f0 ff ff ff 00 t=25000"}},
	} {
		t.Run(w1Families[id[:2]].chip, func(t *testing.T) {
			ranges := drivers.RangesOf(sysfs("").w1(), drivers.DeviceConfig{Options: &w1Options{ID: id}}, nil)
			m := soakMapper()
			var frames [][]byte
			for _, f := range c.frames {
				frames = append(frames, []byte(f+"\n"))
			}
			soak.Run(t, soak.Protocol{
				Name: "w1_slave of " + w1Families[id[:2]].chip, Frames: frames, Ranges: ranges,
				Path: func() func([]byte) []soak.Result {
					return func(wire []byte) []soak.Result {
						text := lines(wire, 2)
						v, err := parseW1(strings.TrimSpace(string(text)), w1Families[id[:2]])
						if err != nil {
							return nil
						}
						return []soak.Result{{Frame: text, Readings: checked(ranges, m, v)}}
					}
				},
				Valid: func(text []byte) bool {
					first, _, _ := strings.Cut(strings.TrimLeft(string(text), " \t\r\n\v\f\u0085\u00a0"), "\n")
					return strings.HasSuffix(strings.TrimSpace(first), "YES")
				},
			})
		})
	}
}

// Attributes of iio and hwmon are bare numbers, without any check but the range.
func TestSoakAttributes(t *testing.T) {
	ranges := drivers.Ranges{"temperature": {Name: "temperature", Min: -40, Max: 85}}
	m := soakMapper()
	soak.Run(t, soak.Protocol{
		Name: "iio and hwmon", Frames: [][]byte{[]byte("24280\n"), []byte("-7000\n"), []byte("0\n"), []byte("100.512703125\n")}, Ranges: ranges,
		Path: func() func([]byte) []soak.Result {
			return func(wire []byte) []soak.Result {
				text := lines(wire, 1)
				v, err := parseNumber(strings.TrimSpace(string(text)))
				if err != nil {
					return nil
				}
				return []soak.Result{{Frame: text, Readings: checked(ranges, m, drivers.Scale(v, 1e-3, 0))}}
			}
		},
		Valid: func(text []byte) bool {
			v, err := strconv.ParseFloat(strings.TrimSpace(string(text)), 64)
			return err == nil && !math.IsNaN(v) && !math.IsInf(v, 0)
		},
	})
}
