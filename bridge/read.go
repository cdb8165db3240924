package bridge

import (
	"context"
	"fmt"
	"io"
	"time"

	"sensorgate/internal/journal"
	"sensorgate/internal/mqtt"
)

// read takes what the upstream sends until the connection ends. Acknowledgements of one read
// leave the spool together.
func (c *connection) read(ctx context.Context, inbound chan<- arrival) error {
	var acked []journal.Seq
	for {
		f, err := c.in.next()
		if err == io.EOF {
			return errClosed
		}
		if err != nil {
			return err
		}
		if acked, err = c.handle(ctx, f, acked, inbound); err != nil {
			return err
		}
		if len(acked) > 0 && (len(acked) >= readAheadItems || !c.in.buffered()) {
			c.b.opt.Queue.Ack(acked...)
			c.b.ledger.left(acked) // after the Ack: neither is on disk before the other
			acked = acked[:0]
			c.wake()
		}
	}
}

func (c *connection) handle(ctx context.Context, f mqtt.Frame, acked []journal.Seq, inbound chan<- arrival) ([]journal.Seq, error) {
	if f.Type == mqtt.PUBLISH { // the one before may have waited for room
		c.in.at = time.Now()
	}
	c.mu.Lock()
	c.heard = c.in.at
	c.count++
	c.mu.Unlock()
	switch f.Type {
	case mqtt.PUBACK, mqtt.PUBREC, mqtt.PUBCOMP:
		a, err := mqtt.ParseAck(f, c.level)
		if err != nil {
			return acked, err
		}
		return c.acknowledged(f.Type, a, acked)
	case mqtt.PUBLISH:
		return acked, c.arrived(ctx, f, inbound)
	case mqtt.PUBREL:
		a, err := mqtt.ParseAck(f, c.level)
		if err != nil {
			return acked, err
		}
		c.released(a.ID)
	case mqtt.SUBACK:
		return acked, c.subscribeAnswer(f)
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
func (c *connection) acknowledged(t mqtt.Type, a mqtt.Ack, acked []journal.Seq) ([]journal.Seq, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.received2 = c.received2 || t == mqtt.PUBREC
	s, old := c.flight.find(a.ID), false
	if s == nil {
		s, old = c.resumed[a.ID]
	}
	if t == mqtt.PUBREC && (s == nil || s.state != awaitPubrec) {
		// Not ours to deliver, but the upstream waits to forget it.
		c.out.acknowledge(mqtt.PUBREL, a.ID)
		c.wake()
		return acked, nil
	}
	if s == nil {
		return acked, nil
	}
	switch {
	case t == mqtt.PUBREC && a.Reason < mqtt.Unspecified:
		s.state = awaitPubcomp
		c.b.ledger.received(a.ID)
		c.out.acknowledge(mqtt.PUBREL, a.ID)
		c.wake()
		return acked, nil
	case t == mqtt.PUBACK && s.state == awaitPuback,
		t == mqtt.PUBREC,
		t == mqtt.PUBCOMP && s.state == awaitPubcomp:
	default:
		return acked, nil
	}
	// A PUBCOMP with a reason says that the identifier is not known: complete as well.
	if a.Reason >= mqtt.Unspecified && t != mqtt.PUBCOMP {
		if err := c.b.refused(s, a.Reason); err != nil {
			return acked, err
		}
	} else if s.kind == fromSpool {
		c.b.sent.Add(1)
	}
	if t != mqtt.PUBACK {
		c.b.ledger.complete(a.ID)
	}
	if old {
		return c.finishResumedLocked(a.ID, s, acked), nil
	}
	return c.finishLocked(s, acked), nil
}

// finishLocked takes a publication out of flight; its record leaves the spool with the
// last of them.
func (c *connection) finishLocked(s *slot, acked []journal.Seq) []journal.Seq {
	seq, kind, announced := s.seq, s.kind, s.announced
	c.flight.done(s)
	c.b.inFlight.Store(int64(c.flight.count))
	c.progress = c.heard
	switch {
	case kind == ofGap:
		c.b.gaps.reported()
		c.wake()
	case kind == ofPresence:
		c.wake()
	case kind == ofNewest:
		c.b.newest.acknowledged(announced)
		c.wake()
	case c.lastLocked(seq):
		acked = append(acked, seq)
	}
	return acked
}

// refused decides what becomes of a publication that the upstream did not take: an error to
// try it again on a new connection, nil if it is lost.
func (b *Bridge) refused(s *slot, reason mqtt.Reason) error {
	again := reason == mqtt.QuotaExceeded
	if reason == mqtt.Unspecified || reason == mqtt.ImplementationSpecific || reason == mqtt.PacketIDInUse {
		again = b.countRefusal(s.seq)
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

// refusalsMax is how often a message may be refused without a reason before it is taken
// for one that the upstream will never take, and must not hold up all the others.
const refusalsMax = 3

// countRefusal counts a refusal of a record and reports whether it is to be tried again.
func (b *Bridge) countRefusal(seq journal.Seq) bool {
	if b.refusedSeq != seq {
		b.refusedSeq, b.refusals = seq, 0
	}
	b.refusals++
	return b.refusals < refusalsMax
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
