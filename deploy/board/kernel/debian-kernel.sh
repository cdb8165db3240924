#!/bin/bash
# A kernel for the board in a minute instead of ten: Debian's own, with the three drivers
# that it lacks (virtio GPIO, spi-gpio, the board's SPI bus) built as modules. For the SPI
# tests, and for power cuts on file systems that ours does not have; the other tests want
# the kernel of build-kernel.sh.
#   apt-get install linux-source-6.1 gcc-12 make
#   ./debian-kernel.sh DIR [RELEASE]           then: RIG_DIR=DIR make board-spi
set -eu
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1/kernel" "$1/deb" "$1/mod"
dir=$(cd "$1" && pwd)
rel=${2:-$(apt-cache search --names-only '^linux-headers-6\.1\.[0-9]+-[0-9]+-amd64$' | sed 's/linux-headers-//; s/-amd64 .*//' | sort -V | tail -1)}
cd "$dir/deb"
ls linux-image-"$rel"-amd64-unsigned_*.deb >/dev/null 2>&1 ||
	apt-get download "linux-image-$rel-amd64-unsigned" "linux-headers-$rel-amd64" "linux-headers-$rel-common" linux-kbuild-6.1
for deb in *.deb; do dpkg-deb -x "$deb" root; done
headers=$dir/deb/root/usr/src/linux-headers-$rel-amd64
echo "include $dir/deb/root/usr/src/linux-headers-$rel-common/Makefile" >"$headers/Makefile"
cd "$dir/mod"
tar -xf /usr/src/linux-source-6.1.tar.xz --strip-components=3 --wildcards \
	'*/drivers/gpio/gpio-virtio.c' '*/drivers/spi/spi-gpio.c' '*/drivers/spi/spi-bitbang-txrx.h'
sed -n '/^+++ b\/drivers\/spi\/spi-board.c/,$p' "$here/spi-board.patch" | sed -n 's/^+//p' | sed 1d >spi-board.c
echo 'obj-m := gpio-virtio.o spi-gpio.o spi-board.o' >Makefile
make -s -C "$headers" M="$dir/mod" modules
cp "$dir/deb/root/boot/vmlinuz-$rel-amd64" "$dir/kernel/bzImage"
rm -f "$dir"/kernel/*.ko "$dir"/kernel/modules*.list

# add puts a module into a list behind those that it needs. Which these are stands in
# the module itself; it differs from one release of Debian's kernel to the next.
add() {
	local ko need
	! cat "$dir/kernel/modules.list" "$dir/kernel/$2" 2>/dev/null | grep -qxF "$1.ko" || return 0
	ko=$(find "$dir/mod" "$dir/deb/root/lib/modules/$rel-amd64" -name "$1.ko" | head -1)
	[ -n "$ko" ] || ko=$(find "$dir/mod" "$dir/deb/root/lib/modules/$rel-amd64" -name "$(echo "$1" | tr _ -).ko" | head -1)
	[ -n "$ko" ] || { echo "no module $1" >&2; return 1; }
	cp "$ko" "$dir/kernel/$1.ko"
	for need in $(tr '\0' '\n' <"$ko" | sed -n 's/^depends=//p' | tr ',' ' '); do add "$need" "$2"; done
	echo "$1.ko" >>"$dir/kernel/$2"
}
for m in configfs virtio_pci virtio_console virtio_blk virtio_net 9pnet_virtio 9p gpio_virtio spi_gpio spi_board; do
	add $m modules.list
done
for fs in ext4 btrfs f2fs xfs; do
	add crc32c_generic modules-$fs.list
	add $fs modules-$fs.list
done
strip -g "$dir"/kernel/*.ko
