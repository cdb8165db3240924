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
	if n, ok := ResidentBytes(); ok {
		memory.Add(float64(n))
	}
	if d, err := os.Open("/proc/self/fd"); err == nil {
		if names, err := d.Readdirnames(-1); err == nil {
			files.Add(float64(len(names)))
		}
		d.Close()
	}
	return []Family{cpu, memory, files}
}

// ResidentBytes is this process's resident memory (proc(5), statm).
func ResidentBytes() (n int64, ok bool) {
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0, false
	}
	fields := strings.Fields(string(text))
	if len(fields) < 2 {
		return 0, false
	}
	pages, err := strconv.ParseInt(fields[1], 10, 64)
	return pages * int64(os.Getpagesize()), err == nil
}
