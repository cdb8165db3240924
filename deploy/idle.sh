#!/bin/bash
# What a gateway costs that has little to do: three devices, one upstream that is there,
# nobody else. Prints the lines of docs/benchmarks.md. Needs mosquitto.
#
#   deploy/idle.sh [SECONDS]      default 600
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${1:-600}
make -s build
work=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null || true; wait; rm -rf "$work"' EXIT
cat >"$work/idle.toml" <<T
data = "$work/store"
[broker]
listen = ["tcp://127.0.0.1:18873"]
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
rules = [ { dir = "out", local = "{node}/#", qos = 1 } ]
T
mosquitto -p 18874 >/dev/null 2>&1 &
sleep 1
bin/sensorgate run -c "$work/idle.toml" 2>"$work/warm.log" & # warms the page cache, makes the store
warm=$!
sleep 3
kill $warm
wait $warm

start=$(date +%s%N)
bin/sensorgate run -c "$work/idle.toml" 2>"$work/log" &
pid=$!
until bin/sensorgate sub -p 18873 -t '+/meter/power' -C 1 -W 10 >"$work/first" 2>/dev/null; do sleep 0.002; done
first=$(($(date +%s%N) - start))

written() { awk '/^write_bytes/ {print $2}' "/proc/$pid/io"; }
ticks() { awk '{print $14 + $15}' "/proc/$pid/stat"; }
sleep 30 # past the start
w0=$(written) t0=$(ticks)
sleep "$seconds"
w1=$(written) t1=$(ticks)
hz=$(getconf CLK_TCK)
awk '/^VmRSS/ {printf "| resident memory | %.1f MB |\n", $2 / 1024}' "/proc/$pid/status"
awk -v t=$((t1 - t0)) -v hz="$hz" -v s="$seconds" 'BEGIN {printf "| CPU per hour | %.1f s |\n", t / hz / s * 3600}'
awk -v w=$((w1 - w0)) -v s="$seconds" 'BEGIN {printf "| written to the disk per day | %.1f MB |\n", w / s * 86400 / 1e6}'
awk -v n="$first" 'BEGIN {printf "| start to the first reading at a subscriber | %.0f ms |\n", n / 1e6}'
stat -c '| binary (amd64) | %s |' bin/sensorgate | awk '{printf "| binary (amd64) | %.1f MB |\n", $5 / 1e6}'
