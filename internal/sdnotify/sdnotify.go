package sdnotify

import (
	"fmt"
	"log/slog"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
	"unsafe"
)

// Notifier talks to the service manager. All methods may be called from any
// goroutine and never block for long: a manager that does not read loses messages,
// which are counted as not sent, and the next feed makes up for a lost one.
type Notifier struct {
	conn    net.Conn      // nil without a manager
	timeout time.Duration // of the watchdog; 0: none is wanted
	log     *slog.Logger

	mu     sync.Mutex
	parts  []*part
	fed    time.Time // of the last WATCHDOG=1, or of the first Watch
	status string    // the newest of the caller
	late   bool      // the status names the late parts instead
}

type part struct {
	name string
	seen bool      // since the last feed
	last time.Time // report, or registration
}

// writeTimeout is short: a stuck manager must not stall the loop that reports.
const writeTimeout = 100 * time.Millisecond

// Open connects to the manager that the environment names. A set but unusable
// environment is an error; none at all is a Notifier that does nothing.
func Open(getenv func(string) string, log *slog.Logger) (*Notifier, error) {
	n := &Notifier{log: log}
	socket := getenv("NOTIFY_SOCKET")
	if socket == "" {
		return n, nil
	}
	timeout, err := watchdogTimeout(getenv)
	if err != nil {
		return nil, err
	}
	n.timeout = timeout
	// A leading @ is Linux's abstract name space; net knows it.
	n.conn, err = net.Dial("unixgram", socket)
	if err != nil {
		return nil, fmt.Errorf("NOTIFY_SOCKET %q: %w (is NotifyAccess= set in the unit?)", socket, err)
	}
	return n, nil
}

// watchdogTimeout is 0 when no watchdog is set, or when it is set for another
// process: WATCHDOG_PID is inherited by children, which must not feed it.
func watchdogTimeout(getenv func(string) string) (time.Duration, error) {
	usec := getenv("WATCHDOG_USEC")
	if usec == "" {
		return 0, nil
	}
	if pid := getenv("WATCHDOG_PID"); pid != "" && pid != strconv.Itoa(os.Getpid()) {
		return 0, nil
	}
	n, err := strconv.ParseInt(usec, 10, 64)
	if err != nil || n <= 0 || n > int64(1<<62)/1000 {
		return 0, fmt.Errorf("WATCHDOG_USEC %q: expected microseconds, a number above 0", usec)
	}
	return time.Duration(n) * time.Microsecond, nil
}

// Interval is how often each part should report so that one lost report does no
// harm: a quarter of the watchdog's time, or 0 when no watchdog is wanted.
func (n *Notifier) Interval() time.Duration { return n.timeout / 4 }

// Ready reports that the start, or a reload, is complete.
func (n *Notifier) Ready(status string) {
	n.setStatus("READY=1\n", status)
}

// Status shows one line in systemctl status.
func (n *Notifier) Status(status string) {
	n.setStatus("", status)
}

// Reloading reports that a reload has begun; Ready ends it.
func (n *Notifier) Reloading() {
	// Type=notify-reload asks for the time, to tell this reload from an earlier one.
	n.send(fmt.Sprintf("RELOADING=1\nMONOTONIC_USEC=%d", monotonicMicros()))
}

// Stopping reports that an orderly stop has begun.
func (n *Notifier) Stopping(status string) {
	n.setStatus("STOPPING=1\n", status)
}

// Close ends the connection. The Notifier does nothing from then on.
func (n *Notifier) Close() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.conn == nil {
		return nil
	}
	err := n.conn.Close()
	n.conn = nil
	return err
}

// Watch makes the watchdog depend on these parts. Before the first Watch nothing is
// fed: a process that hangs while it starts is the manager's TimeoutStartSec.
func (n *Notifier) Watch(names ...string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	now := time.Now()
	if len(n.parts) == 0 {
		n.fed = now
	}
	for _, name := range names {
		if n.findLocked(name) == nil {
			n.parts = append(n.parts, &part{name: name, last: now})
		}
	}
}

// Forget takes a part out: it was stopped on purpose.
func (n *Notifier) Forget(name string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.parts = slices.DeleteFunc(n.parts, func(p *part) bool { return p.name == name })
}

// Progress reports that a part did a piece of its work just now. It is cheap
// enough for a loop that turns some thousand times a second. Parts that nobody
// watches are ignored.
func (n *Notifier) Progress(name string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	p := n.findLocked(name)
	if p == nil {
		return
	}
	now := time.Now()
	p.seen, p.last = true, now
	if n.timeout == 0 {
		return
	}
	missing := n.missingLocked()
	switch age := now.Sub(n.fed); {
	case len(missing) == 0 && age >= n.timeout/8: // fewer messages than reports
		n.feedLocked(now)
	case len(missing) > 0 && age >= n.timeout/2 && !n.late:
		n.tellLateLocked(missing, now)
	}
}

func (n *Notifier) findLocked(name string) *part {
	for _, p := range n.parts { // a handful
		if p.name == name {
			return p
		}
	}
	return nil
}

func (n *Notifier) missingLocked() []*part {
	var missing []*part
	for _, p := range n.parts {
		if !p.seen {
			missing = append(missing, p)
		}
	}
	return missing
}

func (n *Notifier) feedLocked(now time.Time) {
	msg := "WATCHDOG=1"
	if n.late {
		n.late = false
		msg += "\n" + statusLine(n.status)
		n.log.Info("all parts make progress again")
	}
	if !n.sendLocked(msg) {
		return // the next report tries again
	}
	n.fed = now
	for _, p := range n.parts {
		p.seen = false
	}
}

// tellLateLocked names the parts that hang while there is still time: the kill that
// follows says only "watchdog timeout".
func (n *Notifier) tellLateLocked(missing []*part, now time.Time) {
	n.late = true
	var names []string
	for _, p := range missing {
		names = append(names, p.name)
		n.log.Error("no progress, the watchdog will end the process", "part", p.name,
			"for", now.Sub(p.last).Round(time.Millisecond), "left", n.timeout-now.Sub(n.fed).Round(time.Millisecond))
	}
	n.sendLocked("STATUS=no progress: " + strings.Join(names, ", "))
}

func (n *Notifier) setStatus(state, status string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.status = status
	n.sendLocked(state + statusLine(status))
}

// statusLine keeps a status on its line: a line break would begin a new variable,
// and a device's error text is not ours to trust.
func statusLine(status string) string {
	clean := strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, status)
	return "STATUS=" + clean
}

func (n *Notifier) send(msg string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.sendLocked(msg)
}

// sendLocked reports whether the manager has the message (or none is there).
func (n *Notifier) sendLocked(msg string) bool {
	if n.conn == nil {
		return true
	}
	n.conn.SetWriteDeadline(time.Now().Add(writeTimeout))
	if _, err := n.conn.Write([]byte(msg)); err != nil {
		n.log.Warn("service manager does not listen", "err", err)
		return false
	}
	return true
}

// monotonicMicros is CLOCK_MONOTONIC, which Go's time package reads but does not show.
func monotonicMicros() int64 {
	const clockMonotonic = 1
	var ts syscall.Timespec
	_, _, errno := syscall.RawSyscall(syscall.SYS_CLOCK_GETTIME, clockMonotonic, uintptr(unsafe.Pointer(&ts)), 0)
	if errno != 0 {
		return 0
	}
	return ts.Nano() / 1000
}
