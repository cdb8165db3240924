//go:build race

package poll

import "golang.org/x/sys/unix"

// The race detector learns from unix.Read and unix.Write what happened before what.
func read(fd int, b []byte) (int, error)  { return unix.Read(fd, b) }
func write(fd int, b []byte) (int, error) { return unix.Write(fd, b) }

func control(poller, op, fd int, event *unix.EpollEvent) error {
	return unix.EpollCtl(poller, op, fd, event)
}
