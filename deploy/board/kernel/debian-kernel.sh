#!/bin/bash
# A kernel for the board in a minute instead of ten: Debian's own, with the three drivers
# that it lacks (virtio GPIO, spi-gpio, the board's SPI bus) built as modules. For the SPI
# tests; the other tests want the kernel of build-kernel.sh.
#   apt-get install linux-source-6.1 gcc-12 make
#   ./debian-kernel.sh DIR [RELEASE]           then: RIG_DIR=DIR make board-spi
set -eu
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1/kernel" "$1/deb" "$1/mod"
dir=$(cd "$1" && pwd)
rel=${2:-$(apt-cache search --names-only '^linux-headers-6\.1\.[0-9]+-[0-9]+-amd64$' | sed 's/linux-headers-//; s/-amd64 .*//' | sort -V | tail -1)}
cd "$dir/deb"
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
cd "$dir/deb/root/lib/modules/$rel-amd64/kernel"
cp fs/configfs/configfs.ko drivers/virtio/virtio*.ko drivers/char/virtio_console.ko drivers/spi/spi-bitbang.ko "$dir"/mod/*.ko "$dir/kernel"
strip -g "$dir"/kernel/*.ko
printf '%s.ko\n' configfs virtio virtio_ring virtio_pci_modern_dev virtio_pci_legacy_dev virtio_pci virtio_console \
	gpio-virtio spi-bitbang spi-gpio spi-board >"$dir/kernel/modules.list"
