#!/bin/bash
# Is the release in dist/ what this commit builds into anywhere? Clones the commit to
# another path, builds it with an empty build cache, another umask and another time
# zone, and compares the checksums.
set -euo pipefail
cd "$(dirname "$0")/.."
test -z "$(git status --porcelain)" || { echo "reproducible: commit first, only commits can be compared"; exit 1; }
work=$(mktemp -d)
trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT
git clone -q . "$work/some/other/place"
umask 027
unset SOURCE_DATE_EPOCH
GOCACHE=$work/cache TZ=Pacific/Kiritimati make -s -C "$work/some/other/place" release >"$work/log" || { cat "$work/log"; exit 1; }
diff dist/SHA256SUMS "$work/some/other/place/dist/SHA256SUMS"
echo "reproducible: $(wc -l <dist/SHA256SUMS) files, the same bytes"
