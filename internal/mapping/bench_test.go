package mapping

import (
	"strconv"
	"testing"
	"time"

	"sensorgate/drivers"
	"sensorgate/internal/mqtt"
)

// BenchmarkReadingToMessage is what one reading costs on its way to the broker.
func BenchmarkReadingToMessage(b *testing.B) {
	two := 2
	for _, c := range []struct {
		name    string
		payload Payload
		value   drivers.Value
		filters Filters
	}{
		{"json", JSON, drivers.Number(21.42), Filters{}},
		{"json with text", JSON, drivers.Text("running"), Filters{}},
		{"json, all filters", JSON, drivers.Number(21.4249), Filters{Scale: 1.01, Offset: -0.4, Median: 5, Average: 5,
			Clamp: &[2]float64{-40, 85}, Points: [][2]float64{{0, 0.1}, {50, 50.2}}, Digits: &two}},
		{"plain", Plain, drivers.Number(21.42), Filters{Digits: &two}},
		{"template", `{"v":{value},"t":{unix_ms},"id":"{node}/{device}/{channel}"}`, drivers.Number(21.42), Filters{}},
		{"held back by a deadband", JSON, drivers.Number(21.42), Filters{Deadband: 0.5}},
	} {
		b.Run(c.name, func(b *testing.B) {
			m := New(Device{Name: "boiler", Node: "pi", TopicTemplate: "{node}/{device}/{channel}", QoS: 1,
				Channels: []Channel{{Name: "temperature", Unit: "°C", Payload: c.payload, QoS: 1, Filters: c.filters}}})
			at := epoch
			rs := []drivers.Reading{{Device: "boiler", Channel: "temperature", Value: c.value, Unit: "°C"}}
			b.ReportAllocs()
			for b.Loop() {
				at = at.Add(time.Second)
				rs[0].Time = at
				m.Messages(rs, true)
			}
		})
	}
}

// BenchmarkPollToMessages is a poll of 16 channels: each its message, and all in one.
func BenchmarkPollToMessages(b *testing.B) {
	for _, perDevice := range []bool{false, true} {
		b.Run(map[bool]string{false: "a message each", true: "one message"}[perDevice], func(b *testing.B) {
			d := Device{Name: "meter", Node: "pi", TopicTemplate: "{node}/{device}/{channel}", PerDevice: perDevice}
			var rs []drivers.Reading
			for i := range 16 {
				name := "channel_" + strconv.Itoa(i)
				d.Channels = append(d.Channels, Channel{Name: name, Unit: "W"})
				rs = append(rs, drivers.Reading{Device: "meter", Channel: name, Value: drivers.Number(float64(i) * 1.5), Unit: "W"})
			}
			m := New(d)
			at := epoch
			b.ReportAllocs()
			for b.Loop() {
				at = at.Add(time.Second)
				for i := range rs {
					rs[i].Time = at
				}
				m.Messages(rs, true)
			}
		})
	}
}

func BenchmarkParseCommand(b *testing.B) {
	for name, payload := range map[string]string{"bare": "on", "json": `{"value":"on","id":"7","expires":"30s"}`} {
		b.Run(name, func(b *testing.B) {
			m := &mqtt.Message{Topic: "pi/pump/state/set", Payload: []byte(payload), Time: epoch}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := ParseCommand(pump, m, epoch); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
