package gateway

import (
	"os"
	"strings"
	"testing"

	"sensorgate/broker"
	"sensorgate/internal/config"
	"sensorgate/internal/history"
)

// The least of machine, own control group and service counts, in both versions of control
// groups.
func TestMemoryLimit(t *testing.T) {
	for name, c := range map[string]struct {
		files map[string]string
		want  int64
		of    string
	}{
		"machine":   {map[string]string{"/proc/meminfo": "MemTotal:  1000 kB\nMemFree: 5 kB\n"}, 1000 << 10, "this machine"},
		"version 2": {map[string]string{"/proc/meminfo": "MemTotal:  1000 kB\n", "/proc/self/cgroup": "0::/a.slice\n", "/sys/fs/cgroup/a.slice/memory.max": "4096\n"}, 4096, "the control group /a.slice"},
		"no limit":  {map[string]string{"/proc/meminfo": "MemTotal:  1000 kB\n", "/proc/self/cgroup": "0::/\n", "/sys/fs/cgroup/memory.max": "max\n"}, 1000 << 10, "this machine"},
		"version 1": {map[string]string{"/proc/self/cgroup": "3:memory:/b\n", "/sys/fs/cgroup/memory/b/memory.limit_in_bytes": "8192\n"}, 8192, "the control group /b"},
		"above, 2":  {map[string]string{"/proc/self/cgroup": "0::/a.slice/b.scope\n", "/sys/fs/cgroup/a.slice/memory.max": "4096\n", "/sys/fs/cgroup/a.slice/b.scope/memory.max": "8192\n"}, 4096, "the control group /a.slice"},
		"above, 1":  {map[string]string{"/proc/self/cgroup": "3:memory:/a/b\n", "/sys/fs/cgroup/memory/a/memory.limit_in_bytes": "4096\n", "/sys/fs/cgroup/memory/a/b/memory.limit_in_bytes": "9223372036854771712\n"}, 4096, "the control group /a"},
		"container": {map[string]string{"/proc/self/cgroup": "0::/\n", "/sys/fs/cgroup/memory.max": "4096\n"}, 4096, "the control group /"},
		"service":   {map[string]string{"/proc/meminfo": "MemTotal: 1000000 kB\n", "/sys/fs/cgroup/system.slice/sensorgate.service/memory.max": "167772160\n"}, 160 << 20, "sensorgate.service"},
		"unknown":   {nil, 0, ""},
	} {
		got, of := memoryLimit(func(path string) ([]byte, error) {
			if text, ok := c.files[path]; ok {
				return []byte(text), nil
			}
			return nil, os.ErrNotExist
		})
		if got != c.want || of != c.of {
			t.Errorf("%s: got %d of %q, want %d of %q", name, got, of, c.want, c.of)
		}
	}
}

func TestCheckWarnsOfMemoryThatIsNotThere(t *testing.T) {
	c := &config.Config{Broker: broker.Options{Memory: 64 << 20}, Devices: make([]config.Device, 100)}
	if w := memoryWarning(c, 160<<20, "sensorgate.service"); w != "" {
		t.Errorf("100 devices and the default fit into the unit's limit, and yet: %s", w)
	}
	c.Devices = make([]config.Device, 5000)
	w := memoryWarning(c, 160<<20, "sensorgate.service")
	for _, part := range []string{"5000 devices", "64", "sensorgate.service", "MemoryMax", "[broker]"} {
		if !strings.Contains(w, part) {
			t.Errorf("the warning %q does not name %q", w, part)
		}
	}
	c.Devices = c.Devices[:1]
	c.History = config.History{Enabled: true, Options: history.Options{Memory: 100 << 20}}
	if w := memoryWarning(c, 160<<20, "sensorgate.service"); !strings.Contains(w, "100.0 MiB for the history") {
		t.Errorf("a history of 100 MiB: %q", w)
	}
	c.History.Enabled = false
	c.Web = config.Web{MaxConnections: 1000, MaxStreams: 100, Listeners: make([]config.WebListener, 1)}
	if w := memoryWarning(c, 160<<20, "sensorgate.service"); !strings.Contains(w, "MiB for the page") {
		t.Errorf("a page for a thousand: %q", w)
	}
	c.Web.Listeners = nil
	if w := memoryWarning(c, 160<<20, "sensorgate.service"); w != "" {
		t.Errorf("neither history nor page: %s", w)
	}
	if w := memoryWarning(c, 0, ""); w != "" {
		t.Errorf("a warning without a known limit: %s", w)
	}
}
