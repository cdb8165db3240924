package config

import (
	"slices"
	"strings"
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

// suggest gives the valid key that was most likely meant by wrong, or "".
func suggest(wrong string, valid []string) string {
	word := strings.ToLower(strings.ReplaceAll(wrong, "-", "_"))
	if slices.Contains(valid, word) {
		return word
	}
	for _, right := range knownMistakes[word] {
		if slices.Contains(valid, right) {
			return right
		}
	}
	return nearest(word, valid)
}

// nearest gives the one of valid with the least edit distance to word, or "" if
// none is near.
func nearest(word string, valid []string) string {
	best, bestDistance := "", max(len(word)/3, 1)+1
	for _, v := range valid {
		if d := distance(word, strings.ToLower(v), bestDistance); d < bestDistance {
			best, bestDistance = v, d
		}
	}
	return best
}

// distance counts the insertions, deletions, replacements and swaps of neighbours
// that make b of a; it gives up above limit.
func distance(a, b string, limit int) int {
	if len(a)-len(b) > limit || len(b)-len(a) > limit || len(a) > 64 || len(b) > 64 {
		return limit + 1
	}
	before, last, now := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := range len(a) {
		now[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			now[j+1] = min(last[j]+cost, last[j+1]+1, now[j]+1)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				now[j+1] = min(now[j+1], before[j-1]+1)
			}
		}
		before, last, now = last, now, before
	}
	return last[len(b)]
}
