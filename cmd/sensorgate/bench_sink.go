package main

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"sensorgate/internal/bench"
)

// newBenchSink is an upstream to measure bridges with, ours or another's.
func newBenchSink() *cobra.Command {
	var listen string
	var every time.Duration
	cmd := &cobra.Command{
		Use:   "sink",
		Short: "be an upstream that acknowledges everything and keeps nothing",
		Long: "Speaks MQTT 3.1.1 and 5, answers in batches and is not the limit of any bridge. While messages come\n" +
			"it prints one JSON line per interval. Messages of the other benchmarks are checked for loss and order.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s := bench.NewSink(listen)
			listening := make(chan struct{})
			go func() {
				<-listening
				fmt.Fprintf(cmd.ErrOrStderr(), "sink on %s\n", s.Addr)
				reportSink(cmd.Context(), s, every, json.NewEncoder(cmd.OutOrStdout()))
			}()
			return s.Run(cmd.Context(), listening)
		},
	}
	cmd.Flags().StringVar(&listen, "listen", "127.0.0.1:1884", "address")
	cmd.Flags().DurationVar(&every, "every", time.Second, "interval of the report")
	return cmd
}

func reportSink(ctx context.Context, s *bench.Sink, every time.Duration, out *json.Encoder) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	before := 0
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		t := s.Tally()
		all := t.Got + t.Strange
		if all == before {
			continue
		}
		_ = out.Encode(struct {
			PerSecond float64 `json:"per_second"`
			bench.Tally
		}{float64(all-before) / every.Seconds(), t})
		before = all
	}
}
