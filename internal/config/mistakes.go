package config

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"sensorgate/drivers"
	"sensorgate/internal/toml"
)

// knownMistakes are words that people bring along from elsewhere, with what they
// are called here, best first.
var knownMistakes = map[string][]string{
	"pin": {"gpio"}, "pins": {"gpio"}, "gpio_pin": {"gpio"}, "line_name": {"gpio"},
	"interval": {"every"}, "period": {"every"}, "poll": {"every"}, "poll_interval": {"every"}, "rate": {"every"}, "scan_interval": {"every"},
	"slave_id": {"unit"}, "slave": {"unit"}, "unit_id": {"unit"}, "slaveid": {"unit"},
	"baud": {"line", "serial"}, "baudrate": {"line", "serial"}, "baud_rate": {"line", "serial"}, "speed": {"line", "serial"}, "parity": {"line", "serial"},
	"topic_prefix": {"topic", "prefix"}, "topics": {"topic"},
	"address": {"input", "i2c", "unit"}, "adress": {"input", "i2c", "unit"}, "addr": {"input", "i2c", "unit"}, "register": {"input"}, "reg": {"input"},
	"url": {"urls"}, "host": {"urls", "listen"}, "server": {"urls"}, "address_list": {"urls"}, "port": {"listen", "urls", "serial"}, "bind": {"listen"}, "listener": {"listen"}, "listeners": {"listen"},
	"username": {"user"}, "pass": {"password"}, "passwd": {"password", "passwords"}, "password_file": {"passwords"}, "acl_file": {"acl"},
	"units": {"unit"}, "unit_of_measurement": {"unit"}, "round": {"digits"}, "precision": {"digits"}, "decimals": {"digits"}, "factor": {"scale"}, "multiplier": {"scale"}, "multiply": {"scale"},
	"type": {"driver", "kind"}, "kind": {"driver"}, "platform": {"driver"}, "chip": {"driver"}, "template": {"model"},
	"retained": {"retain"}, "direction": {"dir"}, "source": {"local"}, "destination": {"remote"}, "from": {"local"}, "to": {"remote"},
	"clientid": {"client_id"}, "keepalive": {"keep_alive"}, "regex": {"match"}, "pattern": {"match"}, "regexp": {"match"},
	"device": {"port"}, "devices": {"device"}, "bridges": {"bridge"}, "buses": {"serial"}, "name": {"node"}, "hostname": {"node"}, "invert": {"active"}, "inverted": {"active"}, "active_low": {"active"},
	"buffer": {"spool"}, "queue": {"spool"}, "max_age": {"keep"}, "max_size": {"size"}, "data_dir": {"data"}, "directory": {"data"},
}

// translated knows what becomes of a value that is written in another way elsewhere.
func translated(f *toml.Node, right string) (fix string, ok bool) {
	number, isNumber := f.Value.(int64)
	switch {
	case right == "line" && isNumber: // a baud rate
		return fmt.Sprintf("line = \"%d 8N1\"", number), true
	case right == "i2c" && isNumber: // an address without its bus
		return fmt.Sprintf("i2c = \"1:%s\"", f.Raw()), true
	case right == "serial" && f.Kind == toml.KindString: // a port
		return "serial = " + portTable(f.Raw()), true
	case right == "serial" && isNumber:
		return fmt.Sprintf("serial = { port = \"/dev/serial0\", line = \"%d 8N1\" }", number), true
	case right == "urls" && f.Kind == toml.KindString:
		return fmt.Sprintf("urls = [%q]", upstreamURL(f.Text(), f.Parent.Field("port"))), true
	case right == "urls" && isNumber && f.Parent.Field("host") != nil:
		return translated(f.Parent.Field("host"), right)
	case right == "urls" && isNumber:
		return fmt.Sprintf("urls = [\"mqtt://HOST:%d\"]", number), true
	// Numbers of the old manuals: the first digit is the table, and they count from 1.
	case right == "input" && number >= 30001 && number <= 39999:
		return fmt.Sprintf("input = %d", number-30001), true
	case right == "input" && number >= 40001 && number <= 49999:
		return fmt.Sprintf("holding = %d", number-40001), true
	}
	return "", false
}

// upstreamURL is what somebody meant who wrote an upstream in the manner of another program:
// a host alone may have TLS, but whoever named a scheme or a port chose the transport. The
// port may stand beside it.
func upstreamURL(text string, port *toml.Node) string {
	scheme, host, named := strings.Cut(text, "://")
	if !named {
		host = text
	}
	if port != nil && !strings.Contains(host, ":") {
		host += ":" + strings.Trim(port.Raw(), `"'`)
	}
	if !named {
		scheme = "mqtts"
		if strings.HasSuffix(host, ":1883") {
			scheme = "mqtt"
		}
	}
	if ours := urlMistakes[scheme]; ours != "" {
		scheme = ours
	}
	return scheme + "://" + host
}

// portTable writes the table of a serial port, raw being its path in quotes.
func portTable(raw string) string { return fmt.Sprintf("{ port = %s, line = \"9600 8N1\" }", raw) }

// hintsFor is what we know of our keys beyond their types.
func hintsFor(cat Catalogue) toml.Hints {
	names := cat.Drivers.Names()
	return toml.Hints{
		Mistakes:  knownMistakes,
		Translate: translated,
		AsTable: func(n *toml.Node, keys []string) string {
			if slices.Contains(keys, "port") {
				return portTable(n.Raw())
			}
			return ""
		},
		Unknown: func(n *toml.Node) string { // who writes [bme280]
			if n.Parent.Parent == nil && slices.Contains(names, n.Name) {
				return fmt.Sprintf("[device.%s] with driver = %q in it", n.Name, n.Name)
			}
			return ""
		},
		Fault: func(err error) (toml.KeyFault, bool) {
			var ke *drivers.KeyError
			if !errors.As(err, &ke) {
				return toml.KeyFault{}, false
			}
			return toml.KeyFault(*ke), true
		},
	}
}
