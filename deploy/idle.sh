#!/bin/bash
# What a gateway costs that has little to do: three devices, one upstream that is there,
# nobody else; beside it, at the same time, the same gateway without page, API and history.
# Prints the lines of docs/benchmarks.md, and ends with 1 if page, API and history cost more
# than 3 MB of resident memory or 1 s of CPU an hour. Needs mosquitto, and a machine that does
# nothing else: make idle.
#
#   deploy/idle.sh [SECONDS]      default 600
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${1:-600}
[ -n "${PROGRAM:-}" ] || make -s build
program=${PROGRAM:-bin/sensorgate}
work=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null || true; wait; rm -rf "$work"' EXIT

config() { # NAME PORT
	cat <<T
data = "$work/store-$1"
[broker]
listen = ["tcp://127.0.0.1:$2"]
[device.attic]
driver = "sim"
every = "10s"
[device.attic.channels]
temperature = { shape = "sine", unit = "°C", digits = 1 }
humidity = { shape = "walk", unit = "%", digits = 0 }
[device.meter]
driver = "sim"
every = "5s"
[device.meter.channels]
power = { shape = "walk", from = 200, to = 3000, unit = "W", digits = 0 }
energy = { shape = "counter", unit = "kWh", kind = "total", digits = 3 }
[device.tank]
driver = "sim"
every = "60s"
[device.tank.channels]
level = { shape = "walk", unit = "%", digits = 0 }
[bridge.cloud]
urls = ["mqtt://127.0.0.1:18874"]
client_id = "idle-$1"
rules = [ { dir = "out", local = "{node}/#", qos = 1 } ]
T
}
{
	config whole 18873
	printf '[web]\nlisten = ["http://127.0.0.1:18876"]\n'
} >"$work/whole.toml"
{
	config bare 18875
	printf '[history]\nenabled = false\n'
} >"$work/bare.toml"

mosquitto -p 18874 >/dev/null 2>&1 &
sleep 1
for name in whole bare; do # warms the page cache, makes the stores
	"$program" run -c "$work/$name.toml" 2>"$work/warm.log" &
	warm=$!
	sleep 3
	kill $warm
	wait $warm
done

start=$(date +%s%N)
"$program" run -c "$work/whole.toml" 2>"$work/whole.log" &
whole=$!
until "$program" sub -p 18873 -t '+/meter/power' -C 1 -W 10 >"$work/first" 2>/dev/null; do sleep 0.002; done
first=$(($(date +%s%N) - start))
"$program" run -c "$work/bare.toml" 2>"$work/bare.log" &
bare=$!

written() { awk '/^write_bytes/ {print $2}' "/proc/$1/io"; }
ticks() { awk '{print $14 + $15}' "/proc/$1/stat"; }
resident() { awk '/^VmRSS/ {print $2}' "/proc/$1/status"; }
sleep 30 # past the start
w0=$(written $whole) t0=$(ticks $whole) bt0=$(ticks $bare) bw0=$(written $bare)
rounds=0 sum=0 bsum=0
end=$(($(date +%s) + seconds))
began=$(date +%s)
while [ "$(date +%s)" -lt $end ]; do
	sleep 10
	rounds=$((rounds + 1))
	sum=$((sum + $(resident $whole)))
	bsum=$((bsum + $(resident $bare)))
done
lasted=$(($(date +%s) - began))
w1=$(written $whole) t1=$(ticks $whole) bt1=$(ticks $bare) bw1=$(written $bare)
hz=$(getconf CLK_TCK)
awk -v w=$sum -v b=$bsum -v n=$rounds 'BEGIN {printf "| resident memory, mean | %.1f MB | %.1f MB | %+.1f MB |\n", w/n/1024, b/n/1024, (w-b)/n/1024}'
awk -v t=$((t1 - t0)) -v u=$((bt1 - bt0)) -v hz="$hz" -v s="$lasted" 'BEGIN {printf "| CPU per hour | %.1f s | %.1f s | %+.1f s |\n", t/hz/s*3600, u/hz/s*3600, (t-u)/hz/s*3600}'
awk -v w=$((w1 - w0)) -v v=$((bw1 - bw0)) -v s="$lasted" 'BEGIN {printf "| written to the disk per day | %.1f MB | %.1f MB | %+.1f MB |\n", w/s*86400/1e6, v/s*86400/1e6, (w-v)/s*86400/1e6}'
awk -v n="$first" 'BEGIN {printf "| start to the first reading at a subscriber | %.0f ms | | |\n", n / 1e6}'
stat -c '%s' "$program" | awk '{printf "| binary (amd64) | %.1f MB | | |\n", $1 / 1e6}'
awk -v w=$sum -v b=$bsum -v n=$rounds -v t=$((t1 - t0)) -v u=$((bt1 - bt0)) -v hz="$hz" -v s="$lasted" 'BEGIN {
	more = (w - b) / n / 1024; cpu = (t - u) / hz / s * 3600
	if (more > 3) {printf "idle: page and history take %.1f MB more, want at most 3\n", more; bad = 1}
	if (cpu > 1) {printf "idle: page and history take %.1f s of CPU an hour more, want at most 1\n", cpu; bad = 1}
	exit bad
}' && verdict=0 || verdict=1
echo "load average at the end: $(cut -d' ' -f1-3 /proc/loadavg), $lasted s"
exit $verdict
