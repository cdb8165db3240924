package doctor

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// lookService asks systemd's files, not systemd: that works in an image as well.
func lookService(m Machine) []Finding {
	if _, err := os.Stat(m.path("run/systemd/system")); err != nil {
		return one(Warning, "this system does not run systemd", "see docs/install.md, without systemd")
	}
	units := []string{"etc/systemd/system", "usr/lib/systemd/system", "lib/systemd/system"}
	if !slices.ContainsFunc(units, func(dir string) bool {
		_, err := os.Stat(m.path(dir, "sensorgate.service"))
		return err == nil
	}) {
		return one(Warning, "there is no sensorgate.service", "install the package, or copy deploy/sensorgate.service to /etc/systemd/system")
	}
	if _, err := os.Lstat(m.path("etc/systemd/system/multi-user.target.wants/sensorgate.service")); err != nil {
		return one(Wrong, "the service does not start at boot", "sudo systemctl enable --now sensorgate")
	}
	if !slices.ContainsFunc(m.processes(), process.isGateway) {
		return one(Wrong, "the service is enabled, but no gateway is running", "systemctl status sensorgate; journalctl -u sensorgate -n 30")
	}
	return one(OK, "the service is enabled and running", "")
}

// lookClock: a Pi has no battery clock, so until the network gives the time it lives
// in the past and readings carry "time_synced": false.
func lookClock(m Machine) []Finding {
	if clockSynced() {
		return one(OK, "the clock is synchronised", "")
	}
	if _, err := os.Stat(m.path("run/systemd/timesync/synchronized")); err == nil {
		return one(OK, "the clock was synchronised since the start", "")
	}
	return one(Wrong, "the clock is not synchronised: "+time.Now().UTC().Format(time.RFC3339), "sudo timedatectl set-ntp true    (then: timedatectl timesync-status)")
}

// clockSynced is a variable because the kernel's clock is not a file in a tree.
var clockSynced = func() bool {
	var tx unix.Timex
	state, err := unix.Adjtimex(&tx)
	return err == nil && state != unix.TIME_ERROR && tx.Status&unix.STA_UNSYNC == 0
}

// The bits of the Raspberry Pi firmware's get_throttled, which `vcgencmd
// get_throttled` prints too: the low ones are now, 16 higher since the start.
var throttled = []struct {
	bit  uint
	what string
}{
	{0, "too little voltage"},
	{1, "processor slowed down"},
	{2, "throttled"},
	{3, "too hot"},
}

const betterSupply = "a better power supply and a short, thick cable: a weak one shows as USB adapters that vanish and cards that break"

// lookPower reads what the board says about its supply.
func lookPower(m Machine) []Finding {
	text, err := os.ReadFile(m.path("sys/devices/platform/soc/soc:firmware/get_throttled"))
	if err == nil {
		bits, err := strconv.ParseUint(strings.TrimPrefix(strings.TrimSpace(string(text)), "0x"), 16, 32)
		if err != nil {
			return one(Skipped, fmt.Sprintf("the firmware reports %q for the power supply, which is not a number", text), "")
		}
		return throttleFindings(bits)
	}
	alarms, _ := filepath.Glob(m.path("sys/class/hwmon/hwmon*/in0_lcrit_alarm"))
	for _, path := range alarms {
		name, _ := os.ReadFile(filepath.Join(filepath.Dir(path), "name"))
		if strings.TrimSpace(string(name)) != "rpi_volt" {
			continue
		}
		alarm, err := os.ReadFile(path)
		switch {
		case err != nil:
			return one(Skipped, "power supply: "+err.Error(), "")
		case strings.TrimSpace(string(alarm)) != "0":
			return one(Wrong, "too little voltage, now or since the start", betterSupply)
		}
		return one(OK, "the power supply holds", "")
	}
	return one(Skipped, "power supply: this board does not report it", "")
}

func throttleFindings(bits uint64) (found []Finding) {
	for _, t := range throttled {
		try := betterSupply
		if t.bit == 3 {
			try = "a heat sink, or a case with holes"
		}
		switch {
		case bits>>t.bit&1 == 1:
			found = append(found, Finding{Verdict: Wrong, What: "now: " + t.what, Try: try})
		case bits>>(t.bit+16)&1 == 1:
			found = append(found, Finding{Verdict: Wrong, What: "since the start: " + t.what, Try: try})
		}
	}
	if found == nil {
		found = one(OK, "the power supply holds", "")
	}
	return found
}

// lookHardwareWatchdog: systemd restarts the gateway when it hangs; when the kernel
// hangs, only the board's own watchdog is left.
func lookHardwareWatchdog(m Machine) []Finding {
	if _, err := os.Stat(m.path("dev/watchdog0")); err != nil {
		return one(Skipped, "no hardware watchdog here", "")
	}
	var files []string
	for _, dir := range []string{"etc/systemd", "usr/lib/systemd", "run/systemd"} {
		more, _ := filepath.Glob(m.path(dir, "system.conf.d/*.conf"))
		files = append(files, append(more, m.path(dir, "system.conf"))...)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(text)) {
			key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
			if value = strings.TrimSpace(value); strings.TrimSpace(key) == "RuntimeWatchdogSec" && value != "0" && value != "off" && value != "" {
				return one(OK, "a hanging kernel is restarted by the hardware watchdog after "+value, "")
			}
		}
	}
	return one(Warning, "the board has a watchdog that nobody uses: a hanging kernel hangs forever",
		`sudo mkdir -p /etc/systemd/system.conf.d && printf '[Manager]\nRuntimeWatchdogSec=15\n' | sudo tee /etc/systemd/system.conf.d/watchdog.conf && sudo systemctl daemon-reexec`)
}
