#!/bin/sh
# Looks for what a target needs before it begins, and says what is missing.
#
#   deploy/needs.sh TARGET PROGRAM:DEBIAN-PACKAGE ...
#
# Fails if something is missing: whoever calls it skips the target then.
PATH=$PATH:/usr/sbin:/sbin
target=$1
shift
packages=
for pair; do
	command -v "${pair%%:*}" >/dev/null || {
		echo "skipped $target: no ${pair%%:*} here (Debian package ${pair#*:})"
		packages="$packages ${pair#*:}"
	}
done
[ -z "$packages" ] || {
	echo "try: sudo apt-get install$packages"
	exit 1
}
