#!/usr/bin/env bash
# Replays the recorded answers against the binary built by `cargo test`: from memory, then from flushed chunks.
# The score in conformance/score.txt may only rise.
set -euo pipefail
cd "$(dirname "$0")/.."
cargo build -p loptr-server -p loptr-conformance
work=$(mktemp -d)
pid=
trap 'kill "$pid" 2>/dev/null || true; rm -rf "$work"' EXIT
sed "s#DATA#$work/data#" conformance/loptr.yaml > "$work/loptr.yaml"
start() {
  ./target/debug/loptr -config.file="$1" 2> "$work/log" &
  pid=$!
  address=
  for _ in $(seq 100); do
    address=$(sed -n 's/.*msg="Loptr started" address=//p' "$work/log")
    [ -n "$address" ] && break
    sleep 0.1
  done
  [ -n "$address" ] || { cat "$work/log"; exit 1; }
}
start "$work/loptr.yaml"
floor() { sed -n "s/^$1 //p" conformance/score.txt; }
score() { sed -n 's/^all recorded  *\([0-9]*\)  *\([0-9]*\) .*/\1 \2/p' "$1" | awk '{print $1 + $2}'; }
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
kill "$pid"
wait "$pid" || true
sed -e 's#^auth_enabled: false#auth_enabled: true#' "$work/loptr.yaml" > "$work/tenants.yaml"
echo 'querier: {multi_tenant_queries_enabled: true}' >> "$work/tenants.yaml"
start "$work/tenants.yaml"
check tenants --push --tenants
