package board

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// ErrMissing reports that something is not installed: tests skip with it as the reason.
var ErrMissing = errors.New("the virtual board cannot run here")

// arch is what differs between the machines.
type arch struct {
	qemu, machine, kernel, console, accel string
	ttyS1                                 []string // the second serial line
}

var arches = map[string]arch{
	"amd64": {"qemu-system-x86_64", "q35", "bzImage", "ttyS0", "-accel tcg,thread=multi -cpu max", []string{"-serial", "chardev:ttyS1"}},
	// Its second line comes up as ttyS0.
	"arm64": {"qemu-system-aarch64", "virt", "Image-arm64", "ttyAMA0", "-accel tcg,thread=multi -cpu cortex-a53", []string{"-device", "pci-serial,chardev=ttyS1"}},
}

// Kernel returns the path of the kernel for an architecture: one built here by
// kernel/build-kernel.sh, or one of the rig directory, $RIG_DIR or ../shared/rig
// beside the checkout.
func Kernel(goarch string) (string, error) {
	a, ok := arches[goarch]
	if !ok {
		return "", fmt.Errorf("%w: no machine for %q", ErrMissing, goarch)
	}
	top, err := moduleRoot()
	if err != nil {
		return "", err
	}
	rig := os.Getenv("RIG_DIR")
	if rig == "" {
		rig = filepath.Join(top, "..", "shared", "rig")
	}
	for _, dir := range []string{filepath.Join(top, "deploy", "board", "kernel"), filepath.Join(rig, "kernel")} {
		if path := filepath.Join(dir, a.kernel); readable(path) {
			return path, nil
		}
	}
	return "", fmt.Errorf("%w: no kernel %s (try: make board-kernel, or set RIG_DIR)", ErrMissing, a.kernel)
}

// Ready reports whether a machine of an architecture can be booted, and if not why.
func Ready(goarch string) error {
	if _, err := Kernel(goarch); err != nil {
		return err
	}
	if _, err := exec.LookPath(arches[goarch].qemu); err != nil {
		return fmt.Errorf("%w: no %s (Debian package qemu-system-x86 or qemu-system-arm)", ErrMissing, arches[goarch].qemu)
	}
	_, err := busybox(goarch)
	return err
}

// busybox returns a static busybox for the machine. A foreign one is fetched once by
// rootfs/getdeb.
func busybox(goarch string) (string, error) {
	if goarch == hostArch() && readable("/bin/busybox") {
		return "/bin/busybox", nil
	}
	top, err := moduleRoot()
	if err != nil {
		return "", err
	}
	path := filepath.Join(top, "deploy", "board", "cache", "busybox-"+goarch)
	if !readable(path) {
		return "", fmt.Errorf("%w: no busybox for %s (Debian package busybox-static; for another architecture: make deploy/board/cache/busybox-%s)", ErrMissing, goarch, goarch)
	}
	return path, nil
}

// hostArch is the architecture of the machine itself; a test of it may run emulated.
func hostArch() string {
	out, err := exec.Command("uname", "-m").Output()
	if err != nil {
		return ""
	}
	return map[string]string{"x86_64": "amd64", "aarch64": "arm64"}[strings.TrimSpace(string(out))]
}

func readable(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	_ = f.Close()
	return true
}

// moduleRoot is the checkout that the working directory lies in.
func moduleRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for ; ; dir = filepath.Dir(dir) {
		if readable(filepath.Join(dir, "go.mod")) {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", fmt.Errorf("%w: not in a checkout", ErrMissing)
		}
	}
}
