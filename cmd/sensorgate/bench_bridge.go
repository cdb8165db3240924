package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"sensorgate/internal/bench"
)

type benchBridgeFlags struct {
	runs     int
	messages int
	backlog  int
	peer     string
}

func newBenchBridge() *cobra.Command {
	var f benchBridgeFlags
	cmd := &cobra.Command{
		Use:   "bridge",
		Short: "measure the way up against mosquitto's bridge, in turn, in the same run",
		Long: "Publisher, gateway with a durable spool, bridge, sink: messages per second and processor time, against\n" +
			"mosquitto as bridge (memory only) into the same kind of sink; then the draining of a backlog, and the\n" +
			"latency of live messages without and with a backlog behind them. One JSON line per run.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return benchBridge(cmd, f) },
	}
	cmd.Flags().IntVar(&f.runs, "runs", 3, "runs of the comparison; the medians count")
	cmd.Flags().IntVar(&f.messages, "messages", 200_000, "messages of a comparison run")
	cmd.Flags().IntVar(&f.backlog, "backlog", 1_000_000, "messages of the backlog")
	cmd.Flags().StringVar(&f.peer, "peer", "mosquitto", `the bridge to compare with; "" for none`)
	return cmd
}

func benchBridge(cmd *cobra.Command, f benchBridgeFlags) error {
	ctx, cancel := context.WithTimeout(cmd.Context(), 20*time.Minute)
	defer cancel()
	out := json.NewEncoder(cmd.OutOrStdout())
	gateways := []string{"sensorgate"}
	if f.peer != "" {
		gateways = append(gateways, f.peer)
	}
	medians := map[string][2]float64{}
	for _, name := range gateways {
		results, err := benchForward(ctx, name, f, out)
		if err != nil {
			return err
		}
		medians[name] = [2]float64{
			bench.Median(results, func(r bench.BridgeResult) float64 { return r.PerSecond }),
			bench.Median(results, func(r bench.BridgeResult) float64 { return r.CPUPerMillion }),
		}
	}
	if f.peer != "" {
		ours, peer := medians["sensorgate"], medians[f.peer]
		if err := out.Encode(map[string]any{"summary": "forward", "rate_ratio": ours[0] / peer[0], "cpu_ratio": ours[1] / peer[1]}); err != nil {
			return err
		}
	}
	return benchBacklog(ctx, f, out)
}

func benchForward(ctx context.Context, name string, f benchBridgeFlags, out *json.Encoder) (results []bench.BridgeResult, err error) {
	err = withGateway(ctx, name, "", func(g *bench.Gateway) error {
		for range f.runs {
			r, err := g.Forward(ctx, f.messages)
			if err != nil {
				return err
			}
			results = append(results, r)
			if err := out.Encode(r); err != nil {
				return err
			}
		}
		return nil
	})
	return results, err
}

// benchBacklog measures ours alone: mosquitto has no backlog beside what is live.
func benchBacklog(ctx context.Context, f benchBridgeFlags, out *json.Encoder) error {
	steps := []struct {
		rate string
		run  func(*bench.Gateway) (bench.BridgeResult, error)
	}{
		{"", func(g *bench.Gateway) (bench.BridgeResult, error) { return g.Drain(ctx, f.backlog) }},
		{"50/s", func(g *bench.Gateway) (bench.BridgeResult, error) { return g.Live(ctx, 0, 500, 10) }},
		{"50/s", func(g *bench.Gateway) (bench.BridgeResult, error) { return g.Live(ctx, f.backlog, 500, 10) }},
	}
	for _, step := range steps {
		err := withGateway(ctx, "sensorgate", step.rate, func(g *bench.Gateway) error {
			r, err := step.run(g)
			if err != nil {
				return err
			}
			return out.Encode(r)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// withGateway starts a sink and a gateway in front of it.
func withGateway(ctx context.Context, name, backlog string, use func(*bench.Gateway) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	sink := bench.NewSink("127.0.0.1:0")
	listening := make(chan struct{})
	over := make(chan error, 1)
	go func() { over <- sink.Run(ctx, listening) }()
	select {
	case <-listening:
	case err := <-over:
		return err
	}
	dir, err := os.MkdirTemp("", "sensorgate-bench")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	p, err := startGateway(ctx, name, dir, sink.Addr, backlog)
	if err != nil {
		return err
	}
	err = use(&bench.Gateway{Process: p, Sink: sink})
	if stopped := p.Stop(); err == nil {
		err = stopped
	}
	cancel()
	<-over
	return err
}

func startGateway(ctx context.Context, name, dir, sink, backlog string) (*bench.Process, error) {
	conf := filepath.Join(dir, "conf")
	var path string
	var err error
	var text func(host, port string) string
	args := []string{"-c", conf}
	if name == "sensorgate" {
		path, err = os.Executable()
		args = []string{"run", "--log-level", "warn", "--config", conf}
		text = func(host, port string) string { return ourBridgeConfig(dir, host+":"+port, sink, backlog) }
	} else {
		path, err = exec.LookPath(name)
		text = func(host, port string) string { return mosquittoBridgeConfig(host, port, sink) }
	}
	if err != nil {
		return nil, fmt.Errorf(`%w (Debian package mosquitto; --peer "" measures ours alone)`, err)
	}
	return bench.Start(ctx, name, path, func(host, port string) []string {
		if err := os.WriteFile(conf, []byte(text(host, port)), 0o600); err != nil {
			return args // the program reports that it is not there
		}
		return args
	})
}

// ourBridgeConfig speaks the protocol of mosquitto's: at MQTT 5 each message also says where it
// came from, and when.
func ourBridgeConfig(dir, listen, sink, backlog string) string {
	if backlog != "" {
		backlog = fmt.Sprintf("backlog = %q, ", backlog)
	}
	return fmt.Sprintf(`node = "gateway"
data = %q
[broker]
listen = ["tcp://%s"]
[journal]
size = "2GiB"
[bridge.sink]
urls = ["mqtt://%s"]
protocol = "3.1.1"
spool = { %ssize = "1GiB" }
rules = [ { dir = "out", local = "bench/#", qos = 1 } ]
`, filepath.Join(dir, "data"), listen, sink, backlog)
}

// mosquittoBridgeConfig does not hold it back: without max_queued_messages 0 it throws
// away what it cannot send at once.
func mosquittoBridgeConfig(host, port, sink string) string {
	return fmt.Sprintf(`listener %s %s
allow_anonymous true
max_queued_messages 0
max_inflight_messages 1000
set_tcp_nodelay true
log_type none
connection sink
address %s
topic bench/# out 1
notifications false
bridge_protocol_version mqttv311
try_private false
`, port, host, sink)
}
