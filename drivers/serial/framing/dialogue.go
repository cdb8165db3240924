package framing

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"sensorgate/drivers"
	"sensorgate/drivers/field"
	"sensorgate/drivers/serial"
)

// Dialogue is how a device is asked that does not speak first.
type Dialogue struct {
	Poll    field.Bytes   `toml:"poll" example:"\"FF 01 86\"" doc:"What to send to get an answer, once every interval: \"FF 01 86\" or '\"Q\" 0D'."`
	Timeout time.Duration `toml:"timeout" doc:"How long an answer may take."`
	Wake    field.Bytes   `toml:"wake" example:"\"00 00\"" doc:"Bytes that are sent before each poll, to wake the device."`
	WakeFor time.Duration `toml:"wake_for" doc:"The pause between wake and poll."`
	Init    []field.Bytes `toml:"init" example:"[\"FF 01 79\"]" doc:"Byte strings that are sent one after the other when the port was opened, and after a failure."`
	InitFor time.Duration `toml:"init_for" doc:"The pause after each part of init."`
	WarmUp  time.Duration `toml:"warm_up" doc:"What the device sends in the first time after power-on is ignored."`
}

// DefaultDialogue returns a Dialogue with the usual time-outs and pauses, and nothing to send.
func DefaultDialogue() Dialogue {
	return Dialogue{Timeout: time.Second, WakeFor: 50 * time.Millisecond, InitFor: 100 * time.Millisecond}
}

// Check is called by the driver's own Check.
func (d *Dialogue) Check() error {
	switch {
	case d.Timeout <= 0 || d.Timeout > time.Minute:
		return &drivers.KeyError{Key: "timeout", Problem: fmt.Sprintf("found %v, expected above 0s, up to 1m", d.Timeout)}
	case d.WakeFor < 0 || d.WakeFor > 10*time.Second:
		return &drivers.KeyError{Key: "wake_for", Problem: fmt.Sprintf("found %v, expected 0s to 10s", d.WakeFor)}
	case d.InitFor < 0 || d.InitFor > 10*time.Second:
		return &drivers.KeyError{Key: "init_for", Problem: fmt.Sprintf("found %v, expected 0s to 10s", d.InitFor)}
	case len(d.Wake) > 0 && len(d.Poll) == 0:
		return &drivers.KeyError{Key: "wake", Problem: "found wake without poll"}
	}
	return nil
}

// dialogue is a Dialogue at work.
type dialogue struct {
	Dialogue
	line  serial.Line
	awake time.Time // since when we know the device to be powered
}

// sendInit sends the init sequences.
func (d *dialogue) sendInit(s *serial.Transaction) error {
	for _, p := range d.Init {
		if err := s.Write(p); err != nil {
			return err
		}
		if err := s.Pause(d.InitFor); err != nil {
			return err
		}
	}
	return nil
}

// polled is a device that answers when asked.
type polled struct {
	commander
	unlisted func(drivers.Reading)
	dialogue
	release func()
	framer  Framer
	decoder Decoder

	initSent bool
	results  Results
}

// Close releases the port.
func (p *polled) Close() error {
	p.release()
	return nil
}

// Poll asks once. Frames that are no answer to us are passed over until the time is up.
func (p *polled) Poll(ctx context.Context) ([]drivers.Reading, error) {
	err := p.bus.Do(ctx, serial.Job{Priority: serial.Poll, Line: p.dialogue.line, Run: p.exchange})
	if err != nil {
		p.initSent = false
		return nil, err
	}
	if time.Since(p.awake) < p.WarmUp {
		return nil, nil
	}
	return p.results.Readings, errors.Join(p.results.Faults...)
}

func (p *polled) exchange(s *serial.Transaction) error {
	if !p.initSent {
		if err := p.sendInit(s); err != nil {
			return err
		}
		p.initSent = true
		if p.awake.IsZero() {
			p.awake = time.Now()
		}
	}
	if len(p.Wake) > 0 {
		if err := s.Write(p.Wake); err != nil {
			return err
		}
		if err := s.Pause(p.WakeFor); err != nil {
			return err
		}
	}
	s.Flush()
	p.framer.Reset()
	if err := s.Write(p.Dialogue.Poll); err != nil {
		return err
	}
	return p.answer(s, time.Now().Add(s.TimeOf(len(p.Dialogue.Poll))+p.Timeout))
}

// answer reads until a frame had readings in it, or the time is up.
func (p *polled) answer(s *serial.Transaction, deadline time.Time) error {
	var buf [512]byte
	why := fmt.Errorf("%s: %w", p.bus, drivers.ErrNoAnswer)
	for {
		n, at, err := s.Read(buf[:], p.until(deadline))
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded) && time.Now().Before(deadline):
			if frame, at, err, ok := p.framer.Silence(); ok && p.accept(frame, at, err, &why) {
				return nil
			}
			continue
		case errors.Is(err, os.ErrDeadlineExceeded):
			return why
		case err != nil:
			return err
		}
		p.framer.Push(buf[:n], at)
		for {
			frame, at, err, ok := p.framer.Next()
			if !ok {
				break
			}
			if p.accept(frame, at, err, &why) {
				return nil
			}
		}
	}
}

// until is when to look again: at the end, or when a gap ends the frame.
func (p *polled) until(deadline time.Time) time.Time {
	if p.framer.Gap > 0 && p.framer.Unfinished() {
		if gap := p.framer.heard.Add(p.framer.Gap); gap.Before(deadline) {
			return gap
		}
	}
	return deadline
}

// accept reports whether the frame was the answer; otherwise why says what it was.
func (p *polled) accept(frame []byte, at time.Time, err error, why *error) bool {
	if err == nil {
		p.results.Reset(at)
		p.decoder.Decode(frame, &p.results)
		p.results.Unlisted(p.unlisted)
		if len(p.results.Readings) > 0 {
			return true
		}
		if err = errors.Join(p.results.Faults...); err == nil && len(p.results.Others) > 0 {
			err = p.results.NoChannel()
		}
	}
	if err != nil {
		*why = fmt.Errorf("%s: no usable answer: %w", p.bus, err)
	}
	return false
}

// usualInterval is the interval of a device that is asked, if the file gives none. Drivers
// that mostly listen have no interval by default.
const usualInterval = 10 * time.Second

// Asked is a device that is asked.
type Asked interface {
	drivers.Poller
	Close() error
}

// Paced returns a device without an interval the usual one, on a schedule of its own.
func Paced(p Asked, every time.Duration) any {
	if every > 0 {
		return p
	}
	return &pacedPoller{p}
}

type pacedPoller struct{ device Asked }

// Close closes the device.
func (p *pacedPoller) Close() error { return p.device.Close() }

// Command passes commands to a device that takes any.
func (p *pacedPoller) Command(ctx context.Context, cmd drivers.Command) error {
	if c, ok := p.device.(drivers.Commander); ok {
		return c.Command(ctx, cmd)
	}
	return fmt.Errorf("%s: %w", cmd.Channel, drivers.ErrNoCommands)
}

// Watch asks at the usual interval until ctx ends.
func (p *pacedPoller) Watch(ctx context.Context, report drivers.Report) error {
	for {
		readings, err := p.device.Poll(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		for _, r := range readings {
			report(r, nil)
		}
		if err != nil {
			report(drivers.Reading{}, err)
		}
		if !drivers.Sleep(ctx, usualInterval) {
			return ctx.Err()
		}
	}
}
