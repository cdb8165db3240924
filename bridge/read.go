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
			l.b.ledger.left(acked) // after the Ack: neither is on disk before the other
			acked = acked[:0]
			l.nudge()
		}
	}
}

func (l *link) handle(ctx context.Context, f mqtt.Frame, acked []journal.Seq, inbound chan<- arrival) ([]journal.Seq, error) {
	l.mu.Lock()
	l.heard = time.Now()
	l.count++
	l.mu.Unlock()
	switch f.Type {
	case mqtt.PUBACK, mqtt.PUBREC, mqtt.PUBCOMP:
		a, err := mqtt.ParseAck(f, l.level)
		if err != nil {
			return acked, err
		}
		return l.acknowledged(f.Type, a, acked)
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
func (l *link) acknowledged(t mqtt.Type, a mqtt.Ack, acked []journal.Seq) ([]journal.Seq, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.received2 = l.received2 || t == mqtt.PUBREC
	s, old := l.flight.find(a.ID), false
	if s == nil {
		s, old = l.resumed[a.ID]
	}
	if t == mqtt.PUBREC && (s == nil || s.state != awaitPubrec) {
		// Not ours to deliver, but the upstream waits to forget it.
		l.exactly = mqtt.AppendAck(l.exactly, mqtt.PUBREL, l.level, a.ID, mqtt.Success)
		l.nudge()
		return acked, nil
	}
	if s == nil {
		return acked, nil
	}
	switch {
	case t == mqtt.PUBREC && a.Reason < mqtt.Unspecified:
		s.state = awaitPubcomp
		l.b.ledger.received(a.ID)
		l.exactly = mqtt.AppendAck(l.exactly, mqtt.PUBREL, l.level, a.ID, mqtt.Success)
		l.nudge()
		return acked, nil
	case t == mqtt.PUBACK && s.state == awaitPuback,
		t == mqtt.PUBREC,
		t == mqtt.PUBCOMP && s.state == awaitPubcomp:
	default:
		return acked, nil
	}
	// A PUBCOMP with a reason says that the identifier is not known: complete as well.
	if a.Reason >= mqtt.Unspecified && t != mqtt.PUBCOMP {
		if err := l.b.refused(s, a.Reason); err != nil {
			return acked, err
		}
	} else if s.kind == fromSpool {
		l.b.sent.Add(1)
	}
	if t != mqtt.PUBACK {
		l.b.ledger.complete(a.ID)
	}
	if old {
		return l.finishResumedLocked(a.ID, s, acked), nil
	}
	return l.finishLocked(s, acked), nil
}

// finishLocked takes a publication out of flight; its record leaves the spool with the
// last of them.
func (l *link) finishLocked(s *slot, acked []journal.Seq) []journal.Seq {
	seq, kind := s.seq, s.kind
	l.flight.done(s)
	l.progress = time.Now()
	switch {
	case kind == ofGap:
		l.b.gaps.told()
		l.nudge()
	case kind == ofPresence:
		l.nudge()
	case l.lastLocked(seq):
		acked = append(acked, seq)
	}
	return acked
}

// refused says what becomes of a publication that the upstream did not take: an error to
// try it again on a new connection, nil if it is lost.
func (b *Bridge) refused(s *slot, reason mqtt.Reason) error {
	again := reason == mqtt.QuotaExceeded
	if reason == mqtt.Unspecified || reason == mqtt.ImplementationSpecific || reason == mqtt.PacketIDInUse {
		again = b.strike(s.seq)
	}
	if s.kind == ofPresence {
		b.warn(time.Hour, "presence", "the upstream refuses the status message", "topic", b.statusTopic(), "reason", reason)
		return nil
	}
	if again {
		return &notNowError{reason}
	}
	b.warn(time.Minute, "refused", "the upstream refuses a message and it is dropped", "reason", reason)
	if s.kind == fromSpool {
		b.lose(lostRefused, time.Time{})
	}
	return nil
}

// strikesMax is how often a message may be refused without a reason before it is taken
// for one that the upstream will never take, and must not hold up all the others.
const strikesMax = 3

// strike counts a refusal of a record and reports whether it is to be tried again.
func (b *Bridge) strike(seq journal.Seq) bool {
	if b.struck != seq {
		b.struck, b.strikes = seq, 0
	}
	b.strikes++
	return b.strikes < strikesMax
}

// notNowError: the upstream could not take a message, but may later.
type notNowError struct{ reason mqtt.Reason }

func (e *notNowError) Error() string {
	return "the upstream does not take messages now: " + e.reason.String()
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
