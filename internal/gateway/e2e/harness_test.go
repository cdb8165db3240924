package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// binary is the program under test, built once.
var binary string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "sensorgate-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	binary = filepath.Join(dir, "sensorgate")
	build := exec.Command("go", "build", "-o", binary, "sensorgate/cmd/sensorgate")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build: %v\n%s", err, out)
		os.Exit(1)
	}
	code := 0
	if err := exec.Command(binary, "version").Run(); errors.Is(err, syscall.ENOEXEC) {
		fmt.Println("skipped: emulated, and the kernel does not know how to start another program so (binfmt_misc)")
	} else {
		code = m.Run()
	}
	os.RemoveAll(dir)
	os.Exit(code)
}

// process is a program that runs beside the test. Its output is kept and shown when
// the test fails.
type process struct {
	t    *testing.T
	cmd  *exec.Cmd
	out  *lines
	done chan struct{}
}

// lines collects output and wakes who waits for it.
type lines struct {
	mu   sync.Mutex
	buf  bytes.Buffer
	more chan struct{} // closed and replaced at each write
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.buf.Write(p)
	close(l.more)
	l.more = make(chan struct{})
	return len(p), nil
}

func (l *lines) text() (string, chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String(), l.more
}

// start runs a program until the test ends.
func start(t *testing.T, name string, args ...string) *process {
	t.Helper()
	return startWith(t, nil, name, args...)
}

// startWith is start with a standard input.
func startWith(t *testing.T, stdin io.Reader, name string, args ...string) *process {
	t.Helper()
	p := &process{t: t, cmd: exec.Command(name, args...), out: &lines{more: make(chan struct{})}, done: make(chan struct{})}
	p.cmd.Stdin = stdin
	p.cmd.Stdout, p.cmd.Stderr = p.out, p.out
	// Nothing outlives the test, whatever happens to it.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	p.cmd.WaitDelay = time.Second
	if err := p.cmd.Start(); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	go func() { p.cmd.Wait(); close(p.done) }()
	t.Cleanup(func() {
		p.cmd.Process.Kill()
		<-p.done
		if t.Failed() {
			text, _ := p.out.text()
			t.Logf("output of %s %s:\n%s", filepath.Base(name), strings.Join(args, " "), text)
		}
	})
	return p
}

// wait waits until the output satisfies ok.
func (p *process) wait(what string, within time.Duration, ok func(out string) bool) string {
	p.t.Helper()
	deadline := time.After(within)
	ended := p.done
	for {
		text, more := p.out.text()
		if ok(text) {
			return text
		}
		select {
		case <-more:
		case <-ended: // once more: the last output may have come with the end
			ended = nil
			if text, _ := p.out.text(); !ok(text) {
				p.t.Fatalf("%s: the program ended before: %s", what, text)
			}
		case <-deadline:
			p.t.Fatalf("%s: not seen within %v", what, within)
		}
	}
}

func (p *process) waitFor(text string, within time.Duration) string {
	p.t.Helper()
	return p.wait(fmt.Sprintf("%q", text), within, func(out string) bool { return strings.Contains(out, text) })
}

// stop sends a signal and returns the exit code.
func (p *process) stop(sig syscall.Signal) int {
	p.t.Helper()
	p.cmd.Process.Signal(sig)
	return p.exit(15 * time.Second)
}

func (p *process) exit(within time.Duration) int {
	p.t.Helper()
	select {
	case <-p.done:
		return p.cmd.ProcessState.ExitCode()
	case <-time.After(within):
		p.t.Fatalf("still running after %v", within)
		return 0
	}
}

// gateway starts the program under test on a configuration.
func gateway(t *testing.T, toml string) (p *process, configFile string) {
	t.Helper()
	file := write(t, "sensorgate.toml", fmt.Sprintf("data = %q\n", t.TempDir())+toml)
	p = start(t, binary, "run", "--config", file)
	p.waitFor("broker ready", 10*time.Second)
	return p, file
}

func write(t *testing.T, name, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// once runs the program under test to its end.
func once(t *testing.T, args ...string) (out string, code int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary, args...)
	b, err := cmd.CombinedOutput()
	if ctx.Err() != nil {
		t.Fatalf("%v: did not end", args)
	}
	if err != nil && cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return string(b), cmd.ProcessState.ExitCode()
}

// need skips the test where a program is missing.
func need(t *testing.T, program, debianPackage string) string {
	t.Helper()
	for _, dir := range []string{"", "/usr/sbin/"} { // mosquitto lies where users do not look
		if path, err := exec.LookPath(dir + program); err == nil {
			return path
		}
	}
	t.Skipf("skipped: no %s here (Debian package %s)", program, debianPackage)
	return ""
}

// accepts waits until somebody listens on the port.
func accepts(t *testing.T, port int) {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for {
		c, err := net.DialTimeout("tcp", fmt.Sprintf("127.0.0.1:%d", port), time.Second)
		if err == nil {
			c.Close()
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("nobody listens on port %d: %v", port, err)
		}
		time.Sleep(20 * time.Millisecond) // another process: there is nothing to wait on
	}
}

// mosquitto starts Debian's broker on a port of its own, never as a service.
func mosquitto(t *testing.T, port int, extra ...string) *process {
	t.Helper()
	path := need(t, "mosquitto", "mosquitto")
	conf := write(t, "mosquitto.conf", fmt.Sprintf("listener %d 127.0.0.1\nallow_anonymous true\nuser root\n%s\n", port, strings.Join(extra, "\n")))
	p := start(t, path, "-c", conf)
	accepts(t, port)
	return p
}

// subscriber runs mosquitto_sub with -v until the test ends.
func subscriber(t *testing.T, port int, args ...string) *process {
	t.Helper()
	path := need(t, "mosquitto_sub", "mosquitto-clients")
	return start(t, path, append([]string{"-p", fmt.Sprint(port), "-v"}, args...)...)
}

// say writes text to a line again and again until the returned func is called: what
// arrives before the gateway has opened the port is nobody's.
func say(t *testing.T, tty *os.File, text string) (stop func()) {
	quit, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(200 * time.Millisecond)
		defer tick.Stop()
		for {
			tty.WriteString(text)
			select {
			case <-quit:
				return
			case <-tick.C:
			}
		}
	}()
	return func() { close(quit); <-ended }
}
