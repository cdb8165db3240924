package board

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"sensorgate/deploy/board/hardware"
)

// Config is what machine to make.
type Config struct {
	Arch string // "amd64" (default) or "arm64"

	// Program is a static binary that the small machine runs with Args and Env, and
	// with Files beside it in /t; Wait returns its exit status. Without it and without
	// RootFS the small machine executes Run.
	Program string
	Args    []string
	Env     []string
	Files   []string

	RootFS string // raw ext4 image of a Debian with systemd (rootfs/mkrootfs); it is not changed

	Output io.Writer // of the program, as it comes; default os.Stdout
	Share  string    // host folder seen as /host
	Mem    string    // default 512M
	CPUs   int       // default 1: two on a busy host merge edges; systemd wants 2
	Append string    // more kernel arguments
	RTC    string    // -rtc base=…: "1970-01-01T00:00:00" plays a board without a battery clock
	DataMB int       // size of a disk whose writes are logged: /data of the small machine, /dev/vdb of Debian
	DataFS string    // its file system; default ext4. The kernel must have it, and the host its mkfs
	Writes int       // a second, that the data disk takes; 0: as fast as the host

	Ports map[int]int // TCP ports of the host's 127.0.0.1, and which of the machine they lead to; the host is 10.0.2.2 there
}

// Machine is one virtual computer. Its disks live as long as its directory.
type Machine struct {
	Config
	Dir      string
	Hardware *hardware.Hardware
	BootTime time.Duration // of the last Boot, until the first answer

	stopHW context.CancelFunc
	hw     chan error
	qemu   *exec.Cmd
	done   chan struct{} // qemu has ended
	err    error         // of qemu, after done
	qerr   bytes.Buffer
	io     sync.WaitGroup

	sh net.Conn
	rd *bufio.Reader
}

// bootLimit is generous: it is emulated, on a machine that does other work.
const bootLimit = 15 * time.Minute

// New prepares a machine in dir, whose path must be short: it holds UNIX sockets.
func New(dir string, c Config) (*Machine, error) {
	if c.Arch == "" {
		c.Arch = "amd64"
	}
	if err := Ready(c.Arch); err != nil {
		return nil, err
	}
	if c.Mem == "" {
		c.Mem = "512M"
	}
	if c.CPUs == 0 {
		c.CPUs = 1
	}
	if c.Output == nil {
		c.Output = os.Stdout
	}
	if c.DataFS == "" {
		c.DataFS = "ext4"
	}
	m := &Machine{Config: c, Dir: dir}
	if err := m.makeDisks(); err != nil {
		return nil, err
	}
	hw, err := hardware.New(dir)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	m.Hardware, m.stopHW, m.hw = hw, cancel, make(chan error, 1)
	go func() { m.hw <- hw.Run(ctx) }()
	return m, nil
}

func (m *Machine) path(name string) string { return filepath.Join(m.Dir, name) }

// makeDisks makes a copy-on-write layer over the root, and the data disk with a copy
// of what it was before its log began.
func (m *Machine) makeDisks() error {
	if m.RootFS != "" {
		base, err := filepath.Abs(m.RootFS)
		if err != nil {
			return err
		}
		if err := run("qemu-img", "create", "-q", "-f", "qcow2", "-b", base, "-F", "raw", m.path("root.qcow2")); err != nil {
			return err
		}
	} else if err := m.makeInitramfs(); err != nil {
		return err
	}
	if m.DataMB == 0 {
		return nil
	}
	f, err := os.Create(m.path("data.img"))
	if err != nil {
		return err
	}
	if err := errors.Join(f.Truncate(int64(m.DataMB)<<20), f.Close()); err != nil {
		return err
	}
	if err := m.mkfs(); err != nil {
		return err
	}
	if err := run("cp", "--sparse=always", m.path("data.img"), m.DataStart()); err != nil {
		return err
	}
	return os.WriteFile(m.DataLog(), nil, 0o600)
}

// mkfs makes the data disk's file system, all of it at once: what is made later would be in the log.
func (m *Machine) mkfs() error {
	args := map[string][]string{
		"ext4":  {"-q", "-F", "-E", "lazy_itable_init=0,lazy_journal_init=0"},
		"btrfs": {"-q", "-f", "-K"},
		"f2fs":  {"-q", "-f", "-t", "0"},
		"xfs":   {"-q", "-f", "-K"},
	}[m.DataFS]
	if args == nil {
		return fmt.Errorf("no file system %q", m.DataFS)
	}
	return run("mkfs."+m.DataFS, append(args, m.path("data.img"))...)
}

// DataStart is the data disk as it was before the first Boot, DataLog the log of all
// that was written to it since; package crash makes disks from the two.
func (m *Machine) DataStart() string { return m.path("data.start") }

// DataLog is the write log of the data disk.
func (m *Machine) DataLog() string { return m.path("data.log") }

func (m *Machine) makeInitramfs() error {
	bb, err := busybox(m.Arch)
	if err != nil {
		return err
	}
	f, err := os.Create(m.path("initrd"))
	if err != nil {
		return err
	}
	kernel, err := Kernel(m.Arch)
	if err != nil {
		return errors.Join(err, f.Close())
	}
	return errors.Join(initramfs(f, bb, kernel, m.Config), f.Close())
}

func run(name string, arg ...string) error {
	if b, err := exec.Command(name, arg...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", name, err, b)
	}
	return nil
}

// Boot switches the machine on. With a Program it returns when QEMU runs, else when
// the machine executes commands.
func (m *Machine) Boot() error {
	kernel, err := Kernel(m.Arch)
	if err != nil {
		return err
	}
	out, err := m.listen("out")
	if err != nil {
		return err
	}
	defer out.Close()
	sh, err := m.listen("sh")
	if err != nil {
		return err
	}
	defer sh.Close()
	m.qerr.Reset()
	m.qemu = exec.Command(arches[m.Arch].qemu, m.qemuArgs(kernel)...)
	m.qemu.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} // no machine outlives its test
	m.qemu.Stderr = &m.qerr
	start := time.Now()
	if err := m.qemu.Start(); err != nil {
		return err
	}
	m.done = make(chan struct{})
	go func(cmd *exec.Cmd, done chan struct{}) {
		m.err = cmd.Wait()
		close(done)
	}(m.qemu, m.done)
	err = errors.Join(m.acceptOutput(out), m.acceptShell(sh))
	m.BootTime = time.Since(start)
	if err != nil {
		m.PowerCut()
		return fmt.Errorf("%w\n%s%s", err, m.qerr.String(), m.KernelLog(2000))
	}
	return nil
}

func (m *Machine) listen(name string) (*net.UnixListener, error) {
	if err := os.Remove(m.path(name)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: m.path(name), Net: "unix"})
	if err != nil {
		return nil, err
	}
	return l, l.SetDeadline(time.Now().Add(20 * time.Second)) // QEMU connects before it boots
}

func (m *Machine) acceptOutput(l net.Listener) error {
	c, err := l.Accept()
	if err != nil {
		return fmt.Errorf("qemu did not start: %w", err)
	}
	m.io.Go(func() {
		defer c.Close()
		_, _ = io.Copy(m.Output, c) // ends with the machine
	})
	return nil
}

func (m *Machine) acceptShell(l net.Listener) error {
	c, err := l.Accept()
	if err != nil {
		return fmt.Errorf("qemu did not start: %w", err)
	}
	m.sh, m.rd = c, bufio.NewReader(c)
	if m.Program != "" {
		return nil
	}
	if err := c.SetReadDeadline(time.Now().Add(bootLimit)); err != nil {
		return err
	}
	s, err := m.rd.ReadString('\n')
	if err != nil || !strings.HasPrefix(s, "##ready") {
		return fmt.Errorf("the machine does not answer: %q, %w", s, err)
	}
	return nil
}

// Run runs a command line in the machine's shell and returns its output and exit status.
func (m *Machine) Run(cmd string) (out string, status int, err error) {
	if err := m.sh.SetDeadline(time.Now().Add(bootLimit)); err != nil {
		return "", 0, err
	}
	if _, err := fmt.Fprintln(m.sh, strings.ReplaceAll(cmd, "\n", ";")); err != nil {
		return "", 0, err
	}
	s, err := m.rd.ReadString('\n')
	if err != nil {
		return "", 0, fmt.Errorf("%s: %w", cmd, err)
	}
	var n int
	if _, err := fmt.Sscanf(s, "##%d %d", &status, &n); err != nil || n < 0 || n > 64<<20 {
		return "", 0, fmt.Errorf("%s: the machine said %q", cmd, s)
	}
	b := make([]byte, n)
	_, err = io.ReadFull(m.rd, b)
	return strings.TrimRight(string(b), "\n"), status, err
}

// Ctl steers the hardware; see hardware.Hardware.Command.
func (m *Machine) Ctl(format string, args ...any) (string, error) {
	return m.Hardware.Command(fmt.Sprintf(format, args...))
}

// Wait waits until the Program has ended and returns its exit status.
func (m *Machine) Wait(ctx context.Context) (status int, err error) {
	select {
	case <-m.done:
	case <-ctx.Done():
		m.PowerCut()
		return 0, fmt.Errorf("the program did not end: %w\n%s", ctx.Err(), m.KernelLog(2000))
	}
	m.PowerCut()
	b, err := os.ReadFile(m.path("exit"))
	if err == nil {
		status, err = strconv.Atoi(strings.TrimSpace(string(b)))
	}
	if err != nil {
		return 0, fmt.Errorf("the machine ended without a result: %w, QEMU %v\n%s%s", err, m.err, m.qerr.String(), m.KernelLog(2000))
	}
	return status, nil
}

// Ended reports whether the machine has ended by itself.
func (m *Machine) Ended() bool {
	select {
	case <-m.done:
		return true
	default:
		return false
	}
}

// PowerCut takes the power away. What the host's disk has, stays; what of it the
// machine had flushed is in DataLog.
func (m *Machine) PowerCut() {
	if m.qemu == nil {
		return
	}
	_ = m.qemu.Process.Kill() // it may have ended by itself
	<-m.done
	m.qemu = nil
	if m.sh != nil {
		_ = m.sh.Close()
	}
	m.io.Wait()
}

// PowerOff shuts the machine down in an orderly way.
func (m *Machine) PowerOff() error {
	off := "umount /data; poweroff -f"
	if m.RootFS != "" {
		off = "systemctl poweroff"
	}
	_, _ = fmt.Fprintln(m.sh, off) // if it does not hear, it is reported below
	defer m.PowerCut()
	select {
	case <-m.done:
		return nil
	case <-time.After(bootLimit):
		return errors.New("the machine did not power off")
	}
}

// Close ends everything.
func (m *Machine) Close() error {
	m.PowerCut()
	m.stopHW()
	return <-m.hw
}

// KernelLog returns the end of what the kernel printed.
func (m *Machine) KernelLog(most int) string {
	b, err := os.ReadFile(m.path("kernel.log"))
	if err != nil {
		return err.Error()
	}
	return string(b[max(0, len(b)-most):])
}
