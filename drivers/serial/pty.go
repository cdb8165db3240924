package serial

import (
	"context"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"sensorgate/drivers"
)

// OpenPTY makes a pair of ports that are connected by a wire in the kernel: what is
// written to master arrives at whoever opens path, and the other way round. Tests and
// the replay of recordings use it.
func OpenPTY() (master *os.File, path string, err error) {
	fd, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, "", fmt.Errorf("/dev/ptmx: %w", err)
	}
	master = os.NewFile(uintptr(fd), "/dev/ptmx") // non-blocking, so Close ends a Read
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		master.Close()
		return nil, "", fmt.Errorf("unlock pty: %w", err)
	}
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		master.Close()
		return nil, "", fmt.Errorf("number of pty: %w", err)
	}
	makeRaw(fd)
	return master, fmt.Sprintf("/dev/pts/%d", n), nil
}

// makeRaw takes out the echo from before somebody opens the other end and does so itself.
func makeRaw(fd int) {
	settings, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil {
		return // the user of the other end will notice an echo at most
	}
	settings.Lflag &^= unix.ECHO | unix.ICANON | unix.ISIG
	settings.Iflag &^= unix.ICRNL | unix.IXON
	settings.Oflag &^= unix.OPOST
	unix.IoctlSetTermios(fd, unix.TCSETS, settings)
}

// AwaitOpen waits until somebody has opened the other end of an OpenPTY.
func AwaitOpen(ctx context.Context, master *os.File, path string) error {
	// The kernel only tells an end that was closed from one that is open, so close it once.
	other, err := os.OpenFile(path, os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		return err
	}
	other.Close()
	raw, err := master.SyscallConn()
	if err != nil {
		return err
	}
	raw.Control(func(fd uintptr) { makeRaw(int(fd)) })
	for open := false; !open; {
		if !drivers.Sleep(ctx, 20*time.Millisecond) {
			return ctx.Err()
		}
		raw.Control(func(fd uintptr) {
			fds := []unix.PollFd{{Fd: int32(fd)}}
			if _, err := unix.Poll(fds, 0); err == nil {
				open = fds[0].Revents&unix.POLLHUP == 0
			}
		})
	}
	drivers.Sleep(ctx, 100*time.Millisecond) // whoever opened it sets the line up first
	return ctx.Err()
}
