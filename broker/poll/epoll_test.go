package poll

import (
	"errors"
	"testing"

	"golang.org/x/sys/unix"
)

// TestWakeAfterCloseReachesNoOtherFile: the next file that is opened gets the number of the
// bell, and what somebody who is late writes there would be that file's.
func TestWakeAfterCloseReachesNoOtherFile(t *testing.T) {
	p, err := newEpoll()
	if err != nil {
		t.Fatal(err)
	}
	bell := p.bell
	p.Close()
	other, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(other)
	if other != bell {
		if err := unix.Dup3(other, bell, unix.O_CLOEXEC); err != nil {
			t.Fatal(err)
		}
		defer unix.Close(bell)
	}
	p.Wake()
	var b [8]byte
	if _, err := unix.Read(other, b[:]); !errors.Is(err, unix.EAGAIN) {
		t.Errorf("the file that has the number now was written to: %v, %v", b, err)
	}
}
