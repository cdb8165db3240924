package board

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"sensorgate/deploy/board/hardware"
)

// qemuArgs describes the machine to QEMU.
func (m *Machine) qemuArgs(kernel string) []string {
	a := arches[m.Arch]
	accel := a.accel
	if own := os.Getenv("BOARD_ACCEL"); own != "" && m.Arch == hostArch() {
		accel = own // "-enable-kvm -cpu host" where that truly works
	}
	args := []string{
		"-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
		"-smp", strconv.Itoa(m.CPUs), "-m", m.Mem,
		// vhost-user back ends map the guest's memory, so it has to be shared.
		"-machine", a.machine + ",memory-backend=mem", "-object", "memory-backend-memfd,id=mem,size=" + m.Mem + ",share=on",
		// Without no_timer_check an emulated x86 on a busy host now and then panics in the
		// test of the IO-APIC's timer. Against what a processor guesses no emulation has to be
		// protected: it makes each system call forget the page tables, which are slow to read again.
		"-kernel", kernel, "-append", "console=" + a.console + " quiet panic=-1 no_timer_check mitigations=off " + m.rootArgs() + m.Append,
		"-chardev", "file,id=klog,append=on,path=" + m.path("kernel.log"), "-serial", "chardev:klog",
		"-chardev", "socket,id=ttyS1,path=" + m.path(hardware.SocketTTY),
		"-qmp", "unix:" + m.path(hardware.SocketQMP) + ",server=on,wait=off",
	}
	args = append(append(args, a.ttyS1...), strings.Fields(accel)...)
	args = append(args, m.portArgs()...)
	args = append(args, m.diskArgs()...)
	args = append(args, m.netArgs()...)
	if m.RootFS == "" {
		args = append(args, "-initrd", m.path("initrd"))
	} else {
		args = append(args, "-device", "i6300esb", "-watchdog-action", "reset")
	}
	if m.RTC != "" {
		args = append(args, "-rtc", "base="+m.RTC)
	}
	if m.Share != "" {
		args = append(args, "-virtfs", "local,path="+m.Share+",mount_tag=work,security_model=none")
	}
	return args
}

func (m *Machine) rootArgs() string {
	if m.RootFS == "" {
		return ""
	}
	return "root=/dev/vda rw "
}

// portArgs are the ways between the guest and the host, and the hardware.
func (m *Machine) portArgs() []string {
	return []string{
		"-device", "virtio-serial-pci",
		"-chardev", "socket,id=out,path=" + m.path("out"), "-device", "virtconsole,chardev=out",
		"-chardev", "socket,id=sh,path=" + m.path("sh"), "-device", "virtserialport,chardev=sh,name=board.sh",
		"-chardev", "file,id=exit,path=" + m.path("exit"), "-device", "virtserialport,chardev=exit,name=board.exit",
		"-chardev", "socket,id=ctl,path=" + m.path(hardware.SocketControl), "-device", "virtserialport,chardev=ctl,name=board.ctl",
		// QEMU offers event_idx without asking the back end, which does not do it.
		"-chardev", "socket,id=vi2c,path=" + m.path(hardware.SocketI2C), "-device", "vhost-user-i2c-pci,chardev=vi2c,event_idx=off",
		"-chardev", "socket,id=vgpio,path=" + m.path(hardware.SocketGPIO), "-device", "vhost-user-gpio-pci,chardev=vgpio",
		"-device", "qemu-xhci,id=xhci",
		"-chardev", "socket,id=usb0,path=" + m.path(hardware.SocketUSB),
		"-device", "usb-serial,bus=xhci.0,id=usb0,chardev=usb0,serial=BOARD0001",
	}
}

// diskArgs puts the root first, so that it is /dev/vda.
func (m *Machine) diskArgs() (args []string) {
	if m.RootFS != "" {
		args = append(args,
			"-drive", "file="+m.path("root.qcow2")+",if=none,id=root,format=qcow2,cache=writeback",
			"-device", "virtio-blk-pci,drive=root,serial=root")
	}
	if m.DataMB > 0 {
		args = append(args,
			"-blockdev", "driver=file,node-name=data,filename="+m.path("data.img"),
			"-blockdev", "driver=file,node-name=dlog,filename="+m.DataLog(),
			"-blockdev", "driver=blklogwrites,node-name=lw,file=data,log=dlog,log-super-update-interval=1")
		top := "lw"
		if m.Writes > 0 { // a write is in the log when it is done, so it waits before
			args = append(args, "-object", "throttle-group,id=slow,x-iops-write="+strconv.Itoa(m.Writes),
				"-blockdev", "driver=throttle,node-name=th,throttle-group=slow,file=lw")
			top = "th"
		}
		args = append(args, "-device", "virtio-blk-pci,drive="+top+",serial=data")
	}
	return args
}

// netArgs is a network card with QEMU's own network behind it.
func (m *Machine) netArgs() []string {
	if len(m.Ports) == 0 {
		return nil
	}
	net := "user,id=net"
	for host, guest := range m.Ports {
		net += fmt.Sprintf(",hostfwd=tcp:127.0.0.1:%d-:%d", host, guest)
	}
	return []string{"-netdev", net, "-device", "virtio-net-pci,netdev=net,romfile="}
}
