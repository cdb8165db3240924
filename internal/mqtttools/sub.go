package mqtttools

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync/atomic"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"
	"github.com/spf13/pflag"

	"sensorgate/internal/mqtt"
)

// Sub subscribes and prints messages, as mosquitto_sub does.
type Sub struct {
	client
	printer
	topics, not, unsubscribe []string
	noEOL                    bool
	count                    int
	timeout                  float64
	retainedOnly, noRetained bool
	exitSubscribed           bool
	removeRetained           bool
}

// Flags adds the flags of the tool to f; Run reads what was parsed into them.
func (s *Sub) Flags(f *pflag.FlagSet) {
	s.register(f)
	f.StringArrayVarP(&s.topics, "topic", "t", nil, "topic `filter`; may be given many times")
	f.StringArrayVarP(&s.not, "filter-out", "T", nil, "do not print what matches this `filter`")
	f.StringArrayVarP(&s.unsubscribe, "unsubscribe", "U", nil, "`filter` to unsubscribe from, of a session that -c kept")
	f.BoolVarP(&s.verbose, "verbose", "v", false, "print the topic in front of the message")
	f.BoolVarP(&s.noEOL, "no-eol", "N", false, "no line end after a message")
	f.IntVarP(&s.count, "count", "C", 0, "end after so many `messages`")
	f.Float64VarP(&s.timeout, "timeout", "W", 0, "end after so many `seconds`")
	f.StringVarP(&s.format, "format", "F", "", "print by this `format`: %t topic, %p payload, %x hex, %q QoS, %r retained, %l length, %I time, %U seconds, %j JSON, %J JSON with the payload parsed, @Y-@m-@d the date")
	f.BoolVar(&s.retainedOnly, "retained-only", false, "print retained messages, and end with the first that is not")
	f.BoolVarP(&s.noRetained, "no-retained", "R", false, "do not print retained messages")
	f.BoolVarP(&s.exitSubscribed, "exit-subscribed", "E", false, "end when the broker has answered the subscription")
	f.BoolVar(&s.removeRetained, "remove-retained", false, "remove the retained messages that come")
}

func (s *Sub) check() error {
	if err := s.client.check(); err != nil {
		return err
	}
	s.topics = append(s.topics, s.filters...)
	switch {
	case len(s.topics) == 0 && len(s.unsubscribe) == 0:
		return errors.New("no topic: -t FILTER")
	case s.retainedOnly && s.noRetained:
		return errors.New("use either --retained-only or -R")
	case s.count < 0 || s.timeout < 0:
		return errors.New("-C and -W are 0 or more")
	case s.format != "" && s.verbose:
		return errors.New("use either -F or -v")
	}
	for _, f := range append(append(append([]string{}, s.topics...), s.not...), s.unsubscribe...) {
		if err := mqtt.CheckFilter(f); err != nil {
			return fmt.Errorf("%q: %w", f, err)
		}
	}
	return checkFormat(s.format)
}

// errEnough ends a subscription as it was asked to.
var errEnough = errors.New("enough")

// Run subscribes and prints to w until the flags' count or time is reached or ctx ends.
// It connects again by itself when the broker goes away. A UsageError is found before
// anything is opened.
func (s *Sub) Run(ctx context.Context, w io.Writer) error {
	if err := s.check(); err != nil {
		return UsageError{err}
	}
	o, err := s.options()
	if err != nil {
		return err
	}
	messages := make(chan paho.Message, 100)
	ended := make(chan struct{})
	defer close(ended)
	// The handler waits when we print slower than messages come: then paho stops reading,
	// and TCP slows the broker down.
	handler := func(_ paho.Client, m paho.Message) {
		select {
		case messages <- m:
		case <-ended:
		}
	}
	failed := make(chan error, 1)
	var first atomic.Bool
	o.SetDefaultPublishHandler(handler).SetAutoReconnect(true).SetOnConnectHandler(func(pc paho.Client) {
		go func() { // subscribing waits for an answer, which must not wait for us
			if err := s.subscribe(ctx, pc); err != nil {
				trySend(failed, err)
			} else if s.exitSubscribed && !first.Swap(true) {
				trySend(failed, errEnough)
			}
		}()
	}).SetConnectionLostHandler(func(_ paho.Client, err error) { s.debugf("connection lost: %v", err) })
	pc, err := s.connect(ctx, o)
	if err != nil {
		return err
	}
	defer pc.Disconnect(500)
	return s.print(ctx, pc, w, messages, failed)
}

func trySend(c chan error, err error) {
	select {
	case c <- err:
	default:
	}
}

// refusedQoS is what a broker answers for a filter that we may not have (3.9.3).
const refusedQoS = 0x80

func (s *Sub) subscribe(ctx context.Context, pc paho.Client) error {
	if len(s.unsubscribe) > 0 {
		if err := await(ctx, pc.Unsubscribe(s.unsubscribe...)); err != nil {
			return fmt.Errorf("unsubscribe: %w", err)
		}
	}
	if len(s.topics) == 0 {
		return nil
	}
	filters := map[string]byte{}
	for _, t := range s.topics {
		filters[t] = byte(s.qos)
	}
	t := pc.SubscribeMultiple(filters, nil)
	if err := await(ctx, t); err != nil {
		return fmt.Errorf("subscribe: %w", err)
	}
	refused := 0
	for filter, qos := range t.(*paho.SubscribeToken).Result() {
		if qos == refusedQoS {
			refused++
			if !s.Quiet {
				fmt.Fprintf(os.Stderr, "sensorgate: the broker refuses %s\n", filter)
			}
			continue
		}
		s.debugf("subscribed to %s with QoS %d", filter, qos)
	}
	if refused == len(filters) {
		return errors.New("the broker refused every subscription")
	}
	return nil
}

func (s *Sub) print(ctx context.Context, pc paho.Client, w io.Writer, messages <-chan paho.Message, failed <-chan error) error {
	out := bufio.NewWriter(w)
	defer out.Flush()
	var timeout <-chan time.Time
	if s.timeout > 0 {
		timeout = time.After(time.Duration(s.timeout * float64(time.Second)))
	}
	for printed := 0; ; {
		select {
		case <-ctx.Done():
			return nil
		case err := <-failed:
			if errors.Is(err, errEnough) {
				return nil
			}
			return err
		case <-timeout:
			if s.count > 0 || printed == 0 {
				return fmt.Errorf("%d messages in %v s", printed, s.timeout)
			}
			return nil
		case m := <-messages:
			if s.retainedOnly && !m.Retained() {
				return nil
			}
			if s.wanted(m) {
				s.write(out, m)
				printed++
			}
			if s.removeRetained && m.Retained() {
				pc.Publish(m.Topic(), 1, true, []byte{})
			}
			if s.count > 0 && printed >= s.count {
				return nil
			}
		}
		if len(messages) == 0 {
			if err := out.Flush(); err != nil {
				return err // the pipe is closed
			}
		}
	}
}

func (s *Sub) wanted(m paho.Message) bool {
	if s.noRetained && m.Retained() {
		return false
	}
	for _, f := range s.not {
		if mqtt.Match(f, m.Topic()) {
			return false
		}
	}
	return true
}

func (s *Sub) write(w *bufio.Writer, m paho.Message) {
	w.Write(s.append(nil, m, time.Now()))
	if !s.noEOL {
		w.WriteByte('\n')
	}
}
