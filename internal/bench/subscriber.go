package bench

import (
	"encoding/binary"
	"fmt"
	"time"

	"sensorgate/internal/mqtt"
)

// subscriber receives a workload and checks it.
type subscriber struct {
	*client
	work   *Workload
	credit *credit // QoS 0

	next    []uint32
	got     int
	wrong   int // not the next one of its publisher
	latency []float64
	last    time.Time
}

// run receives until it has all or the connection ends.
func (s *subscriber) run() error {
	want := s.work.Messages / s.work.Publishers * s.work.Publishers
	given := 0
	for s.got < want {
		if err := s.read(); err != nil {
			return err
		}
		if err := s.frames(); err != nil {
			return err
		}
		if err := s.flush(); err != nil {
			return err
		}
		s.last = time.Now()
		if s.credit != nil {
			s.credit.give(s.got - given)
			given = s.got
		}
	}
	return nil
}

func (s *subscriber) frames() error {
	for {
		f, err := s.frame()
		if err != nil || f.Raw == nil {
			return err
		}
		switch f.Type {
		case mqtt.PUBLISH:
			if err := s.message(f); err != nil {
				return err
			}
		case mqtt.PUBREL:
			s.out = mqtt.AppendAck(s.out, mqtt.PUBCOMP, mqtt.Level311, binary.BigEndian.Uint16(f.Body), mqtt.Success)
		default:
			return fmt.Errorf("subscriber got %v", f.Type)
		}
	}
}

func (s *subscriber) message(f mqtt.Frame) error {
	var p mqtt.Publish
	if err := mqtt.ParsePublish(f, mqtt.Level311, &p); err != nil {
		return err
	}
	if len(p.Payload) != s.work.Size || p.QoS != s.work.QoS {
		return fmt.Errorf("got %d bytes at QoS %d, want %d at %d", len(p.Payload), p.QoS, s.work.Size, s.work.QoS)
	}
	st := readStamp(p.Payload)
	if int(st.publisher) >= len(s.next) {
		return fmt.Errorf("message of publisher %d, there are %d", st.publisher, len(s.next))
	}
	if st.number != s.next[st.publisher] {
		s.wrong++
	}
	s.next[st.publisher] = st.number + 1
	s.got++
	if s.work.Rate > 0 {
		s.latency = append(s.latency, float64(monotonic()-st.sent)/1e3)
	}
	switch p.QoS {
	case 1:
		s.out = mqtt.AppendAck(s.out, mqtt.PUBACK, mqtt.Level311, p.ID, mqtt.Success)
	case 2:
		s.out = mqtt.AppendAck(s.out, mqtt.PUBREC, mqtt.Level311, p.ID, mqtt.Success)
	}
	return nil
}
