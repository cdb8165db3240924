package web

import (
	"os"
	"strconv"
	"strings"
	"syscall"
)

// processFamilies are those that the Prometheus client libraries give for every process.
// What the system does not tell is left out.
func processFamilies() []Family {
	cpu := Family{Name: "process_cpu_seconds", Help: "User and system time.", Type: "counter"}
	memory := Family{Name: "process_resident_memory_bytes", Help: "Resident memory.", Type: "gauge", Unit: "bytes"}
	files := Family{Name: "process_open_fds", Help: "Open file descriptors.", Type: "gauge"}
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) == nil {
		cpu.Add(float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9)
	}
	if text, err := os.ReadFile("/proc/self/statm"); err == nil {
		if fields := strings.Fields(string(text)); len(fields) > 1 {
			if pages, err := strconv.ParseFloat(fields[1], 64); err == nil {
				memory.Add(pages * float64(os.Getpagesize()))
			}
		}
	}
	if d, err := os.Open("/proc/self/fd"); err == nil {
		if names, err := d.Readdirnames(-1); err == nil {
			files.Add(float64(len(names)))
		}
		d.Close()
	}
	return []Family{cpu, memory, files}
}
