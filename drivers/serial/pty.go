package serial

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
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
	// Without an echo from before somebody opens the other end and makes it raw.
	if settings, err := unix.IoctlGetTermios(fd, unix.TCGETS); err == nil {
		settings.Lflag &^= unix.ECHO | unix.ICANON | unix.ISIG
		settings.Iflag &^= unix.ICRNL | unix.IXON
		settings.Oflag &^= unix.OPOST
		unix.IoctlSetTermios(fd, unix.TCSETS, settings)
	}
	return master, fmt.Sprintf("/dev/pts/%d", n), nil
}
