package doctor

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"sort"
	"strconv"
	"strings"
)

// process is one that is running, as /proc shows it.
type process struct {
	pid  int
	name string
	args []string
}

func (m Machine) processes() (all []process) {
	dirs, _ := filepath.Glob(m.path("proc/[0-9]*"))
	for _, dir := range dirs {
		pid, err := strconv.Atoi(filepath.Base(dir))
		if err != nil {
			continue
		}
		name, err := os.ReadFile(filepath.Join(dir, "comm"))
		if err != nil {
			continue // ended meanwhile
		}
		args, _ := os.ReadFile(filepath.Join(dir, "cmdline"))
		all = append(all, process{pid, strings.TrimSpace(string(name)), strings.Split(strings.TrimRight(string(args), "\x00"), "\x00")})
	}
	sort.Slice(all, func(i, k int) bool { return all[i].pid < all[k].pid })
	return all
}

// open lists what a process has open: device nodes, sockets, files.
func (m Machine) open(pid int) (targets []string) {
	links, _ := filepath.Glob(m.path("proc", strconv.Itoa(pid), "fd/*"))
	for _, l := range links {
		if to, err := os.Readlink(l); err == nil {
			targets = append(targets, to)
		}
	}
	// A login has its terminal open three times.
	slices.Sort(targets)
	return slices.Compact(targets)
}

// isGateway recognises the running service, which may hold whatever it likes.
func (pr process) isGateway() bool {
	return pr.name == "sensorgate" && slices.Contains(pr.args, "run")
}

var (
	wirePattern = regexp.MustCompile(`^/dev/(tty(USB|ACM|AMA|S)\d+|i2c-\d+|gpiochip\d+)$`)
	wireTTY     = regexp.MustCompile(`^(/dev/)?tty(USB|ACM|AMA|S)\d+$`)
)

// lookPorts finds other programs on the wires: two readers of one serial port each
// get half of the answers, and nothing reports an error.
func lookPorts(m Machine) []Finding {
	var found []Finding
	gateways := 0
	for _, pr := range m.processes() {
		if pr.isGateway() {
			gateways++
			continue
		}
		for _, node := range m.open(pr.pid) {
			if !wirePattern.MatchString(node) {
				continue
			}
			found = append(found, Finding{Verdict: m.used(node), What: fmt.Sprintf("%s is held by %s (pid %d)", node, pr.name, pr.pid), Try: tryHolder(pr, node)})
		}
		if pr.name == "ModemManager" {
			found = append(found, Finding{Verdict: Warning, What: "ModemManager is running; it writes into serial ports that it does not know",
				Try: "sudo systemctl disable --now ModemManager    (not if there is a modem; the package's udev rules keep it off common converters)"})
		}
	}
	if gateways > 1 {
		found = append(found, Finding{Verdict: Wrong, What: fmt.Sprintf("%d gateways are running on this machine", gateways), Try: "sudo systemctl status sensorgate; pgrep -a sensorgate"})
	}
	found = append(found, m.consoles()...)
	if !m.SeesAll {
		return append(found, Finding{Verdict: Skipped, What: "who holds the ports: only root sees other people's files", Try: "sudo sensorgate doctor"})
	}
	if found == nil {
		found = one(OK, "no other program holds a serial port, I2C bus or GPIO chip", "")
	}
	return found
}

// tryHolder knows the usual suspects.
func tryHolder(pr process, node string) string {
	tty := filepath.Base(node)
	switch pr.name {
	case "agetty", "login":
		return fmt.Sprintf("sudo systemctl disable --now serial-getty@%s.service", tty)
	case "ModemManager":
		return "sudo systemctl disable --now ModemManager"
	case "brltty": // takes CH340 and CP210x converters for Braille displays
		return "sudo apt-get remove brltty"
	case "gpsd":
		return "sudo systemctl disable --now gpsd.socket gpsd.service"
	}
	return fmt.Sprintf("systemctl status %d    (shows the service that it belongs to; stop that, or use another port)", pr.pid)
}

// consoles finds serial ports on which the kernel prints or a login waits.
func (m Machine) consoles() (found []Finding) {
	cmdline, _ := os.ReadFile(m.path("proc/cmdline"))
	for _, arg := range strings.Fields(string(cmdline)) {
		dev, ok := strings.CutPrefix(arg, "console=")
		dev, _, _ = strings.Cut(dev, ",")
		if ok && wireTTY.MatchString(dev) {
			found = append(found, Finding{Verdict: Warning, What: "the kernel prints its messages on /dev/" + dev,
				Try: "sudo raspi-config nonint do_serial_cons 1    (elsewhere: take " + arg + " out of the kernel's command line)"})
		}
	}
	return found
}

// lookBrokerPort finds a broker that has our port already; with mosquitto installed
// that is the usual reason why the gateway does not start.
func lookBrokerPort(m Machine) []Finding {
	inodes := map[string]bool{}
	for _, table := range []string{"proc/net/tcp", "proc/net/tcp6"} {
		m.listeners(table, m.port, inodes)
	}
	if len(inodes) == 0 {
		return one(OK, fmt.Sprintf("port %d is free", m.port), "")
	}
	ours := one(OK, fmt.Sprintf("the gateway listens on port %d", m.port), "")
	for _, l := range m.Listening {
		if strings.HasSuffix(l, fmt.Sprintf(":%d", m.port)) {
			return ours
		}
	}
	for _, pr := range m.processes() {
		for _, target := range m.open(pr.pid) {
			inode, ok := strings.CutPrefix(target, "socket:[")
			if !ok || !inodes[strings.TrimSuffix(inode, "]")] {
				continue
			}
			if pr.isGateway() {
				return ours
			}
			try := fmt.Sprintf("give it another port, or listen = [\"tcp://127.0.0.1:%d\"] in [broker]", m.port+1)
			if pr.name == "mosquitto" {
				try = "sudo systemctl disable --now mosquitto    (or another port in [broker] listen, or listen = [] and a bridge to it)"
			}
			return one(Wrong, fmt.Sprintf("port %d is taken by %s (pid %d)", m.port, pr.name, pr.pid), try)
		}
	}
	return one(Warning, fmt.Sprintf("somebody listens on port %d; only root sees who", m.port), "sudo sensorgate doctor")
}

// listeners adds the inodes of sockets that listen on port; proc_net_tcp.txt.
func (m Machine) listeners(table string, port int, inodes map[string]bool) {
	f, err := os.Open(m.path(table))
	if err != nil {
		return
	}
	defer f.Close()
	const stateListen = "0A"
	suffix := fmt.Sprintf(":%04X", port)
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		// sl local_address rem_address st tx:rx tr:when retrnsmt uid timeout inode
		f := strings.Fields(lines.Text())
		if len(f) >= 10 && f[3] == stateListen && strings.HasSuffix(f[1], suffix) {
			inodes[f[9]] = true
		}
	}
}
