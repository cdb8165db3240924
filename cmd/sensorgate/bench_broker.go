package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"sensorgate/broker"
	"sensorgate/internal/bench"
	"sensorgate/internal/journal"
)

type benchBrokerFlags struct {
	runs  int
	scale float64
	only  string
	peer  string
}

func newBenchBroker() *cobra.Command {
	var f benchBrokerFlags
	cmd := &cobra.Command{
		Use:   "broker",
		Short: "measure the broker against mosquitto, in turn, in the same run",
		Long: "Starts our broker (memory only) and a mosquitto as processes of their own and runs on each the same\n" +
			"workloads in turn, with a raw load generator that checks loss and order. One JSON line per run, and\n" +
			"one per workload with the medians and their ratio.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return benchBroker(cmd, f) },
	}
	cmd.Flags().IntVar(&f.runs, "runs", 5, "runs of each workload; the medians count")
	cmd.Flags().Float64Var(&f.scale, "scale", 1, "length of the workloads, 1 is a few seconds for the slower broker")
	cmd.Flags().StringVar(&f.only, "only", "", "only workloads whose name contains this")
	cmd.Flags().StringVar(&f.peer, "peer", "mosquitto", `the broker to compare with; "" for none`)
	return cmd
}

func benchBroker(cmd *cobra.Command, f benchBrokerFlags) error {
	ctx := cmd.Context()
	out := json.NewEncoder(cmd.OutOrStdout())
	ours, err := startOurs(ctx)
	if err != nil {
		return err
	}
	defer ours.Stop()
	brokers := []*bench.Process{ours}
	if f.peer != "" {
		peer, stop, err := startMosquitto(ctx, f.peer)
		if err != nil {
			return err
		}
		defer stop()
		brokers = append(brokers, peer)
	}
	for _, w := range bench.Standard(f.scale) {
		if !strings.Contains(w.Name, f.only) {
			continue
		}
		results := make([][]bench.Result, len(brokers))
		for range f.runs {
			for i, b := range brokers {
				r, err := bench.Run(ctx, w, b.Addr, b.CPU)
				r.Broker = b.Name
				if err != nil {
					return fmt.Errorf("%s, %s: %w", b.Name, w.Name, err)
				}
				if err := out.Encode(r); err != nil {
					return err
				}
				results[i] = append(results[i], r)
			}
		}
		if err := out.Encode(compare(w, brokers, results)); err != nil {
			return err
		}
	}
	return nil
}

// benchSummary is the line after the runs of one workload.
type benchSummary struct {
	Summary string             `json:"summary"` // the workload
	Median  map[string]float64 `json:"median_per_second"`
	CPU     map[string]float64 `json:"median_cpu_s_per_million"`
	P50     map[string]float64 `json:"median_p50_us,omitempty"`
	P99     map[string]float64 `json:"median_p99_us,omitempty"`
	Lost    map[string]int     `json:"lost"`
	// Ratios of ours to the peer.
	RateRatio float64 `json:"rate_ratio,omitempty"`
	CPURatio  float64 `json:"cpu_ratio,omitempty"`
	P50Ratio  float64 `json:"p50_ratio,omitempty"`
	P99Ratio  float64 `json:"p99_ratio,omitempty"`
}

func compare(w bench.Workload, brokers []*bench.Process, results [][]bench.Result) benchSummary {
	s := benchSummary{
		Summary: w.Name, Median: map[string]float64{}, CPU: map[string]float64{}, Lost: map[string]int{},
		P50: map[string]float64{}, P99: map[string]float64{},
	}
	for i, b := range brokers {
		rs := results[i]
		s.Median[b.Name] = bench.Median(rs, func(r bench.Result) float64 { return r.PerSecond })
		s.CPU[b.Name] = bench.Median(rs, func(r bench.Result) float64 { return r.CPUPerMillion })
		if w.Rate > 0 {
			s.P50[b.Name] = bench.Median(rs, func(r bench.Result) float64 { return r.P50 })
			s.P99[b.Name] = bench.Median(rs, func(r bench.Result) float64 { return r.P99 })
		}
		for _, r := range rs {
			s.Lost[b.Name] += r.Lost
		}
	}
	if len(brokers) == 2 {
		a, b := brokers[0].Name, brokers[1].Name
		s.RateRatio = s.Median[a] / s.Median[b]
		s.CPURatio = s.CPU[a] / s.CPU[b]
		if w.Rate > 0 {
			s.P50Ratio, s.P99Ratio = s.P50[a]/s.P50[b], s.P99[a]/s.P99[b]
		}
	}
	return s
}

func startOurs(ctx context.Context) (*bench.Process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	return bench.Start(ctx, "sensorgate", self, func(host, port string) []string {
		return []string{"bench", "serve", "--listen", host + ":" + port}
	})
}

// startMosquitto starts one that is not held back by its default limits: without
// max_queued_messages 0 it throws away what it cannot deliver at once.
func startMosquitto(ctx context.Context, name string) (p *bench.Process, stop func(), err error) {
	path, err := exec.LookPath(name)
	if err != nil {
		return nil, nil, fmt.Errorf(`%w (Debian package mosquitto; --peer "" measures ours alone)`, err)
	}
	dir, err := os.MkdirTemp("", "sensorgate-bench")
	if err != nil {
		return nil, nil, err
	}
	conf := filepath.Join(dir, "mosquitto.conf")
	p, err = bench.Start(ctx, "mosquitto", path, func(host, port string) []string {
		text := fmt.Sprintf("listener %s %s\nallow_anonymous true\nmax_queued_messages 0\nmax_inflight_messages 200\nset_tcp_nodelay true\nlog_type none\n", port, host)
		if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
			return []string{"-c", conf} // mosquitto reports that it is not there
		}
		return []string{"-c", conf}
	})
	stop = func() {
		if p != nil {
			_ = p.Stop()
		}
		_ = os.RemoveAll(dir)
	}
	if err != nil {
		stop()
		return nil, nil, err
	}
	return p, stop, nil
}

// newBenchServe is the broker alone, without the gateway around it: what bench broker
// measures.
func newBenchServe() *cobra.Command {
	var listen, dir string
	cmd := &cobra.Command{
		Use:    "serve",
		Short:  "run the broker alone",
		Hidden: true,
		Args:   cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			j, err := journal.Open(journal.Options{Dir: dir, SeqStep: broker.SeqStep})
			if err != nil {
				return err
			}
			b, err := broker.New(broker.Options{
				Listeners: []broker.Listener{{Network: "tcp", Address: listen}}, Journal: j, Version: version(),
			})
			if err != nil {
				return err
			}
			ctx := cmd.Context()
			jctx, stop := context.WithCancel(context.WithoutCancel(ctx))
			defer stop()
			done := make(chan error, 1)
			go func() { done <- j.Run(jctx) }()
			err = b.Run(ctx)
			stop()
			if jerr := <-done; err == nil {
				err = jerr
			}
			return err
		},
	}
	cmd.Flags().StringVar(&listen, "listen", "127.0.0.1:1883", "address")
	cmd.Flags().StringVar(&dir, "data", "", "directory of the journal; memory only without")
	return cmd
}
