#!/usr/bin/env bash
# Replays the recorded answers against the binary built by `cargo test`: from memory, then from flushed chunks.
# The score in conformance/score.txt may only rise. Then the recorded pushes, against a server of low limits, and the
# patterns of ten files.
set -euo pipefail
cd "$(dirname "$0")/.."
. conformance/started.sh
cargo build -p loptr-server -p loptr-conformance
work=$(mktemp -d)
pids=()
# What is stopped may still write.
trap 'kill "${pids[@]}" 2>/dev/null || true; wait; rm -rf "$work"' EXIT
# Starts Loptr with conformance/$1.yaml; sets `address`.
start() {
  sed "s#DATA#$work/$1#g" "conformance/$1.yaml" > "$work/$1.yaml"
  ./target/debug/loptr -config.file="$work/$1.yaml" 2> "$work/$1.log" &
  pids+=($!)
  until_started "$!" "$work/$1.log"
}
start loptr
floor() { sed -n "s/^$1 //p" conformance/score.txt; }
check() {
  ./target/debug/loptr-conformance run --url "http://$address" "${@:2}" > "$work/$1.txt" || true
  sed -n '/^group/,$p' "$work/$1.txt"
  local got want
  got=$(score "$work/$1.txt") want=$(floor "$1")
  echo "$1: $got recorded cases pass or are listed, floor $want"
  [ "$got" -ge "$want" ]
}
check live --push --live
check flushed --flush
start tenants
check tenants --push --tenants
start grafana
check grafana --push --grafana --tenant grafana
./target/debug/loptr-conformance tails --url "http://$address" > "$work/tails.txt" || { cat "$work/tails.txt"; exit 1; }
sed -n '/^group/,$p' "$work/tails.txt"
start push
./target/debug/loptr-conformance pushes --url "http://$address" > "$work/pushes.txt" || { cat "$work/pushes.txt"; exit 1; }
sed -n '/^group/,$p' "$work/pushes.txt"
start patterns
./target/debug/loptr-conformance patterns --url "http://$address"
