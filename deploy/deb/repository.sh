#!/bin/bash
# Lays out an apt repository of the packages in a folder: what a web server serves as it is.
#
#   deploy/deb/repository.sh OUT FOLDER
#
# SOURCE_DATE_EPOCH is its date. With SIGN_KEY (a name that gpg knows) it is signed;
# without, apt takes it only as [trusted=yes]. The package for ARMv6 boards has the name,
# version and architecture of the one for ARMv7, so it is in a component of its own: a Pi 1
# or Zero takes "stable armv6" instead of "stable main".
set -euo pipefail
: "${SOURCE_DATE_EPOCH:?the time of the commit, in seconds}"
export LC_ALL=C TZ=UTC
out=$(realpath -m "$1") from=$(realpath "$2")
rm -rf "$out"
umask 022
for deb in "$from"/sensorgate_*.deb; do
	component=main
	case $deb in *armhf-v6.deb) component=armv6 ;; esac
	install -D -m 644 "$deb" "$out/pool/$component/$(basename "$deb")"
done
cd "$out"
suite=dists/stable
components=$(ls pool)
archs=$(for deb in pool/*/*.deb; do dpkg-deb -f "$deb" Architecture; done | sort -u | xargs)
for component in $components; do
	for arch in $archs; do
		index=$suite/$component/binary-$arch
		mkdir -p "$index"
		dpkg-scanpackages -a "$arch" "pool/$component" >"$index/Packages" 2>/dev/null
		gzip -9 -n -k "$index/Packages"
	done
done
{
	printf 'Origin: sensorgate\nLabel: sensorgate\nSuite: stable\nCodename: stable\nDate: %s\nArchitectures: %s\nComponents: %s\nDescription: sensorgate packages\nSHA256:\n' \
		"$(date -u -R -d "@$SOURCE_DATE_EPOCH" | sed 's/+0000/UTC/')" "$archs" "$(xargs <<<"$components")"
	(cd $suite && find . -name 'Packages*' -printf '%P\n' | sort | while read -r file; do
		printf ' %s %s %s\n' "$(sha256sum <"$file" | cut -d' ' -f1)" "$(stat -c %s "$file")" "$file"
	done)
} >$suite/Release
if [ -n "${SIGN_KEY:-}" ]; then
	gpg --batch --yes --local-user "$SIGN_KEY" --clearsign --output $suite/InRelease $suite/Release
	gpg --batch --yes --local-user "$SIGN_KEY" --detach-sign --armor --output $suite/Release.gpg $suite/Release
	gpg --batch --yes --output sensorgate.gpg --export "$SIGN_KEY"
fi
