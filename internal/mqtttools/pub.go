package mqtttools

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/pflag"

	"sensorgate/internal/mqtt"
)

// maxPayload is the largest that MQTT can carry.
const maxPayload = 256<<20 - 1

// Pub publishes messages, as mosquitto_pub does.
type Pub struct {
	client
	topic        string
	message      string
	file         string
	lines, stdin bool
	null, retain bool
	repeat       int
	repeatDelay  float64
}

// Flags adds the flags of the tool to f; Run reads what was parsed into them.
func (p *Pub) Flags(f *pflag.FlagSet) {
	p.register(f, "pub")
	f.StringVarP(&p.topic, "topic", "t", "", "`topic` to publish on")
	f.StringVarP(&p.message, "message", "m", "", "the `message`")
	f.StringVarP(&p.file, "file", "f", "", "the contents of a `file`")
	f.BoolVarP(&p.lines, "stdin-line", "l", false, "each line of the standard input")
	f.BoolVarP(&p.stdin, "stdin-file", "s", false, "the whole standard input")
	f.BoolVarP(&p.null, "null-message", "n", false, "nothing; with -r that removes a retained message")
	f.BoolVarP(&p.retain, "retain", "r", false, "the broker keeps it for later subscribers")
	f.IntVar(&p.repeat, "repeat", 1, "publish so many `times`")
	f.Float64Var(&p.repeatDelay, "repeat-delay", 0, "`seconds` between the repetitions")
}

func (p *Pub) check() error {
	if err := p.client.check(); err != nil {
		return err
	}
	if p.topic == "" && len(p.filters) > 0 {
		p.topic = p.filters[0]
	}
	sources := 0
	for _, given := range []bool{p.messageGiven(), p.file != "", p.lines, p.stdin, p.null} {
		if given {
			sources++
		}
	}
	switch {
	case p.topic == "":
		return errors.New("no topic: -t TOPIC")
	case sources != 1:
		return errors.New("exactly one of -m, -f, -l, -s and -n is needed: what to publish")
	case p.repeat < 1 || p.repeat > 1 && p.lines:
		return errors.New("--repeat is 1 or more, and not for -l")
	case p.repeatDelay < 0:
		return errors.New("--repeat-delay is 0 or more")
	}
	if err := mqtt.CheckTopic(p.topic); err != nil {
		return fmt.Errorf("-t %q: %w", p.topic, err)
	}
	return nil
}

// messageGiven reports whether -m was given, also if empty.
func (p *Pub) messageGiven() bool { return p.flags.Changed("message") }

// Run publishes what the flags name, of which in is the standard input. It returns when
// the broker has acknowledged everything, when ctx ends, or with the first error; a
// UsageError is found before anything is opened.
func (p *Pub) Run(ctx context.Context, in io.Reader) error {
	if err := p.check(); err != nil {
		return UsageError{err}
	}
	payload, err := p.payload(in)
	if err != nil {
		return err
	}
	conn, err := p.open(ctx, events{})
	if err != nil {
		return err
	}
	defer conn.disconnect()
	out := &outgoing{p: p, conn: conn}
	if p.lines {
		err = out.lines(ctx, in)
	} else {
		err = out.repeat(ctx, payload)
	}
	if err != nil {
		return err
	}
	return out.flush(ctx)
}

// payload reads what is published as one message.
func (p *Pub) payload(in io.Reader) ([]byte, error) {
	switch {
	case p.messageGiven():
		return []byte(p.message), nil
	case p.file != "":
		f, err := os.Open(p.file)
		if err != nil {
			return nil, UsageError{fmt.Errorf("-f: %w", err)}
		}
		defer f.Close()
		return readPayload(f, p.file)
	case p.stdin:
		return readPayload(in, "the standard input")
	}
	return nil, nil
}

func readPayload(r io.Reader, name string) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(r, maxPayload+1))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if len(b) > maxPayload {
		return nil, fmt.Errorf("%s: longer than the 256 MB that MQTT can carry", name)
	}
	return b, nil
}

// outgoing keeps a window of messages that the broker has not acknowledged yet.
type outgoing struct {
	p      *Pub
	conn   connection
	window []func(context.Context) error // each waits for its acknowledgement
}

// send publishes one message; it waits when the window is full.
func (o *outgoing) send(ctx context.Context, payload []byte) error {
	if len(o.window) >= o.p.inflight {
		if err := o.oldest(ctx); err != nil {
			return err
		}
	}
	wait, err := o.conn.publish(ctx, o.p.publication(payload))
	if err != nil {
		return fmt.Errorf("%s: not published: %w", o.p.topic, err)
	}
	o.window = append(o.window, wait)
	o.p.debugf("published %d bytes on %s", len(payload), o.p.topic)
	return nil
}

// publication is the message with what the flags say of it.
func (p *Pub) publication(payload []byte) *message {
	m := &message{topic: p.topic, payload: payload, qos: byte(p.qos), retain: p.retain}
	if p.is5() {
		m.props = &p.properties.publish
	}
	return m
}

// oldest waits for the acknowledgement of the oldest unacknowledged message.
func (o *outgoing) oldest(ctx context.Context) error {
	wait := o.window[0]
	o.window = o.window[1:]
	err := wait(ctx)
	switch {
	case errors.Is(err, errClosed):
		return fmt.Errorf("%s: %w; %d messages were not acknowledged", o.p.topic, err, len(o.window)+1)
	case err != nil && ctx.Err() == nil:
		return fmt.Errorf("%s: not published: %w", o.p.topic, err)
	}
	return err
}

func (o *outgoing) flush(ctx context.Context) error {
	for len(o.window) > 0 {
		if err := o.oldest(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (o *outgoing) repeat(ctx context.Context, payload []byte) error {
	for i := range o.p.repeat {
		if i > 0 && o.p.repeatDelay > 0 {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(time.Duration(o.p.repeatDelay * float64(time.Second))):
			}
		}
		if err := o.send(ctx, payload); err != nil {
			return err
		}
	}
	return nil
}

// lines publishes each line of in as it comes.
func (o *outgoing) lines(ctx context.Context, in io.Reader) error {
	type line struct {
		text []byte
		err  error
	}
	lines := make(chan line)
	go func() { // a read of the terminal cannot be interrupted; it ends with the program
		r := bufio.NewReader(in)
		for {
			text, err := r.ReadBytes('\n')
			if n := len(text); n > 0 && text[n-1] == '\n' {
				text = text[:n-1]
			} else if n == 0 && err != nil {
				lines <- line{err: err}
				return
			}
			lines <- line{text: text}
		}
	}()
	for {
		select {
		case <-ctx.Done():
			return nil // asked to stop: wait for what is unacknowledged
		case l := <-lines:
			if l.err == io.EOF {
				return nil
			}
			if l.err != nil {
				return fmt.Errorf("standard input: %w", l.err)
			}
			if err := o.send(ctx, l.text); err != nil {
				return err
			}
		}
	}
}
