// Package board boots a computer that is not there: a small Linux under QEMU with a
// real GPIO character device, real /dev/i2c and w1 with emulated chips behind, a USB
// serial adapter that can be unplugged, and a disk whose writes are logged, so that a
// power cut can be played at any of them. Tests use it to see what fakes cannot show.
//
// Nouns: a Machine is one virtual computer in one directory; it has Hardware (package
// hardware) that the host holds in its hands. Two kinds boot: the small one, a kernel
// with busybox in memory that runs one program, in three seconds; and Debian with
// systemd on a disk, for a package and its service.
//
// It needs the Debian packages qemu-system-x86 (qemu-system-arm for arm64),
// busybox-static and e2fsprogs, and the kernel, which Kernel finds or which
// kernel/build-kernel.sh builds. Everything is emulated: a factor of ten to forty
// slower than the machine it runs on, so nothing may be measured here.
package board
