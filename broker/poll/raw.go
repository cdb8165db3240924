//go:build !race

package poll

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// read and write are the system calls on sockets that never block, without telling the Go
// runtime: it would take the processor away from a goroutine that is in a call for some
// microseconds and give it to whoever can run. While passwords are verified or plots made
// those are many, and each has it for up to 10 ms: a turn of the loop, which is little more than
// such calls, took 20 ms (make attack, row http-logins; runtime/trace: runnable for 10 ms behind
// a read, and for 10 ms behind the write).
func read(fd int, b []byte) (int, error)  { return raw(unix.SYS_READ, fd, b) }
func write(fd int, b []byte) (int, error) { return raw(unix.SYS_WRITE, fd, b) }

// control is epoll_ctl, for the same reason.
func control(poller, op, fd int, event *unix.EpollEvent) error {
	_, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_CTL, uintptr(poller), uintptr(op), uintptr(fd), uintptr(unsafe.Pointer(event)), 0, 0)
	if errno != 0 {
		return errno
	}
	return nil
}

func raw(call uintptr, fd int, b []byte) (int, error) {
	n, _, errno := unix.RawSyscall(call, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)))
	if errno != 0 {
		return -1, errno
	}
	return int(n), nil
}
