package doctor

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"sensorgate/drivers"
	"sensorgate/internal/config"
)

// What is looked at when there is no configuration.
const (
	usualData = "/var/lib/sensorgate"
	usualPort = 1883
)

// Learn takes from the configuration at path what the gateway will use of this machine.
// load reads that configuration; it is called only where this user may read the file.
func (m *Machine) Learn(path string, load func() (*config.Config, config.Problems)) {
	if _, err := os.ReadFile(path); errors.Is(err, fs.ErrPermission) {
		m.config = one(Skipped, "configuration: only root and the gateway may read "+path, "sudo sensorgate doctor")
		return
	} else if errors.Is(err, fs.ErrNotExist) {
		m.config = one(Warning, "no configuration at "+path, "sensorgate doctor -c FILE")
		return
	}
	c, problems := load()
	if c == nil {
		m.config = one(Wrong, "the configuration has "+problems.Counts(), "sensorgate check -c "+path)
		return
	}
	m.config = one(OK, fmt.Sprintf("the configuration is in order: %d devices, %d upstreams", len(c.Devices), len(c.Bridges)), "")
	m.data = c.Data
	if abs, err := filepath.Abs(c.Data); err == nil && c.Data != "" {
		m.data = abs
	}
	m.ports = m.serialPorts(c)
	m.buses = i2cBuses(c)
	for _, l := range c.Broker.Listeners {
		if _, port, err := net.SplitHostPort(l.Address); err == nil {
			m.port, _ = strconv.Atoi(port)
			break
		}
	}
}

// serialPorts are the ports of a configuration, under the name of the node and not of
// the link in /dev/serial.
func (m *Machine) serialPorts(c *config.Config) map[string]bool {
	ports := map[string]bool{}
	add := func(options any) {
		claimer, ok := options.(drivers.Claimer)
		if !ok {
			return
		}
		for _, claim := range claimer.Claims() {
			if claim.Kind != "serial" {
				continue
			}
			if real, err := filepath.EvalSymlinks(m.path(claim.ID)); err == nil {
				ports[m.inside(real)] = true
			}
			ports[claim.ID] = true
		}
	}
	for _, b := range c.Serial {
		add(b.Options)
	}
	for _, d := range c.Devices {
		add(d.Config.Options)
	}
	return ports
}

// i2cBuses are the buses of a configuration, each with the device that frees it.
func i2cBuses(c *config.Config) map[string]string {
	buses := map[string]string{}
	for _, d := range c.Devices {
		claimer, ok := d.Config.Options.(drivers.Claimer)
		if !ok {
			continue
		}
		for _, claim := range claimer.Claims() {
			switch claim.Kind {
			case "i2c":
				bus, _, _ := strings.Cut(claim.ID, ":")
				buses[bus] += ""
			case "i2c-clear":
				buses[claim.ID] = d.Config.Device
			}
		}
	}
	return buses
}

// used returns how bad it is that somebody else has a node open.
func (m Machine) used(node string) Verdict {
	switch {
	case !wireTTY.MatchString(node):
		return Warning // other chips of a bus, other lines of a chip: that may go well
	case m.ports == nil || m.ports[node]:
		return Wrong
	}
	return Warning
}

func lookConfig(m Machine) []Finding { return m.config }
