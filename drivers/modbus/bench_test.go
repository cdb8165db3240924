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
			link := &rtu{timeout: time.Second, line: wire.Line()}
			b.ReportAllocs()
			for b.Loop() {
				err := wire.Do(b.Context(), serial.Job{Priority: serial.Poll, Run: func(s *serial.Session) error {
					_, _, err := link.exchange(s, 1, readRequest(Holding, 0, 100))
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
