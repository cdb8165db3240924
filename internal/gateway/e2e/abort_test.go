package e2e

import (
	"strings"
	"syscall"
	"testing"
	"time"
)

// Go ends an aborted or panicking program with exit code 2, which is ours for a broken
// configuration: systemd would not start it again. It has to die of the signal.
func TestWatchdogAbortIsNotTakenForABrokenConfiguration(t *testing.T) {
	p, _ := gateway(t, "[broker]\nlisten = [\"tcp://127.0.0.1:0\"]\n[device.x]\ndriver = \"sim\"\n[device.x.channels]\nvalue = {}\n")
	p.cmd.Process.Signal(syscall.SIGABRT) // what systemd sends when the watchdog was not fed
	p.exit(15 * time.Second)
	ws := p.cmd.ProcessState.Sys().(syscall.WaitStatus)
	if !ws.Signaled() || ws.Signal() != syscall.SIGABRT {
		t.Errorf("ended with exit code %d, want death by SIGABRT", ws.ExitStatus())
	}
	if text, _ := p.out.text(); !strings.Contains(text, "goroutine ") {
		t.Error("no stacks in the log: nobody will know where it hung")
	}
}
