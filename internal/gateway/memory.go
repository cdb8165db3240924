package gateway

import (
	"bytes"
	"fmt"
	"os"
	"path"
	"strconv"
	"strings"

	"sensorgate/internal/config"
	"sensorgate/internal/status"
)

// What a gateway takes in memory, in bytes, measured with simulated devices of two
// channels (docs/ARCHITECTURE.md has the table).
const (
	memoryOfProgram = 20 << 20 // code that is resident, journal, one device
	memoryOfDevice  = 48 << 10

	// Of the page: headers, buffers, stacks and an answer of each connection, what waits for
	// a stream that is slow, and the rings of events and of the log. Logins (256 at most) and
	// tokens are some kilobytes.
	memoryOfConnection = 80 << 10
	memoryOfStream     = 64 << 10
	memoryOfRings      = 1 << 20
)

// MemoryNeed estimates what a gateway with the configuration may take at most, in bytes,
// and says of what it is the sum.
func MemoryNeed(c *config.Config) (need int64, parts string) {
	devices := int64(len(c.Devices)) * memoryOfDevice
	var history, page int64
	if c.History.Enabled {
		history = c.History.Memory
	}
	if len(c.Web.Listeners) > 0 {
		page = int64(c.Web.MaxConnections)*memoryOfConnection + int64(c.Web.MaxStreams)*memoryOfStream + memoryOfRings
	}
	need = memoryOfProgram + devices + c.Broker.Memory + history + page
	return need, fmt.Sprintf("%s for clients of the broker, %s for %d devices, %s for the history, %s for the page, %s for the program",
		status.Bytes(c.Broker.Memory), status.Bytes(devices), len(c.Devices), status.Bytes(history), status.Bytes(page), status.Bytes(memoryOfProgram))
}

// MemoryLimit returns the least of what this machine has, what this process may have, and
// what the packaged service may have, in bytes, and which of them it is; 0 if none of them
// is known.
func MemoryLimit() (limit int64, of string) { return memoryLimit(os.ReadFile) }

func memoryLimit(read func(string) ([]byte, error)) (limit int64, of string) {
	least := func(bytes int64, name string) {
		if bytes > 0 && (limit == 0 || bytes < limit) {
			limit, of = bytes, name
		}
	}
	number := func(file string) int64 {
		data, err := read(file)
		if err != nil {
			return 0
		}
		n, err := strconv.ParseInt(strings.TrimSpace(string(data)), 10, 64)
		if err != nil || n > 1<<60 { // "max", or version 1's word for it
			return 0
		}
		return n
	}
	if info, err := read("/proc/meminfo"); err == nil {
		for line := range bytes.Lines(info) {
			if f := strings.Fields(string(line)); len(f) > 1 && f[0] == "MemTotal:" {
				kib, _ := strconv.ParseInt(f[1], 10, 64) // 0 if it is none
				least(kib<<10, "this machine")
			}
		}
	}
	if own, err := read("/proc/self/cgroup"); err == nil {
		for line := range bytes.Lines(own) {
			switch f := strings.SplitN(strings.TrimSpace(string(line)), ":", 3); {
			case len(f) < 3:
			case f[1] == "":
				eachGroup(f[2], func(g string) { least(number(path.Join("/sys/fs/cgroup", g, "memory.max")), "the control group "+g) })
			case f[1] == "memory":
				eachGroup(f[2], func(g string) {
					least(number(path.Join("/sys/fs/cgroup/memory", g, "memory.limit_in_bytes")), "the control group "+g)
				})
			}
		}
	}
	least(number("/sys/fs/cgroup/system.slice/sensorgate.service/memory.max"), "sensorgate.service")
	return limit, of
}

// eachGroup calls f with a control group and those above it, which bound it too.
func eachGroup(group string, f func(group string)) {
	for ; len(group) > 1; group = path.Dir(group) {
		f(group)
	}
	f("/")
}

// MemoryWarning returns a sentence for the operator when the configuration may need more
// memory than there is; "" if it fits.
func MemoryWarning(c *config.Config) string {
	limit, of := MemoryLimit()
	return memoryWarning(c, limit, of)
}

func memoryWarning(c *config.Config, limit int64, of string) string {
	need, parts := MemoryNeed(c)
	if limit == 0 || need <= limit {
		return ""
	}
	return fmt.Sprintf("memory: up to %s may be needed (%s), and %s has %s; try a smaller memory in [broker], or a larger MemoryMax with: systemctl edit sensorgate",
		status.Bytes(need), parts, of, status.Bytes(limit))
}
