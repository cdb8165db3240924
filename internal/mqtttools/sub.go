package mqtttools

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"time"

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
	retainAsPublished        bool
	retainHandling           string
	watch, rate              bool
}

// Flags adds the flags of the tool to f; Run reads what was parsed into them.
func (s *Sub) Flags(f *pflag.FlagSet) {
	s.register(f, "sub")
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
	f.BoolVarP(&s.watch, "watch", "w", false, "one line a topic, with its newest message; on a terminal")
	f.BoolVar(&s.rate, "message-rate", false, "print how many messages come in each second instead of the messages")
	f.BoolVar(&s.pretty, "pretty", false, "JSON of several lines, for -F %j and %J")
	f.BoolVar(&s.retainAsPublished, "retain-as-published", false, "MQTT 5: a live message keeps the retain flag that it was published with")
	f.StringVar(&s.retainHandling, "retain-handling", "", "MQTT 5: `when` retained messages come: always, new (subscriptions) or never")
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
	case s.retainAsPublished && !s.is5(), s.retainHandling != "" && !s.is5():
		return errors.New("--retain-as-published and --retain-handling are of MQTT 5: -V 5")
	case s.watch && s.rate:
		return errors.New("use either -w or --message-rate")
	case s.format != "" && s.verbose:
		return errors.New("use either -F or -v")
	}
	if _, known := retainHandlings[s.retainHandling]; !known {
		return fmt.Errorf("--retain-handling %s: have always, new and never", s.retainHandling)
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
	buffer := 100
	if s.count > 0 {
		buffer = 0 // what nobody prints stays at the broker, for the next who comes with a kept session
	}
	messages := make(chan message, buffer)
	ended := make(chan struct{})
	end := sync.OnceFunc(func() { close(ended) })
	defer end()
	failed := make(chan error, 1)
	var first atomic.Bool
	conn, err := s.open(ctx, events{
		// It waits when we print slower than messages come: then nothing more is read, and TCP
		// slows the broker down.
		message: func(m message) bool {
			select {
			case messages <- m:
				return true
			case <-ended:
				return false
			}
		},
		up: func(conn connection) {
			if err := s.subscribe(ctx, conn); err != nil {
				trySend(failed, err)
			} else if s.exitSubscribed && !first.Swap(true) {
				trySend(failed, errEnough)
			}
		},
		again: true,
	})
	if err != nil {
		return err
	}
	defer conn.disconnect()
	defer end() // first: disconnect waits for the message that is being handed over
	return s.print(ctx, conn, w, messages, failed)
}

func trySend(c chan error, err error) {
	select {
	case c <- err:
	default:
	}
}

// refusedQoS is what a broker answers for a filter that we may not have (3.9.3).
const refusedQoS = 0x80

func (s *Sub) subscribe(ctx context.Context, conn connection) error {
	if len(s.unsubscribe) > 0 {
		if err := conn.unsubscribe(ctx, s.unsubscribe); err != nil {
			return fmt.Errorf("unsubscribe: %w", err)
		}
	}
	if len(s.topics) == 0 {
		return nil
	}
	reasons, err := conn.subscribe(ctx, s.topics, s.how())
	if err != nil {
		return fmt.Errorf("subscribe: %w", err)
	}
	refused := 0
	for i, filter := range s.topics {
		if reasons[i] >= refusedQoS {
			refused++
			if !s.Quiet {
				fmt.Fprintf(os.Stderr, "sensorgate: the broker refuses %s\n", filter)
			}
			continue
		}
		s.debugf("subscribed to %s with QoS %d", filter, reasons[i])
	}
	if refused == len(s.topics) {
		return errors.New("the broker refused every subscription")
	}
	return nil
}

// how is the way the flags subscribe.
func (s *Sub) how() subscription {
	return subscription{qos: byte(s.qos), retainAsPublished: s.retainAsPublished, retainHandling: retainHandlings[s.retainHandling]}
}

// retainHandlings are mosquitto's names of MQTT 5's 3.8.3.1.
var retainHandlings = map[string]byte{"": 0, "always": 0, "new": 1, "never": 2}

// print prints what comes until it is enough. While it writes, nothing more is read.
func (s *Sub) print(ctx context.Context, conn connection, w io.Writer, messages <-chan message, failed <-chan error) (err error) {
	out := s.output(w)
	defer func() { err = errors.Join(err, out.flush()) }()
	var timeout <-chan time.Time
	if s.timeout > 0 {
		timeout = time.After(time.Duration(s.timeout * float64(time.Second)))
	}
	rate := time.NewTicker(time.Second)
	defer rate.Stop()
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
			return Ended{fmt.Sprintf("timed out: %d messages in %v s", printed, s.timeout), codeTimedOut}
		case <-rate.C:
			out.second()
		case m := <-messages:
			more, err := s.take(ctx, conn, out, &m, &printed)
			if err != nil || !more {
				return err
			}
		}
		if len(messages) == 0 {
			if err := out.flush(); err != nil {
				return err // the pipe is closed
			}
		}
	}
}

// take prints one message; more is false when that was enough.
func (s *Sub) take(ctx context.Context, conn connection, out *output, m *message, printed *int) (more bool, err error) {
	if s.retainedOnly && !m.retain {
		return false, nil
	}
	if s.wanted(m) {
		out.message(m)
		*printed++
	}
	if s.removeRetained && m.retain {
		if _, err := conn.publish(ctx, &message{topic: m.topic, qos: 1, retain: true}); err != nil {
			return false, err
		}
	}
	return s.count == 0 || *printed < s.count, nil
}

func (s *Sub) wanted(m *message) bool {
	// What is retained comes in answer to the subscription, with which -E is done.
	if (s.noRetained || s.exitSubscribed) && m.retain {
		return false
	}
	for _, f := range s.not {
		if mqtt.Match(f, m.topic) {
			return false
		}
	}
	return true
}
