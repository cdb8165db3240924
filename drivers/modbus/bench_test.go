package modbus

import (
	"testing"
	"time"

	"sensorgate/drivers/serial"
)

// BenchmarkRegistersOnAPty reads blocks of 100 registers as fast as the master can,
// through a pty, and compares with what a wire of that speed could carry at best:
// request 8 bytes, answer 205, twice the silence of 3.5 characters.
func BenchmarkRegistersOnAPty(b *testing.B) {
	for _, line := range []string{"9600 8N1", "115200 8N1"} {
		b.Run(line, func(b *testing.B) {
			u := &slave{holding: map[uint16]uint16{}}
			for i := range uint16(100) {
				u.holding[i] = i
			}
			s, path := newSlaves(b, map[byte]*slave{1: u})
			wire := bus(b, path, line)
			s.wire = wire.Line().CharTime()
			transport := &rtu{timeout: time.Second, line: wire.Line(), open: &open{}}
			b.ReportAllocs()
			for b.Loop() {
				err := wire.Do(b.Context(), serial.Job{Priority: serial.Poll, Run: func(s *serial.Transaction) error {
					_, _, err := transport.exchange(s, 1, readRequest(Holding, 0, 100))
					return err
				}})
				if err != nil {
					b.Fatal(err)
				}
			}
			got := 100 * float64(b.N) / b.Elapsed().Seconds()
			limit := 100 / (213*wire.Line().CharTime() + 2*silence(wire.Line())).Seconds()
			b.ReportMetric(got, "registers/s")
			b.ReportMetric(100*got/limit, "%of-wire")
		})
	}
}

// BenchmarkOneOf32DeadOnAPty polls 32 units once a second at 38400 baud through a pty,
// with one of them dead and with none, and reports how the others kept their second. Late
// is an interval more than 10 % too long; each probe of the dead unit may cause some.
func BenchmarkOneOf32DeadOnAPty(b *testing.B) {
	for name, dead := range map[string]bool{"all alive": false, "one dead": true} {
		b.Run(name, func(b *testing.B) {
			const interval, timeout, seconds = time.Second, 200 * time.Millisecond, 20
			units := thirtyTwo()
			units[7].dead = dead
			s, path := newSlaves(b, units)
			wire := bus(b, path, "38400 8N1")
			s.set(func() { s.wire = wire.Line().CharTime() })
			late, readings, longest := 0, 0, time.Duration(0)
			for b.Loop() {
				for unit, r := range run(b, wire, 32, interval, timeout, seconds*time.Second) {
					if unit == 0 || dead && unit == 7 {
						continue
					}
					late += r.late
					readings += r.readings
					longest = max(longest, r.longest)
				}
			}
			probes := 0
			s.set(func() {
				for _, r := range s.requests {
					if r[0] == 7 && dead {
						probes++
					}
				}
			})
			b.ReportMetric(100*float64(late)/float64(readings), "%late")
			b.ReportMetric(float64(longest.Milliseconds()), "ms-longest")
			b.ReportMetric(float64(probes)/float64(b.N), "probes")
		})
	}
}
