package broker

import (
	"errors"

	"sensorgate/internal/mqtt"
)

// errInputMemory ends the input when the budget has no room for what the client sends.
var errInputMemory = mqtt.NewError(mqtt.QuotaExceeded, "no memory left for a packet that long")

// errDisk stops the input before a PUBLISH that the journal is to have, when that is too
// far behind: an event loop must not wait for the disk.
var errDisk = errors.New("the disk is behind")

// changesState reports whether a packet changes what the journal has of the session.
func (c *conn) changesState(typ mqtt.Type) bool {
	switch typ {
	case mqtt.SUBSCRIBE, mqtt.UNSUBSCRIBE, mqtt.PUBREC, mqtt.PUBREL:
		return c.session.isPersistent()
	}
	return false
}

// errClosed ends the input after a DISCONNECT.
var errClosed = errors.New("client disconnected")

// input handles the complete packets at the start of data and returns how much that was.
// need is how long the next packet is, 0 if that is not known. When the turn is over it
// stops before the next packet, and c.more is true.
func (c *conn) input(w *worker, data []byte) (used, need int, err error) {
	c.acks.inBatch(true)
	packets := 0
	w.work = 0
	c.more, c.forDisk = false, false
	f := &w.frame
	for c.stopping.Load() == 0 || c.takenOver() {
		if c.fan != nil && !c.continueFanOut(w) {
			c.more = true
			break
		}
		n, err := f.Next(data[used:], c.maxPacketIn)
		if err != nil {
			return used, 0, err
		}
		if f.Raw == nil {
			need = n
			break
		}
		if w.work >= workPerLook {
			if w.rest(restOfLook); w.timeIsUp() {
				c.more = true
				break
			}
		}
		w.work += workOf(f)
		if mayWait>>f.Type&1 == 1 {
			if c.more, c.forDisk = c.mustWait(w, f); c.more {
				break
			}
		}
		used += n
		packets++
		if f.LongLength && c.level == mqtt.Level5 {
			return used, 0, mqtt.ErrLongLength
		}
		if err := c.handle(w, f); err == errDisk || err == errTurn {
			used, packets = used-n, packets-1
			c.more, c.forDisk = true, err == errDisk
			break
		} else if err != nil {
			return used, 0, err
		}
	}
	c.b.count.packetsIn.Add(uint64(packets))
	c.b.count.bytesIn.Add(uint64(used))
	return used, need, nil
}

// restOfLook is what the work between two looks at the clock costs beside the loops, in bytes
// that are copied.
const restOfLook = 16 << 10

// mayWait are the types for which mustWait may say yes.
const mayWait = 1<<mqtt.SUBSCRIBE | 1<<mqtt.UNSUBSCRIBE | 1<<mqtt.PUBREC | 1<<mqtt.PUBREL

// mustWait reports whether f has to wait: for the disk, or for another turn.
func (c *conn) mustWait(w *worker, f *mqtt.Frame) (wait, forDisk bool) {
	if c.changesState(f.Type) && w.mustNotWait() {
		return true, true
	}
	if len(f.Raw) <= maxCheapSubscribe || !isSubscribe(f.Type) {
		return false, false
	}
	if w.isSpent() {
		return true, false
	}
	w.costly = true
	return false, false
}

// workOf estimates what a packet costs before it is sent to anybody.
func workOf(f *mqtt.Frame) int {
	switch {
	case f.Type == mqtt.PUBLISH:
		return 4 + len(f.Raw)/256
	case isSubscribe(f.Type):
		return workPerLook
	}
	return 1
}

func isSubscribe(typ mqtt.Type) bool { return typ == mqtt.SUBSCRIBE || typ == mqtt.UNSUBSCRIBE }

// maxCheapSubscribe is how many bytes a SUBSCRIBE may have that is handled in a turn that is
// spent.
const maxCheapSubscribe = 512

// endBatch finishes what the packets of one read have begun. It reports whether the client has
// to read, or we have to wait for the disk, before anything more is read from it.
func (c *conn) endBatch(w *worker) (mustRead bool) {
	w.commit()
	s := c.session
	s.mu.Lock()
	if s.conn == c {
		c.putStatesLocked(w)
		c.acks.inBatch(false) // from here on commits wake the connection
		c.drainAcksLocked()
		s.fillLocked(w)
		if len(c.buf) > 0 {
			w.touchLocked(s)
		}
		if len(s.walks) > 0 {
			c.writer.wake()
		}
	}
	mustRead = c.mustReadLocked()
	s.mu.Unlock()
	return mustRead
}

// handle does what one packet asks for.
func (c *conn) handle(w *worker, f *mqtt.Frame) error {
	if c.level == mqtt.Level31 {
		f.IgnoreUnused()
	}
	switch f.Type {
	case mqtt.PUBLISH:
		return c.handlePublish(w, f)
	case mqtt.PUBACK, mqtt.PUBREC, mqtt.PUBREL, mqtt.PUBCOMP:
		a, err := f.Ack(c.level)
		if err != nil {
			return err
		}
		return c.handleAck(w, f.Type, a)
	case mqtt.SUBSCRIBE:
		return c.handleSubscribe(w, *f)
	case mqtt.UNSUBSCRIBE:
		return c.handleUnsubscribe(w, *f)
	case mqtt.PINGREQ:
		if err := mqtt.CheckEmpty(*f); err != nil {
			return err
		}
		c.reply(func(out []byte) []byte { return append(out, byte(mqtt.PINGRESP)<<4, 0) }) // [MQTT-3.12.4-1]
		return nil
	case mqtt.DISCONNECT:
		return c.handleDisconnect(*f)
	case mqtt.AUTH:
		if c.level != mqtt.Level5 {
			return errUnexpected
		}
		if err := mqtt.ParseAuth(*f); err != nil {
			return err
		}
		// Nobody has begun an enhanced authentication: we offer no method [MQTT-4.12.0-6, v5].
		return errAuth
	case mqtt.CONNECT:
		return errSecondConnect // [MQTT-3.1.0-2]
	}
	return errUnexpected
}

var (
	errUnexpected    = mqtt.NewError(mqtt.ProtocolError, "packet that only a server sends, or of a reserved type")
	errAuth          = mqtt.NewError(mqtt.ProtocolError, "AUTH without an authentication method")
	errSecondConnect = mqtt.NewError(mqtt.ProtocolError, "second CONNECT")
)

func (c *conn) handleDisconnect(f mqtt.Frame) error {
	d, err := mqtt.ParseDisconnect(f, c.level)
	if err != nil {
		return err
	}
	s := c.session
	s.mu.Lock()
	defer s.mu.Unlock()
	if d.HasSessionExpiry && s.conn == c {
		if s.expiry == 0 && d.SessionExpiry != 0 { // [MQTT-3.14.2-2, v5] and 3.14.2.2.2
			return errExpiryFromZero
		}
		s.expiry = c.b.boundedExpiry(d.SessionExpiry)
	}
	c.clean = d.Reason != mqtt.DisconnectWithWill // [MQTT-3.14.4-3]
	return errClosed
}

var errExpiryFromZero = mqtt.NewError(mqtt.ProtocolError, "session expiry raised from 0 in DISCONNECT")
