package bridge

import (
	"io"
	"time"

	"sensorgate/internal/mqtt"
)

// stream cuts packets out of what a connection delivers.
type packetReader struct {
	r     io.Reader
	limit int
	buf   []byte
	start int // of what is not yet taken
	end   int
	ahead mqtt.Frame // the packet at start, if buffered has looked for it; Type 0: it has not
	at    time.Time  // when the newest packets came
}

func newPacketReader(r io.Reader, limit int) *packetReader {
	return &packetReader{r: r, limit: limit, buf: make([]byte, 8<<10)}
}

// next returns the next packet, which is valid until the call after it.
func (s *packetReader) next() (mqtt.Frame, error) {
	if f := s.ahead; f.Type != 0 {
		s.ahead = mqtt.Frame{}
		s.start += len(f.Raw)
		return f, nil
	}
	for {
		f, need, err := mqtt.NextFrame(s.buf[s.start:s.end], s.limit)
		if err != nil {
			return f, err
		}
		if f.Type != 0 {
			s.start += len(f.Raw)
			return f, nil
		}
		if err := s.more(need); err != nil {
			return f, err
		}
	}
}

// more reads what is there, making room for a packet of need bytes.
func (s *packetReader) more(need int) error {
	if s.start > 0 {
		s.end = copy(s.buf, s.buf[s.start:s.end])
		s.start = 0
	}
	if need > len(s.buf) {
		s.buf = append(s.buf, make([]byte, need-len(s.buf))...)
	}
	n, err := s.r.Read(s.buf[s.end:])
	s.end += n
	if n > 0 {
		s.at = time.Now() // once for all packets that came together
		return nil
	}
	return err // nil with nothing read is allowed: try again
}

// buffered reports whether a whole packet can be had without reading.
func (s *packetReader) buffered() bool {
	f, _, err := mqtt.NextFrame(s.buf[s.start:s.end], s.limit)
	if err == nil {
		s.ahead = f
	}
	return err != nil || f.Type != 0
}
