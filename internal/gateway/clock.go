package gateway

import (
	"os"

	"golang.org/x/sys/unix"
)

// timeSynced reports whether the wall clock can be trusted: a Pi has no battery and
// starts in the past. The kernel knows from whoever disciplines the clock (NTP, PTP,
// GPS); systemd-timesyncd also leaves a file.
func timeSynced() bool {
	var tx unix.Timex
	state, err := unix.Adjtimex(&tx)
	if err == nil && state != unix.TIME_ERROR && tx.Status&unix.STA_UNSYNC == 0 {
		return true
	}
	_, err = os.Stat("/run/systemd/timesync/synchronized")
	return err == nil
}
