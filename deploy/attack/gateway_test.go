package attack

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"sensorgate/broker/passwd"
	"sensorgate/internal/freeport"
)

// Limits of the unit (deploy/sensorgate.service).
const (
	goMemLimit = "80MiB"
	memoryMax  = 160 << 20
)

// gateway is a running program under attack.
type gateway struct {
	t      *testing.T
	dir    string
	addr   string
	secure string // TLS
	socket string // WebSocket
	page   string // http
	web    bool   // it is served
	cmd    *exec.Cmd
	log    *bytes.Buffer
	cgroup string
	done   chan struct{}
	err    error
}

// build compiles the program once per test run.
func build(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "sensorgate")
	out, err := exec.Command("go", "build", "-o", path, "sensorgate/cmd/sensorgate").CombinedOutput()
	if err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return path
}

// newGateway writes a configuration; start starts it.
func newGateway(t *testing.T, cert, key string) *gateway {
	g := &gateway{t: t, dir: t.TempDir(), addr: fmt.Sprintf("127.0.0.1:%d", freeport.Port(t)), secure: fmt.Sprintf("127.0.0.1:%d", freeport.Port(t)), socket: fmt.Sprintf("127.0.0.1:%d", freeport.Port(t)), page: fmt.Sprintf("127.0.0.1:%d", freeport.Port(t))}
	passwords := filepath.Join(g.dir, "passwd")
	if err := os.WriteFile(passwords, []byte(honestUser+":"+passwd.Hash([]byte(honestPassword))+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	text := fmt.Sprintf(`node = "n"
data = %q
[broker]
listen = ["tcp://%s", "tls://%s", "ws://%s"]
cert = %q
key = %q
passwords = %q
anonymous = true
[journal]
size = "64MiB"
keep_free = "0B"
[device.d]
driver = "sim"
every = "1s"
[device.d.channels]
temperature = { shape = "sine", from = 14, to = 31, period = "2m", unit = "°C", digits = 1 }
`, filepath.Join(g.dir, "data"), g.addr, g.secure, g.socket, cert, key, passwords)
	if err := os.WriteFile(filepath.Join(g.dir, "sensorgate.toml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return g
}

// start runs the program and returns when it accepts.
func (g *gateway) start(program string) (took time.Duration) {
	g.t.Helper()
	begin := time.Now()
	g.log = new(bytes.Buffer)
	g.cmd = exec.Command(program, "run", "--log-level", "warn", "--config", filepath.Join(g.dir, "sensorgate.toml"))
	g.cmd.Env = append(os.Environ(), "GOMEMLIMIT="+goMemLimit)
	g.cmd.Stdout, g.cmd.Stderr = g.log, g.log
	g.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := g.cmd.Start(); err != nil {
		g.t.Fatal(err)
	}
	if *ahead {
		autogroup(g.cmd.Process.Pid, -20)
	}
	g.confine()
	g.done = make(chan struct{})
	go func() {
		g.err = g.cmd.Wait()
		close(g.done)
	}()
	for time.Since(begin) < 30*time.Second {
		if accepts(g.addr) && (!g.web || accepts(g.page)) {
			return time.Since(begin)
		}
		select {
		case <-g.done:
			g.t.Fatalf("the gateway ended at its start: %v\n%s", g.err, g.tail())
		case <-time.After(10 * time.Millisecond):
		}
	}
	g.t.Fatalf("the gateway does not accept after 30 s\n%s", g.tail())
	return 0
}

func accepts(addr string) bool {
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		return false
	}
	_ = nc.Close()
	return true
}

// confine puts the gateway into a memory cgroup of its own, version 2 or 1; without root,
// or where neither is mounted, its resident memory is judged alone.
func (g *gateway) confine() {
	name := fmt.Sprintf("sensorgate-attack-%d", g.cmd.Process.Pid)
	for _, c := range []struct{ root, limit string }{
		{"/sys/fs/cgroup", "memory.max"},
		{"/sys/fs/cgroup/memory", "memory.limit_in_bytes"},
	} {
		if _, err := os.Stat(filepath.Join(c.root, "cgroup.procs")); err != nil {
			continue
		}
		dir := filepath.Join(c.root, name)
		if os.Mkdir(dir, 0o755) != nil {
			continue
		}
		err := os.WriteFile(filepath.Join(dir, c.limit), []byte(strconv.Itoa(memoryMax)), 0o644)
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, "cgroup.procs"), []byte(strconv.Itoa(g.cmd.Process.Pid)), 0o644)
		}
		if err == nil {
			g.cgroup = dir
			return
		}
		_ = os.Remove(dir)
	}
}

// alive reports whether the program still runs.
func (g *gateway) alive() bool {
	select {
	case <-g.done:
		return false
	default:
		return true
	}
}

// stop ends the program, by its process and no other.
func (g *gateway) stop() {
	if g.alive() {
		_ = g.cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-g.done:
		case <-time.After(20 * time.Second):
			_ = g.cmd.Process.Kill()
			<-g.done
		}
	}
	if g.cgroup != "" {
		for range 50 { // until the kernel has seen the end of the process
			if os.Remove(g.cgroup) == nil {
				break
			}
			time.Sleep(10 * time.Millisecond)
		}
	}
}

// peak is the largest resident memory since the start, in bytes.
func (g *gateway) peak() int64 {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", g.cmd.Process.Pid))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(data)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kb, _ := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			return kb << 10
		}
	}
	return 0
}

// tail is the end of the log, for a failure.
func (g *gateway) tail() string {
	s := g.log.String()
	return s[max(0, len(s)-9000):]
}
