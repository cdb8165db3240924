package mapping

import (
	"encoding/json"
	"slices"
	"strconv"
	"time"

	"sensorgate/drivers"
)

// PayloadVariables are what the payload template of a channel may hold, beside the
// TopicVariables. For publish = "device" the names of the channels take the place of
// value.
var PayloadVariables = []string{"value", "time", "unix", "unix_ms", "time_synced", "quality"}

// timeFormat is RFC 3339 in UTC with milliseconds: as exact as a poll can be, and
// sorted as text it is sorted by time.
const timeFormat = "2006-01-02T15:04:05.000Z"

func qualityName(q drivers.Quality) string {
	if q == drivers.Uncertain {
		return "uncertain"
	}
	return "good"
}

// jsonEncoder writes JSON. What is as it should be is left out: unit when there is none,
// time_synced and quality when good.
type jsonEncoder struct{}

// AppendReading writes {"value":21.42,"unit":"°C","time":"2026-11-23T03:00:00.123Z"}.
func (jsonEncoder) AppendReading(b []byte, r Sample, c Context) []byte {
	b = append(b, `{"value":`...)
	b = appendJSONValue(b, r.Value)
	if r.Unit != "" {
		b = append(b, `,"unit":`...)
		b = appendJSONText(b, r.Unit)
	}
	return appendJSONTail(b, r.Time, r.Quality, c.Synced)
}

func appendJSONTail(b []byte, at time.Time, q drivers.Quality, synced bool) []byte {
	b = append(b, `,"time":"`...)
	b = at.UTC().AppendFormat(b, timeFormat)
	b = append(b, '"')
	if !synced {
		b = append(b, `,"time_synced":false`...)
	}
	if q != drivers.Good {
		b = append(b, `,"quality":"`...)
		b = append(b, qualityName(q)...)
		b = append(b, '"')
	}
	return append(b, '}')
}

// AppendPoll writes the readings of one poll as one object:
// {"values":{"lat":52.1,"lon":13.4},"units":{"alt":"m"},"time":…}.
func (jsonEncoder) AppendPoll(b []byte, rs []Sample, c Context) []byte {
	b = append(b, `{"values":{`...)
	quality := drivers.Good
	for i, r := range rs {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendJSONText(b, r.Channel)
		b = append(b, ':')
		b = appendJSONValue(b, r.Value)
		quality = max(quality, r.Quality)
	}
	b = append(b, '}')
	if slices.ContainsFunc(rs, func(r Sample) bool { return r.Unit != "" }) {
		b = append(b, `,"units":{`...)
		first := true
		for _, r := range rs {
			if r.Unit == "" {
				continue
			}
			if !first {
				b = append(b, ',')
			}
			first = false
			b = appendJSONText(b, r.Channel)
			b = append(b, ':')
			b = appendJSONText(b, r.Unit)
		}
		b = append(b, '}')
	}
	return appendJSONTail(b, rs[0].Time, quality, c.Synced)
}

func appendJSONValue(b []byte, v drivers.Value) []byte {
	if s, ok := v.Text(); ok {
		return appendJSONText(b, s)
	}
	if f, ok := v.Number(); ok {
		return appendNumber(b, f)
	}
	return v.AppendText(b)
}

// appendNumber writes whole numbers as such and very large or small ones with an
// exponent: 1e-300 spelled out is 300 digits.
func appendNumber(b []byte, f float64) []byte {
	if abs := max(f, -f); f != 0 && (abs < 1e-6 || abs >= 1e21) {
		return strconv.AppendFloat(b, f, 'e', -1, 64)
	}
	return strconv.AppendFloat(b, f, 'f', -1, 64)
}

// appendValue writes the bare value; digits also pads: 21.40 with two.
func appendValue(b []byte, v drivers.Value, digits *int) []byte {
	f, ok := v.Number()
	switch {
	case !ok:
		return v.AppendText(b)
	case digits != nil && *digits > 0 && max(f, -f) < 1e15:
		return strconv.AppendFloat(b, f, 'f', *digits, 64)
	}
	return appendNumber(b, f)
}

// appendJSONText writes s as a JSON string.
func appendJSONText(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c == '"' || c == '\\' || c >= 0x7f {
			return appendEscaped(b, s)
		}
	}
	b = append(b, '"')
	b = append(b, s...)
	return append(b, '"')
}

func appendEscaped(b []byte, s string) []byte {
	q, err := json.Marshal(s) // replaces what is not UTF-8
	if err != nil {
		return append(b, `""`...)
	}
	return append(b, q...)
}
