package bridge

import (
	"context"
	"fmt"
	"io"
	"time"

	"sensorgate/internal/journal"
	"sensorgate/internal/mqtt"
)

// read takes what the upstream sends until the link ends. Acknowledgements of one read
// leave the spool together.
func (l *link) read(ctx context.Context, inbound chan<- arrival) error {
	var acked []journal.Seq
	for {
		f, err := l.in.next()
		if err == io.EOF {
			return errClosed
		}
		if err != nil {
			return err
		}
		if acked, err = l.handle(ctx, f, acked, inbound); err != nil {
			return err
		}
		if len(acked) > 0 && (len(acked) >= readAheadItems || !l.in.buffered()) {
			l.b.opt.Queue.Ack(acked...)
			l.b.sent.Add(uint64(len(acked)))
			acked = acked[:0]
			l.nudge()
		}
	}
}

func (l *link) handle(ctx context.Context, f mqtt.Frame, acked []journal.Seq, inbound chan<- arrival) ([]journal.Seq, error) {
	l.mu.Lock()
	l.heard = time.Now()
	l.mu.Unlock()
	switch f.Type {
	case mqtt.PUBACK, mqtt.PUBREC, mqtt.PUBCOMP:
		a, err := mqtt.ParseAck(f, l.level)
		if err != nil {
			return acked, err
		}
		return l.acknowledged(f.Type, a, acked), nil
	case mqtt.PUBLISH:
		return acked, l.arrived(ctx, f, inbound)
	case mqtt.PUBREL:
		a, err := mqtt.ParseAck(f, l.level)
		if err != nil {
			return acked, err
		}
		l.released(a.ID)
	case mqtt.SUBACK:
		return acked, l.subscribeAnswer(f)
	case mqtt.PINGRESP:
	case mqtt.DISCONNECT:
		return acked, disconnectReason(f)
	default:
		return acked, fmt.Errorf("%v is not for a client", f.Type)
	}
	return acked, nil
}

// acknowledged moves a publication on. An acknowledgement of something that is not on
// its way is a repetition and changes nothing.
func (l *link) acknowledged(t mqtt.Type, a mqtt.Ack, acked []journal.Seq) []journal.Seq {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.flight.find(a.ID)
	switch {
	case t == mqtt.PUBACK && s != nil && s.state == awaitPuback,
		t == mqtt.PUBCOMP && s != nil && s.state == awaitPubcomp:
		acked = l.finishLocked(s, acked)
	case t == mqtt.PUBREC:
		if s != nil && s.state == awaitPubrec {
			s.state = awaitPubcomp
		}
		// Also for one that we do not know: it holds the upstream's memory of it.
		l.answers = mqtt.AppendAck(l.answers, mqtt.PUBREL, l.level, a.ID, mqtt.Success)
		l.nudge()
	}
	return acked
}

// finishLocked takes a publication out of flight; its record leaves the spool with the
// last of them.
func (l *link) finishLocked(s *slot, acked []journal.Seq) []journal.Seq {
	seq, kind := s.seq, s.kind
	l.flight.done(s)
	l.progress = time.Now()
	if kind != fromSpool {
		l.nudge()
		return acked
	}
	if !l.lastLocked(seq) {
		return acked
	}
	return append(acked, seq)
}

// disconnectError is a DISCONNECT from the upstream (MQTT 5).
type disconnectError struct{ reason mqtt.Reason }

func (e *disconnectError) Error() string { return "the upstream disconnected us: " + e.reason.String() }

func disconnectReason(f mqtt.Frame) error {
	if len(f.Body) == 0 {
		return &disconnectError{mqtt.Success}
	}
	return &disconnectError{mqtt.Reason(f.Body[0])}
}
