package bridge

import (
	"context"
	"errors"
	"net/url"

	"sensorgate/internal/journal"
	"sensorgate/internal/mqtt"
)

// Values of Options.Protocol.
const (
	ProtocolAuto = "auto"
	Protocol311  = "3.1.1"
	Protocol5    = "5"
)

// levels knows which protocol level each upstream speaks. With "auto" it is MQTT 5 until an
// upstream shows that it does not know it, by refusing or by closing the connection, and then
// takes 3.1.1: a broker of before 2019 cannot say more. What was found is kept over a
// restart; an upstream that refuses 3.1.1 is asked again.
type levels struct {
	auto  bool
	fixed byte
	store Store           // nil: kept in memory
	key   string          // of the store, without the host
	known map[string]byte // by host and port
}

func newLevels(o *Options) levels {
	l := levels{
		auto: o.Protocol == ProtocolAuto, fixed: mqtt.Level311,
		store: o.Store, key: "bridge/" + o.Name + "/level/", known: map[string]byte{},
	}
	if o.Protocol == Protocol5 {
		l.fixed = mqtt.Level5
	}
	return l
}

// of returns the level to connect with, and whether the upstream is known to speak it.
func (l *levels) of(u *url.URL) (level byte, sure bool) {
	if !l.auto {
		return l.fixed, true
	}
	if level, ok := l.known[u.Host]; ok {
		return level, true
	}
	if l.store != nil {
		if v, ok := l.store.Get(l.key + u.Host); ok && len(v) == 1 && (v[0] == mqtt.Level311 || v[0] == mqtt.Level5) {
			l.known[u.Host] = v[0]
			return v[0], true
		}
	}
	return mqtt.Level5, false
}

// learn remembers that the upstream took a connection of this level.
func (l *levels) learn(u *url.URL, level byte) {
	if !l.auto || l.known[u.Host] == level {
		return
	}
	l.known[u.Host] = level
	if l.store != nil {
		l.store.Put(l.key+u.Host, []byte{level}, journal.Telemetry, nil, 0)
	}
}

// connect opens a connection with the level that the upstream speaks.
func (b *Bridge) connect(ctx context.Context, u *url.URL) (*connection, error) {
	level, sure := b.levels.of(u)
	c, err := b.connectAt(ctx, u, level)
	if unknownLevel(err) && b.levels.auto && (!sure || refusedLevel(err)) && ctx.Err() == nil {
		other := byte(mqtt.Level311)
		if level == mqtt.Level311 {
			other = mqtt.Level5
		}
		if c2, err2 := b.connectAt(ctx, u, other); !unknownLevel(err2) {
			level, c, err = other, c2, err2
		}
	}
	if err != nil {
		if level == mqtt.Level5 && !b.levels.auto && unknownLevel(err) && !refusedLevel(err) {
			err = &hintError{err, ` (does it speak MQTT 5? try protocol = "auto" or "3.1.1")`}
		}
		return nil, err
	}
	b.levels.learn(u, level)
	return c, nil
}

// unknownLevel reports whether the end of a handshake may mean that the upstream does not
// know the protocol level: it says so, or it hangs up at our CONNECT.
func unknownLevel(err error) bool {
	var none *noAnswerError
	return refusedLevel(err) || errors.As(err, &none) && none.cause != errSilence
}

func refusedLevel(err error) bool {
	var refused *refusedError
	return errors.As(err, &refused) && refused.ack.Reason == mqtt.UnsupportedVersion
}

// noAnswerError: the upstream took the connection and our CONNECT, and did not answer.
type noAnswerError struct{ cause error }

func (e *noAnswerError) Error() string { return "no answer to CONNECT: " + e.cause.Error() }
func (e *noAnswerError) Unwrap() error { return e.cause }

// hintError is an error with what to try.
type hintError struct {
	error
	hint string
}

func (e *hintError) Error() string { return e.error.Error() + e.hint }
func (e *hintError) Unwrap() error { return e.error }
