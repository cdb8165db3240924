package mqtttools

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"sensorgate/internal/mqtt"
)

// Request sends one message and prints the first that comes back, as mosquitto_rr does.
type Request struct {
	Pub
	response string
	timeout  float64
	noEOL    bool
	noStale  bool
	latency  bool
	result   bool
	handling string
	printer
}

// Flags adds the flags of the tool to f; Run reads what was parsed into them.
func (r *Request) Flags(f *pflag.FlagSet) {
	r.register(f, "rr")
	f.StringVarP(&r.topic, "topic", "t", "", "`topic` of the request")
	f.StringVarP(&r.response, "response-topic", "e", "", "`topic` of the response; default: the request's with /result behind")
	f.StringVarP(&r.message, "message", "m", "", "the request")
	f.StringVarP(&r.file, "file", "f", "", "the contents of a `file`")
	f.BoolVarP(&r.stdin, "stdin-file", "s", false, "the whole standard input")
	f.BoolVarP(&r.null, "null-message", "n", false, "nothing")
	f.Float64VarP(&r.timeout, "timeout", "W", 30, "wait so many `seconds`")
	f.BoolVarP(&r.verbose, "verbose", "v", false, "print the topic in front of the response")
	f.BoolVarP(&r.noEOL, "no-eol", "N", false, "no line end after the response")
	f.BoolVarP(&r.noStale, "no-retained", "R", false, "accepted for mosquitto's sake: retained responses are never taken, they answer an earlier request")
	f.BoolVar(&r.pretty, "pretty", false, "JSON of several lines, for -F %j and %J")
	f.BoolVar(&r.latency, "latency", false, "print also how long the response took")
	f.BoolVar(&r.result, "result", false, "end with 3 if the response is the result of a command that was not done")
	f.StringVar(&r.handling, "retain-handling", "", "MQTT 5: `when` retained messages come: always, new or never")
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
	if _, known := retainHandlings[r.handling]; !known || r.handling != "" && !r.is5() {
		return errors.New("--retain-handling is of MQTT 5 (-V 5): always, new or never")
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
	within, cancel := context.WithTimeout(ctx, time.Duration(r.timeout*float64(time.Second)))
	defer cancel()
	response := make(chan message, 1)
	conn, err := r.open(within, events{message: func(m message) bool {
		if m.retain {
			return true // of an earlier request
		}
		select {
		case response <- m:
		default: // only the first counts
		}
		return true
	}})
	if err != nil {
		return err
	}
	defer conn.disconnect()
	return r.exchange(ctx, within, conn, payload, response, w)
}

// exchange subscribes, publishes and waits. ctx ends when the user does not want to wait
// any more, which is no error; within ends when it took too long.
func (r *Request) exchange(ctx, within context.Context, conn connection, payload []byte, response <-chan message, w io.Writer) error {
	reasons, err := conn.subscribe(within, []string{r.response}, subscription{qos: byte(r.qos), retainHandling: retainHandlings[r.handling]})
	if err == nil && reasons[0] >= refusedQoS {
		err = errors.New("the broker refuses the subscription")
	}
	if err != nil {
		return fmt.Errorf("%s: %w", r.response, err)
	}
	begin := time.Now()
	wait, err := conn.publish(within, r.request(payload))
	if err == nil {
		err = wait(within)
	}
	if err != nil && within.Err() == nil {
		return fmt.Errorf("%s: %w", r.topic, err)
	}
	select {
	case m := <-response:
		took := time.Since(begin)
		err := r.print(w, &m)
		if r.latency {
			fmt.Fprintf(w, "Latency: %s\n", latency(took))
		}
		return err
	case <-within.Done():
	}
	if ctx.Err() != nil {
		return Ended{r.response + ": no response yet", codeTimedOut}
	}
	return Ended{fmt.Sprintf("%s: timed out: no response in %v s", r.response, r.timeout), codeTimedOut}
}

// latency writes a time as mosquitto_rr 2.1 does: in the unit in which it has whole digits.
func latency(d time.Duration) string {
	switch {
	case d < time.Microsecond:
		return fmt.Sprintf("%dns", d)
	case d < time.Millisecond:
		return fmt.Sprintf("%.6fµs", float64(d)/1e3)
	case d < time.Second:
		return fmt.Sprintf("%.6fms", float64(d)/1e6)
	}
	return fmt.Sprintf("%d.%09d", d/time.Second, d%time.Second)
}

// request is the message, with MQTT 5 with the topic of its response (4.10.1).
func (r *Request) request(payload []byte) *message {
	m := r.publication(payload)
	if m.props != nil && m.props.responseTopic == "" {
		m.props.responseTopic = r.response
	}
	return m
}

// print prints the response. With --result one that says a command was not done is how
// the tool ends.
func (r *Request) print(w io.Writer, m *message) error {
	if err := r.printLine(w, string(r.append(nil, m, time.Now()))); err != nil {
		return err
	}
	var result struct{ Result, Reason string }
	if !r.result || json.Unmarshal(m.payload, &result) != nil || result.Result == "" || result.Result == "done" {
		return nil
	}
	return Ended{strings.TrimSuffix(r.topic+": "+result.Result+": "+result.Reason, ": "), codeNotDone}
}

func (r *Request) printLine(w io.Writer, line string) error {
	if !r.noEOL {
		line += "\n"
	}
	_, err := io.WriteString(w, line)
	return err
}
