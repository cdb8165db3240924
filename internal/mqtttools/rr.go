package mqtttools

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"
	"github.com/spf13/pflag"

	"sensorgate/internal/mqtt"
)

// Request sends one message and prints the first that comes back, as mosquitto_rr does.
type Request struct {
	Pub
	response string
	timeout  float64
	printer
}

// Flags adds the flags of the tool to f; Run reads what was parsed into them.
func (r *Request) Flags(f *pflag.FlagSet) {
	r.register(f)
	f.StringVarP(&r.topic, "topic", "t", "", "`topic` of the request")
	f.StringVarP(&r.response, "response-topic", "e", "", "`topic` of the response; default: the request's with /result behind")
	f.StringVarP(&r.message, "message", "m", "", "the request")
	f.StringVarP(&r.file, "file", "f", "", "the contents of a `file`")
	f.BoolVarP(&r.stdin, "stdin-file", "s", false, "the whole standard input")
	f.BoolVarP(&r.null, "null-message", "n", false, "nothing")
	f.Float64VarP(&r.timeout, "timeout", "W", 30, "wait so many `seconds`")
	f.BoolVarP(&r.verbose, "verbose", "v", false, "print the topic in front of the response")
	f.StringVarP(&r.format, "format", "F", "", "print by this `format`, see sub")
}

func (r *Request) check() error {
	r.repeat = 1
	if err := r.Pub.check(); err != nil {
		return err
	}
	if r.response == "" && strings.HasSuffix(r.topic, "/set") {
		r.response = r.topic + "/result"
	}
	if r.response == "" {
		return errors.New("no response topic: -e TOPIC")
	}
	if err := mqtt.CheckTopic(r.response); err != nil {
		return fmt.Errorf("-e %q: %w", r.response, err)
	}
	if r.timeout <= 0 {
		return errors.New("-W is more than 0")
	}
	return checkFormat(r.format)
}

// Run sends the request, of which in is the standard input, and prints the response to w.
// It returns an error when none comes in the flags' time. A UsageError is found before
// anything is opened.
func (r *Request) Run(ctx context.Context, in io.Reader, w io.Writer) error {
	if err := r.check(); err != nil {
		return UsageError{err}
	}
	payload, err := r.payload(in)
	if err != nil {
		return err
	}
	o, err := r.options()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, time.Duration(r.timeout*float64(time.Second)))
	defer cancel()
	pc, err := r.connect(ctx, o.SetAutoReconnect(false))
	if err != nil {
		return err
	}
	defer pc.Disconnect(500)
	response := make(chan paho.Message, 1)
	handler := func(_ paho.Client, m paho.Message) {
		if m.Retained() {
			return // of an earlier request
		}
		select {
		case response <- m:
		default: // only the first counts
		}
	}
	if err := await(ctx, pc.Subscribe(r.response, byte(r.qos), handler)); err != nil {
		return fmt.Errorf("%s: %w", r.response, err)
	}
	if err := await(ctx, pc.Publish(r.topic, byte(r.qos), false, payload)); err != nil {
		return fmt.Errorf("%s: %w", r.topic, err)
	}
	select {
	case m := <-response:
		return r.print(w, m)
	case <-ctx.Done():
		return fmt.Errorf("%s: no response in %v s", r.response, r.timeout)
	}
}

func (r *Request) print(w io.Writer, m paho.Message) error {
	_, err := w.Write(append(r.append(nil, m, time.Now()), '\n'))
	return err
}
