package doctor

import (
	"bufio"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"sensorgate/drivers/i2c/bus"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// hardwareGroups own the device nodes on Raspberry Pi OS and with our udev rules.
var hardwareGroups = []string{"dialout", "i2c", "gpio", "spi"}

// account is what /etc/passwd and /etc/group say about one user.
type account struct {
	uid    int
	groups map[int]string // by number, of those the user is in
	all    map[string]int // every group there is
}

// account reads the files and not the C library: static binary, and tests have
// their own files.
func (m Machine) account(name string) (account, error) {
	a := account{uid: -1, groups: map[int]string{}, all: map[string]int{}}
	primary := -1
	err := eachLine(m.path("etc/passwd"), func(f []string) {
		if len(f) >= 4 && f[0] == name {
			a.uid, _ = strconv.Atoi(f[2])
			primary, _ = strconv.Atoi(f[3])
		}
	})
	if err != nil {
		return a, err
	}
	if a.uid < 0 {
		return a, fmt.Errorf("no user %s", name)
	}
	err = eachLine(m.path("etc/group"), func(f []string) {
		if len(f) < 4 {
			return
		}
		gid, err := strconv.Atoi(f[2])
		if err != nil {
			return
		}
		a.all[f[0]] = gid
		if gid == primary || slices.Contains(strings.Split(f[3], ","), name) {
			a.groups[gid] = f[0]
		}
	})
	return a, err
}

func eachLine(path string, do func(fields []string)) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		do(strings.Split(lines.Text(), ":"))
	}
	return lines.Err()
}

func lookUser(m Machine) []Finding {
	a, err := m.account(m.User)
	if err != nil {
		return one(Wrong, err.Error(), "sudo systemd-sysusers sensorgate.conf    (from the package; docs/install.md has it without)")
	}
	if a.uid == 0 {
		return one(Warning, "the gateway runs as root; nothing in it needs that", "install the package, which makes the user sensorgate")
	}
	var found []Finding
	for _, g := range hardwareGroups {
		gid, exists := a.all[g]
		switch {
		case !exists:
			// systemd refuses to start a unit whose SupplementaryGroups= do not exist.
			found = append(found, Finding{Verdict: Wrong, What: "no group " + g + "; the service cannot start", Try: "sudo groupadd --system " + g})
		case a.groups[gid] == "":
			found = append(found, Finding{Verdict: Warning, What: m.User + " is not in group " + g + " (the unit adds the service to it all the same)", Try: fmt.Sprintf("sudo usermod -aG %s %s", g, m.User)})
		}
	}
	if found == nil {
		found = one(OK, m.User+" is in "+strings.Join(hardwareGroups, ", "), "")
	}
	return found
}

// devicePatterns are the nodes that drivers open.
var devicePatterns = []string{"ttyUSB*", "ttyACM*", "ttyAMA*", "ttyS0", "i2c-*", "gpiochip*", "spidev*"}

// devices lists the nodes of the machine that drivers may open.
func (m Machine) devices() (nodes []string) {
	for _, pattern := range devicePatterns {
		found, _ := filepath.Glob(m.path("dev", pattern)) // the patterns are well formed
		nodes = append(nodes, found...)
	}
	return nodes
}

// lookDevices compares owner, group and mode of the nodes with the user's groups.
func lookDevices(m Machine) []Finding {
	a, err := m.account(m.User)
	if err != nil {
		return one(Skipped, "permissions of devices: "+err.Error(), "")
	}
	for _, g := range hardwareGroups { // the unit's SupplementaryGroups=
		if gid, ok := a.all[g]; ok && m.User == "sensorgate" {
			a.groups[gid] = g
		}
	}
	var found []Finding
	open := 0
	for _, node := range m.devices() {
		info, err := os.Stat(node)
		if err != nil {
			continue // unplugged between Glob and here
		}
		if a.mayOpen(info) {
			open++
			continue
		}
		found = append(found, Finding{Verdict: Wrong, What: m.User + " may not open " + m.inside(node) + " (" + owner(info) + ")", Try: tryNode(filepath.Base(node), m.User)})
	}
	switch {
	case found == nil && open == 0:
		found = one(Warning, "no serial port, I2C bus, GPIO chip or SPI bus here", "")
	case found == nil:
		found = one(OK, fmt.Sprintf("%s may open all %d devices", m.User, open), "")
	}
	return found
}

// inside is the path as the machine calls it.
func (m Machine) inside(path string) string {
	rel, err := filepath.Rel(m.Root, path)
	if err != nil {
		return path
	}
	return "/" + rel
}

// mayOpen is access(2) for reading and writing, for somebody else than us.
func (a account) mayOpen(info os.FileInfo) bool {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return false
	}
	mode := info.Mode().Perm()
	switch {
	case a.uid == 0:
		return true
	case int(st.Uid) == a.uid:
		return mode&0o600 == 0o600
	case a.groups[int(st.Gid)] != "":
		return mode&0o060 == 0o060
	}
	return mode&0o006 == 0o006
}

func owner(info os.FileInfo) string {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return info.Mode().String()
	}
	return fmt.Sprintf("mode %04o, group %d", info.Mode().Perm(), st.Gid)
}

// tryNode knows which group a node should belong to.
func tryNode(name, user string) string {
	if strings.HasPrefix(name, "tty") {
		return "sudo usermod -aG dialout " + user + "    (then log in again, or restart the service)"
	}
	return "sudo udevadm control --reload && sudo udevadm trigger    (rules: /usr/lib/udev/rules.d/60-sensorgate.rules)"
}

// resetUnit resets adapters for the gateway; the package has it switched off.
const resetUnit = "sensorgate-i2c-reset.path"

// enabled reports whether a unit is started with the machine.
func (m Machine) enabled(unit string) bool {
	links, _ := filepath.Glob(m.path("etc/systemd/system/*.wants", unit))
	return len(links) > 0
}

// lookHang says, for each bus that the gateway uses, what frees it when a chip holds it.
func lookHang(m Machine) (all []Finding) {
	for _, name := range slices.Sorted(maps.Keys(m.buses)) {
		f := Finding{Verdict: OK}
		adapter, _ := filepath.EvalSymlinks(m.path("sys/bus/i2c/devices/i2c-" + name))
		driver, err := filepath.EvalSymlinks(filepath.Join(filepath.Dir(adapter), "driver"))
		switch resets := adapter != "" && err == nil && bus.Resettable(filepath.Base(driver)); {
		case m.buses[name] != "":
			f.What = fmt.Sprintf("i2c-%s: a bus that hangs is freed by clock pulses (device %s)", name, m.buses[name])
		case resets && m.User == "root":
			f.What = fmt.Sprintf("i2c-%s: a bus that hangs has its adapter reset", name)
		case resets && m.enabled(resetUnit):
			f.What = fmt.Sprintf("i2c-%s: a bus that hangs has its adapter reset, by %s", name, resetUnit)
		case resets:
			f.What = fmt.Sprintf("i2c-%s: nothing frees it when a chip holds it; only root may reset its adapter", name)
			f.Try = "sudo systemctl enable --now " + resetUnit + "    (docs/hardware.md, A bus that hangs)"
		default:
			f.What = fmt.Sprintf("i2c-%s: nothing frees it when a chip holds it; its adapter cannot be reset", name)
			f.Try = `wire a free GPIO line to its clock, and driver = "i2c-bus" (docs/hardware.md)`
		}
		all = append(all, f)
	}
	return all
}

// lookI2C finds the bus that is there but switched off, the most common first hour
// on a Raspberry Pi.
func lookI2C(m Machine) []Finding {
	nodes, _ := filepath.Glob(m.path("dev/i2c-*"))
	if len(nodes) > 0 {
		return append(one(OK, fmt.Sprintf("%d I2C buses", len(nodes)), ""), lookHang(m)...)
	}
	model, _ := os.ReadFile(m.path("sys/firmware/devicetree/base/model"))
	adapters, _ := filepath.Glob(m.path("sys/class/i2c-adapter/i2c-*"))
	switch {
	case len(adapters) > 0: // the kernel has the bus, but no nodes: i2c-dev is a module
		return one(Wrong, "the kernel has I2C buses, but /dev/i2c-* is missing",
			"echo i2c-dev | sudo tee /etc/modules-load.d/i2c-dev.conf && sudo modprobe i2c-dev")
	case strings.Contains(string(model), "Raspberry Pi"):
		return one(Warning, "I2C is switched off", "sudo raspi-config nonint do_i2c 0    (or dtparam=i2c_arm=on in /boot/firmware/config.txt, and reboot)")
	}
	return one(Warning, "no I2C bus here", "")
}
