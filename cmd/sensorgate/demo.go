package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"sensorgate/broker"
	"sensorgate/broker/passwd"
	"sensorgate/configs"
	"sensorgate/internal/config"
	"sensorgate/internal/gateway"
	"sensorgate/internal/journal"
	"sensorgate/internal/mqtt"
	"sensorgate/internal/sdnotify"
	"sensorgate/internal/terminal"
	"sensorgate/internal/web"
)

func newDemo() *cobra.Command {
	var o demoOptions
	var lasting time.Duration
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "show the main job without hardware: made-up devices, the broker, an upstream to cut and restore",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx := cmd.Context()
			if lasting > 0 {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, lasting)
				defer cancel()
			}
			return demo(ctx, o)
		},
	}
	cmd.Flags().IntVar(&o.port, "port", 1883, "port of the local broker")
	cmd.Flags().IntVar(&o.upstreamPort, "upstream-port", 11883, "port of the broker that plays the upstream")
	cmd.Flags().IntVar(&o.pagePort, "page-port", 8880, "port of the page")
	cmd.Flags().DurationVar(&lasting, "for", 0, "end by itself after this long")
	return cmd
}

// demoOptions are the ports that the demo takes.
type demoOptions struct{ port, upstreamPort, pagePort int }

// writeDemo puts the demo's configuration, its user and its past into dir, and returns
// the name of the configuration.
func writeDemo(dir string, o demoOptions) (path string, err error) {
	local := func(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }
	users, store := filepath.Join(dir, "passwd"), filepath.Join(dir, "journal")
	text := strings.NewReplacer(local(1883), local(o.port), local(11883), local(o.upstreamPort), local(8880), local(o.pagePort),
		`"passwd"`, strconv.Quote(users)).Replace(string(configs.Demo))
	path = filepath.Join(dir, "demo.toml")
	return path, errors.Join(
		os.WriteFile(path, []byte("data = "+strconv.Quote(store)+"\n"+text), 0o600),
		passwd.File{"demo": passwd.Hash([]byte("demo"))}.Save(users),
		writeDemoPast(store, time.Now()))
}

// demo runs a gateway on a configuration and a journal in a directory of its own,
// which it removes, and an upstream beside it.
func demo(ctx context.Context, o demoOptions) error {
	dir, err := os.MkdirTemp("", "sensorgate-demo-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	path, err := writeDemo(dir, o)
	if err != nil {
		return err
	}
	logs := &tail{max: 4}
	hub := web.NewHub()
	ring := web.NewLogRing(slog.NewTextHandler(logs, nil), hub)
	log := slog.New(ring)
	g, err := demoGateway(path, gateway.Options{Log: log, Hub: hub, Ring: ring, Version: version(), Demo: true, MustListen: true})
	if err != nil {
		return err
	}
	far, err := newFarSide(o.upstreamPort, log)
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancelCause(ctx)
	var wg sync.WaitGroup
	runPart := func(name string, run func(context.Context) error) {
		wg.Go(func() {
			if err := run(ctx); err != nil && ctx.Err() == nil {
				stop(fmt.Errorf("%s: %w", name, err))
			}
		})
	}
	runPart("upstream", far.broker.Run)
	runPart("gateway", func(ctx context.Context) error {
		select { // or the first connect fails, and the newcomer waits for the second
		case <-ctx.Done():
			return nil
		case <-far.broker.Ready():
		}
		return g.Run(ctx)
	})
	s := screen{gateway: g, far: far, logs: logs, path: path, ports: o, stop: func() { stop(nil) }}
	s.run(ctx)
	stop(nil)
	wg.Wait()
	if err := context.Cause(ctx); !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return nil
}

// demoGateway makes the gateway of a configuration; o lacks what comes out of it.
func demoGateway(path string, o gateway.Options) (_ *gateway.Gateway, err error) {
	o.Hardware = gateway.NewHardware(o.Log)
	o.Load = func() (*config.Config, error) {
		c, problems := config.Load(path, o.Hardware.Catalogue())
		if c == nil {
			return nil, problems
		}
		return c, nil
	}
	if o.Folder, err = gateway.OpenFolder(path, o.Hardware, o.Log); err != nil {
		return nil, err
	}
	if o.Config, err = o.Load(); err != nil {
		return nil, err
	}
	if o.Notify, err = sdnotify.Open(func(string) string { return "" }, o.Log); err != nil {
		return nil, err
	}
	return gateway.New(o)
}

// farSide is the broker that plays the upstream, and what arrived there.
type farSide struct {
	broker *broker.Broker

	mu       sync.Mutex
	received uint64
	newest   string
}

func newFarSide(port int, log *slog.Logger) (*farSide, error) {
	j, err := journal.Open(journal.Options{Log: log})
	if err != nil {
		return nil, err
	}
	b, err := broker.New(broker.Options{
		Listeners: []broker.Listener{{Network: "tcp", Address: net.JoinHostPort("127.0.0.1", strconv.Itoa(port))}},
		Journal:   j, Log: log.With("part", "upstream"), Version: version(),
	})
	if err != nil {
		return nil, err
	}
	f := &farSide{broker: b}
	b.Subscribe("sites/#", func(m *mqtt.Message) {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.received++
		f.newest = fmt.Sprintf("%s %.80s", m.Topic, m.Payload)
	})
	return f, nil
}

func (f *farSide) String() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return fmt.Sprintf("at the upstream: %d messages, newest %s", f.received, terminal.Escape(f.newest))
}

// screen is the live view and its keys.
type screen struct {
	gateway *gateway.Gateway
	far     *farSide
	logs    *tail
	path    string
	ports   demoOptions
	stop    func()
	cut     bool
}

func (s *screen) run(ctx context.Context) {
	keys := make(chan byte)
	every := 5 * time.Second // into a file or pipe: a look now and then
	live := isTerminal(os.Stdin) && isTerminal(os.Stdout)
	if live {
		every = 500 * time.Millisecond
		if old, err := term.MakeRaw(int(os.Stdin.Fd())); err == nil {
			defer term.Restore(int(os.Stdin.Fd()), old)
		}
		// Ends with the process: a read from a terminal cannot be interrupted.
		go func() {
			var b [1]byte
			for {
				if n, err := os.Stdin.Read(b[:]); n == 0 || err != nil {
					return
				}
				keys <- b[0]
			}
		}()
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case k := <-keys:
			s.key(k)
		case <-tick.C:
		}
		s.draw(live)
	}
}

func (s *screen) key(k byte) {
	switch k {
	case 'c', 'r':
		s.cut = k == 'c'
		s.gateway.Cut(s.cut)
	case 'q', 3, 4: // Ctrl-C and Ctrl-D arrive as bytes in raw mode
		s.stop()
	}
}

func (s *screen) draw(live bool) {
	var b strings.Builder
	snap := s.gateway.Snapshot()
	snap.WriteTable(&b, false)
	fmt.Fprintln(&b, s.far)
	fmt.Fprintf(&b, "the page: http://127.0.0.1:%d (user demo, password demo)\n", s.ports.pagePort)
	if live {
		what := "c cut the upstream"
		if s.cut {
			what = "r restore the upstream (it is cut: watch WAITING grow)"
		}
		fmt.Fprintf(&b, "\nkeys: %s   q quit\nconfiguration: %s\n", what, s.path)
		fmt.Fprintf(&b, "try in another terminal: sensorgate sub -p %d -v -t 'demo/#'\n", s.ports.port)
	}
	b.WriteString(s.logs.String())
	if !live {
		io.WriteString(os.Stdout, b.String()+"\n")
		return
	}
	drawScreen(os.Stdout, b.String())
}

// tail keeps the last lines of a log for the screen.
type tail struct {
	max int

	mu    sync.Mutex
	lines []string
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.lines = append(t.lines, strings.TrimRight(string(p), "\n"))
	if n := len(t.lines) - t.max; n > 0 {
		t.lines = t.lines[n:]
	}
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.lines) == 0 {
		return ""
	}
	return "\n" + strings.Join(t.lines, "\n") + "\n"
}

func isTerminal(f *os.File) bool { return term.IsTerminal(int(f.Fd())) }
