package serial

import (
	"testing"

	bug "go.bug.st/serial"
	"golang.org/x/sys/unix"
)

// interrupted is a port whose Drain a signal ends early, as often as is said.
type interrupted struct {
	bug.Port
	times, drains int
}

func (p *interrupted) Drain() error {
	if p.drains++; p.drains <= p.times {
		return unix.EINTR
	}
	return nil
}

func (p *interrupted) Write(b []byte) (int, error) { return len(b), nil }
func (p *interrupted) SetRTS(bool) error           { return nil }

func TestSignalDoesNotEndTheDrain(t *testing.T) {
	p := &interrupted{times: 3}
	if err := (&tty{port: p}).drain(); err != nil || p.drains != 4 {
		t.Errorf("drained %d times: %v; want until no signal is in the way", p.drains, err)
	}
}

func TestRTSDoesNotFallBeforeTheLastBit(t *testing.T) {
	p := &interrupted{times: 2}
	if err := (&tty{port: p, rs485: RS485RTS}).send([]byte("x")); err != nil || p.drains != 3 {
		t.Errorf("drained %d times: %v; the transmitter was switched off in mid-byte", p.drains, err)
	}
}
