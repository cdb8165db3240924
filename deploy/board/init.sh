#!/bin/busybox sh
# PID 1 of the small machine. It sets up the devices as udev would, then runs /t/run
# and returns its exit status to the host, or, without one, executes the host's commands.
/bin/busybox --install -s /bin
export PATH=/bin:/sbin HOME=/tmp TMPDIR=/tmp
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev 2>/dev/null
mkdir -p /dev/pts /dev/shm
# A kernel with modules has them in the order of its list; of one without it is empty.
while read -r m; do insmod "/t/$m"; done </t/modules.list
mount -t devpts devpts /dev/pts
mount -t tmpfs tmp /tmp
mount -t tmpfs run /run
mount -t configfs cfg /sys/kernel/config
mount -t debugfs dbg /sys/kernel/debug 2>/dev/null
ln -s /proc/self/fd /dev/fd
ip link set lo up
# QEMU's user network, where there is one: we are 10.0.2.15, the host is 10.0.2.2.
[ -e /sys/class/net/eth0 ] && ip addr add 10.0.2.15/24 dev eth0 && ip link set eth0 up

# /dev/vport* by name
mkdir -p /dev/virtio-ports
for p in /sys/class/virtio-ports/*; do
	[ -s "$p/name" ] && ln -s "/dev/${p##*/}" "/dev/virtio-ports/$(cat "$p/name")"
done

# gpio-sim: a chip "board-sim" of 8 lines. Its outside is
# /sys/devices/platform/gpio-sim.0/gpiochip*/sim_gpioN/{pull,value};
# Documentation/admin-guide/gpio/gpio-sim.rst
s=/sys/kernel/config/gpio-sim/board
mkdir -p $s/bank0
echo 8 >$s/bank0/num_lines
echo board-sim >$s/bank0/label
for i in 0 1 2 3 4 5 6 7; do
	mkdir -p $s/bank0/line$i
	echo "SIM$i" >$s/bank0/line$i/name
done
echo 1 >$s/live

# Whatever file system it has.
[ -b /dev/vda ] && mount /dev/vda /data
mount -t 9p -o trans=virtio,version=9p2000.L,msize=131072 work /host 2>/dev/null && cd /host || cd /tmp

if [ -f /t/run ]; then
	/bin/sh /t/run </dev/null >/dev/hvc0 2>&1
	echo "$?" >/dev/virtio-ports/board.exit
else
	exec 3<>/dev/virtio-ports/board.sh
	echo "##ready $(cut -d' ' -f1 /proc/uptime)" >&3
	while IFS= read -r line <&3; do
		out=$(mktemp)
		sh -c "$line" </dev/null >"$out" 2>&1
		printf '##%d %d\n' $? "$(stat -c %s "$out")" >&3
		cat "$out" >&3
		rm -f "$out"
	done
fi
sync
umount /data 2>/dev/null
poweroff -f
