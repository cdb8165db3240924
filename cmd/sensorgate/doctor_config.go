package main

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"

	"sensorgate/drivers"
	"sensorgate/internal/config"
)

// What is looked at when there is no configuration.
const (
	usualData = "/var/lib/sensorgate"
	usualPort = 1883
)

// learn takes from the configuration what the gateway will use of this machine.
func (p *patient) learn(s *settings) {
	if _, err := os.ReadFile(s.path); errors.Is(err, fs.ErrPermission) {
		p.config = one(skipped, "configuration: only root and the gateway may read "+s.path, "sudo sensorgate doctor")
		return
	} else if errors.Is(err, fs.ErrNotExist) {
		p.config = one(note, "no configuration at "+s.path, "sensorgate doctor -c FILE")
		return
	}
	c, problems := s.read()
	if c == nil {
		p.config = one(wrong, "the configuration has "+problems.Counts(), "sensorgate check -c "+s.path)
		return
	}
	p.config = one(fine, fmt.Sprintf("the configuration is in order: %d devices, %d upstreams", len(c.Devices), len(c.Bridges)), "")
	p.data = c.Data
	if abs, err := filepath.Abs(c.Data); err == nil && c.Data != "" {
		p.data = abs
	}
	p.ports = p.serialPorts(c)
	for _, l := range c.Broker.Listeners {
		if _, port, err := net.SplitHostPort(l.Address); err == nil {
			p.port, _ = strconv.Atoi(port)
			break
		}
	}
}

// serialPorts are the ports of a configuration, under the name of the node and not of
// the link in /dev/serial.
func (p *patient) serialPorts(c *config.Config) map[string]bool {
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
			if real, err := filepath.EvalSymlinks(p.path(claim.ID)); err == nil {
				ports[p.inside(real)] = true
			}
			ports[claim.ID] = true
		}
	}
	for _, b := range c.Serial {
		add(b.Options)
	}
	for _, d := range c.Devices {
		add(d.Site.Options)
	}
	return ports
}

// used says how bad it is that somebody else has a node open.
func (p patient) used(node string) verdict {
	switch {
	case !wireTTY.MatchString(node):
		return note // other chips of a bus, other lines of a chip: that may go well
	case p.ports == nil || p.ports[node]:
		return wrong
	}
	return note
}

func lookConfig(p patient) []finding { return p.config }
