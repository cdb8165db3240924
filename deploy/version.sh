#!/bin/sh
# Prints the version of what is checked out: the tag, or after the last tag the time
# and the commit, which sorts. Everything that is built carries it (see Makefile).
set -eu
cd "$(dirname "$0")/.."
if ! head=$(git rev-parse --short=12 HEAD 2>/dev/null); then
	echo "v0.0.0-devel" # a source archive without history
	exit
fi
dirty=
test -z "$(git status --porcelain --untracked-files=no)" || dirty=dirty
if tag=$(git describe --tags --exact-match --match 'v[0-9]*' 2>/dev/null); then
	echo "$tag${dirty:++$dirty}"
	exit
fi
base=$(git describe --tags --abbrev=0 --match 'v[0-9]*' 2>/dev/null || echo v0.0.0)
time=$(TZ=UTC git show -s --format=%cd --date=format-local:%Y%m%d%H%M%S HEAD)
echo "$base+$time.$head${dirty:+.$dirty}"
