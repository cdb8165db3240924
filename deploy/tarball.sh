#!/bin/bash
# Makes the release archive for systems without dpkg: the program, what deploy/ has for
# systemd and udev, pages, manual, examples, licences. Same input, same bytes.
#
#   deploy/tarball.sh BINARY NATIVE VERSION OUT.tar.gz
#
# NATIVE is the same program for this machine: it writes its own manual pages.
set -euo pipefail
binary=$(realpath "$1") native=$(realpath "$2") version=${3#v} out=$(realpath -m "$4")
: "${SOURCE_DATE_EPOCH:?the time of the commit, in seconds}"
export LC_ALL=C TZ=UTC
cd "$(dirname "$0")/.."
umask 022
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
root=$work/sensorgate-$version
mkdir -p "$root"/{deploy,docs,configs,man}
install -m 755 "$binary" "$root/sensorgate"
install -m 644 README.md LICENSE SECURITY.md CHANGELOG.md "$root/"
install -m 644 deploy/sensorgate.{service,sysusers,tmpfiles,toml} deploy/60-sensorgate.rules "$root/deploy/"
cp -r deploy/grafana deploy/telegraf deploy/nodered deploy/i2creset "$root/deploy/"
install -m 644 docs/*.md "$root/docs/"
install -m 644 configs/*.toml "$root/configs/"
cp -r configs/migration "$root/configs/"
"$native" man "$root/man"
GOOS='' GOARCH='' go run ./deploy/sbom -licenses "$binary" >"$root/licenses.txt"
find "$root" -type f -exec chmod u=rwX,go=rX {} +
mkdir -p "$(dirname "$out")"
tar --sort=name --owner=0 --group=0 --numeric-owner --mtime="@$SOURCE_DATE_EPOCH" -C "$work" -cf - "sensorgate-$version" | gzip -9 -n >"$out"
