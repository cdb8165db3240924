#!/bin/bash
# Makes one Debian package from a binary that is built already. Same input, same
# bytes: owner, modes, order and times do not come from this machine.
#
#   deploy/deb/build.sh BINARY NATIVE ARCH CPU VERSION OUT.deb
#
# NATIVE is the same program for this machine: it writes its own manual pages.
# SOURCE_DATE_EPOCH is the time of everything in the package. DEB_COMPRESSION=none is
# for tests, which would spend most of their time in xz.
set -euo pipefail
binary=$(realpath "$1") native=$(realpath "$2") arch=$3 cpu=$4 version=$5 out=$(realpath -m "$6")
: "${SOURCE_DATE_EPOCH:?the time of the commit, in seconds}"
export SOURCE_DATE_EPOCH LC_ALL=C TZ=UTC
cd "$(dirname "$0")/../.."
umask 022

root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
chmod 755 "$root"

# put MODE SOURCE DESTINATION
put() { install -D -m "$1" "$2" "$root/$3"; }
# zipped SOURCE DESTINATION: as Debian wants manual pages and long texts
zipped() { install -d "$root/$(dirname "$2")"; gzip -9 -n <"$1" >"$root/$2.gz"; }

put 755 "$binary" usr/bin/sensorgate
put 644 deploy/sensorgate.service usr/lib/systemd/system/sensorgate.service
put 644 deploy/sensorgate.sysusers usr/lib/sysusers.d/sensorgate.conf
put 644 deploy/sensorgate.tmpfiles usr/lib/tmpfiles.d/sensorgate.conf
put 644 deploy/60-sensorgate.rules usr/lib/udev/rules.d/60-sensorgate.rules
put 644 deploy/i2creset/sensorgate-i2c-reset.path usr/lib/systemd/system/sensorgate-i2c-reset.path
put 644 deploy/i2creset/sensorgate-i2c-reset.service usr/lib/systemd/system/sensorgate-i2c-reset.service
put 755 deploy/i2creset/i2c-reset usr/lib/sensorgate/i2c-reset
put 644 deploy/sensorgate.toml etc/sensorgate/sensorgate.toml

doc=usr/share/doc/sensorgate
# The pages for users, side by side; what they link for those who change the code is not
# here, so that of such a link only the words stay, and of a picture what it shows.
for page in README.md SECURITY.md docs/*.md; do
	case $page in docs/ARCHITECTURE.md | docs/adding-a-driver.md | docs/board.md) continue ;; esac
	install -d "$root/$doc"
	sed -E -e '/^\| change the code \|/d' -e '/^## Change the code$/,$d' -e 's#\]\(docs/#](#g' -e 's#\]\((\.\./)?configs/reference\.toml\)#](reference.toml.gz)#g' \
		-e 's#\]\(\.\./(README|SECURITY)\.md#](\1.md#g' -e 's#!\[([^]]*)\]\([^)]*\.png\)#(\1)#g' \
		-e 's#\[([^]]+)\]\((\.\./internal|ARCHITECTURE|adding-a-driver|board|\.\./drivers|\.\./deploy)[^)]*\)#\1#g' \
		-e 's#deploy/(grafana|nodered|telegraf)#examples/\1#g' -e 's#configs/reference\.toml#reference.toml.gz#g' -e 's#configs/([a-z-]+\.toml)#examples/\1#g' \
		-e 's#\[configs/migration\]\(\.\./configs/migration\)#[examples/migration](examples/migration)#' "$page" >"$root/$doc/$(basename "$page")"
	chmod 644 "$root/$doc/$(basename "$page")"
done
zipped CHANGELOG.md $doc/NEWS
zipped configs/reference.toml $doc/reference.toml
put 644 deploy/deb/lintian-overrides usr/share/lintian/overrides/sensorgate
for example in configs/*.toml; do
	[ "$example" = configs/reference.toml ] || put 644 "$example" $doc/examples/"$(basename "$example")"
done
for example in deploy/{grafana,nodered,telegraf}/*; do
	put 644 "$example" $doc/examples/"${example#deploy/}"
done
for example in configs/migration/*; do
	put 644 "$example" $doc/examples/migration/"$(basename "$example")"
done

# Apache-2.0 section 4 and the BSD and MIT licences ask that their texts travel along.
mkdir -p "$root/work"
{
	printf 'sensorgate is free software under the Apache License, version 2.0:\n/usr/share/common-licenses/Apache-2.0\n\nThe program contains these works of others.\n\n'
	GOOS= GOARCH= go run ./deploy/sbom -licenses "$binary"
} >"$root/work/copyright"
put 644 "$root/work/copyright" $doc/copyright
GOOS= GOARCH= go run ./deploy/sbom -version "$version" "$binary" >"$root/work/sbom"
zipped "$root/work/sbom" $doc/sbom.cdx.json

mkdir "$root/work/man"
"$native" man "$root/work/man"
for page in "$root"/work/man/*.[15]; do
	zipped "$page" usr/share/man/man"${page##*.}"/"$(basename "$page")"
done
"$native" completion bash >"$root/work/bash"
"$native" completion zsh >"$root/work/zsh"
"$native" completion fish >"$root/work/fish"
put 644 "$root/work/bash" usr/share/bash-completion/completions/sensorgate
put 644 "$root/work/zsh" usr/share/zsh/vendor-completions/_sensorgate
put 644 "$root/work/fish" usr/share/fish/vendor_completions.d/sensorgate.fish
# v1.2.0-rc.1+x is 1.2.0~rc.1+x in Debian's order of versions.
debversion=$(sed 's/^v//; s/-/~/' <<<"$version")
# What changed is in NEWS.gz; Debian's tools want a list of versions in a form of their own.
maintainer=$(sed -n 's/^Maintainer: //p' deploy/deb/control.in)
printf 'sensorgate (%s) stable; urgency=medium\n\n  * See NEWS.gz.\n\n -- %s  %s\n' \
	"$debversion" "$maintainer" "$(date -u -R -d "@$SOURCE_DATE_EPOCH")" >"$root/work/changelog"
zipped "$root/work/changelog" $doc/changelog
rm -r "$root/work"

# Not du: it depends on the file system's blocks.
size=$(find "$root" -type f -printf '%s\n' | awk '{s += int(($1 + 1023) / 1024)} END {print s}')
mkdir "$root/DEBIAN"
sed "s/@VERSION@/$debversion/; s/@ARCH@/$arch/; s/@SIZE@/$size/" deploy/deb/control.in >"$root/DEBIAN/control"
install -m 644 deploy/deb/conffiles "$root/DEBIAN/conffiles"
sed "s/@CPU@/$cpu/g" deploy/deb/preinst >"$root/DEBIAN/preinst"
install -m 755 deploy/deb/postinst deploy/deb/prerm deploy/deb/postrm "$root/DEBIAN/"
chmod 755 "$root/DEBIAN/preinst"
(cd "$root" && find usr -type f -print0 | sort -z | xargs -0 md5sum) >"$root/DEBIAN/md5sums"

# dpkg-deb clamps times to SOURCE_DATE_EPOCH only from above.
find "$root" -print0 | xargs -0 touch -h -d "@$SOURCE_DATE_EPOCH"
mkdir -p "$(dirname "$out")"
# One thread: the number of this machine's would show in the compressed blocks.
dpkg-deb --root-owner-group --uniform-compression -Z"${DEB_COMPRESSION:-xz}" --threads-max=1 -b "$root" "$out" >/dev/null
