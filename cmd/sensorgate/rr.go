package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"
	"github.com/spf13/cobra"

	"sensorgate/internal/mqtt"
)

// request holds the flags of rr.
type request struct {
	publication
	response string
	timeout  float64
	verbose  bool
	format   string
}

func newRR() *cobra.Command {
	var r request
	cmd := &cobra.Command{
		Use:   "rr -t TOPIC [-e RESPONSE] {-m MESSAGE | -f FILE | -s | -n}",
		Short: "send a request and print its response, with the flags of mosquitto_rr",
		Long: `Subscribes to the response topic, publishes the request and prints the first message
that comes back. For a command (…/set) the response topic is …/set/result.`,
		Example: `  sensorgate rr -t barn-pi/pump/state/set -m on -W 5`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			r.fromMessage = cmd.Flags().Changed("message")
			if err := r.check(cmd); err != nil {
				return r.done(usageError{err})
			}
			return r.done(r.run(cmd.Context(), cmd.InOrStdin(), cmd.OutOrStdout()))
		},
	}
	r.register(cmd)
	f := cmd.Flags()
	f.StringVarP(&r.topic, "topic", "t", "", "`topic` of the request")
	f.StringVarP(&r.response, "response-topic", "e", "", "`topic` of the response; default: the request's with /result behind")
	f.StringVarP(&r.message, "message", "m", "", "the request")
	f.StringVarP(&r.file, "file", "f", "", "the contents of a `file`")
	f.BoolVarP(&r.stdin, "stdin-file", "s", false, "the whole standard input")
	f.BoolVarP(&r.null, "null-message", "n", false, "nothing")
	f.Float64VarP(&r.timeout, "timeout", "W", 30, "wait so many `seconds`")
	f.BoolVarP(&r.verbose, "verbose", "v", false, "print the topic in front of the response")
	f.StringVarP(&r.format, "format", "F", "", "print by this `format`, see sub")
	return cmd
}

func (r *request) check(cmd *cobra.Command) error {
	r.repeat = 1
	if err := r.publication.check(cmd); err != nil {
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

func (r *request) run(ctx context.Context, in io.Reader, w io.Writer) error {
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

func (r *request) print(w io.Writer, m paho.Message) error {
	line := string(m.Payload())
	switch {
	case r.format != "":
		line = string(formatMessage(nil, r.format, m, time.Now()))
	case r.verbose:
		line = m.Topic() + " " + line
	}
	_, err := fmt.Fprintln(w, line)
	return err
}
