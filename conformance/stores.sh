#!/usr/bin/env bash
# Replays the recorded answers with chunks and index in S3 (moto's server), then in Azure Blob Storage (Azurite): flushed,
# then once more from a process that begins with nothing but the store. Skipped by name when python3 or node is missing.
#
#   conformance/stores.sh [s3|azure]...       both without a name
#
# Expects the binaries of `cargo build -p loptr-server -p loptr-conformance`; CLIENTS_CACHE keeps installed packages.
set -euo pipefail
cd "$(dirname "$0")/.."
. conformance/started.sh
work=$(mktemp -d)
cache=${CLIENTS_CACHE:-$work/cache}
mkdir -p "$cache"
pids=()
# What is stopped may still write.
trap 'kill "${pids[@]}" 2>/dev/null || true; wait; rm -rf "$work"' EXIT
free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
until_open() { for _ in $(seq 300); do (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null && return; sleep 0.1; done; return 1; }

# Each sets `store`, the block of `common.storage`, and `kind`, what the period names.
start_s3() {
  command -v python3 >/dev/null || return 77
  [ -x "$cache/moto/bin/moto_server" ] || { python3 -m venv "$cache/moto" && "$cache/moto/bin/pip" -q install 'moto[server]'; } || return 77
  local port; port=$(free_port)
  "$cache/moto/bin/moto_server" -H 127.0.0.1 -p "$port" > "$work/s3.log" 2>&1 & pids+=($!)
  until_open "$port"
  python3 -c "import urllib.request as r; r.urlopen(r.Request('http://127.0.0.1:$port/logs', method='PUT'))"
  kind=s3 store="s3: {s3: \"s3://id:secret@127.0.0.1:$port/logs\", s3forcepathstyle: true}"
}
start_azure() {
  command -v node >/dev/null && command -v npm >/dev/null && command -v python3 >/dev/null || return 77
  [ -d "$cache/azurite/node_modules" ] || { mkdir -p "$cache/azurite" && npm i --silent --no-audit --no-fund --prefix "$cache/azurite" azurite@3.35; } || return 77
  local port; port=$(free_port)
  # The emulator's account and key are published: they open nothing else.
  local key="Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
  node "$cache/azurite/node_modules/.bin/azurite-blob" --blobHost 127.0.0.1 --blobPort "$port" --inMemoryPersistence --skipApiVersionCheck --disableTelemetry --silent > "$work/azure.log" 2>&1 & pids+=($!)
  until_open "$port"
  python3 conformance/azure_container.py "$port" "$key" logs
  kind=azure store="azure: {container_name: logs, connection_string: \"AccountName=devstoreaccount1;AccountKey=$key;BlobEndpoint=http://127.0.0.1:$port/devstoreaccount1\"}"
}
start_loptr() {
  sed "s#DATA#$work/$1#g; s#storage: {filesystem: .*#storage: {$store}#; s#object_store: filesystem#object_store: $kind#" \
    conformance/loptr.yaml > "$work/loptr.yaml"
  # Emptied here: the one before must not be read while the process is being forked.
  : > "$work/loptr.log"
  ./target/debug/loptr -config.file="$work/loptr.yaml" 2>> "$work/loptr.log" &
  loptr=$!
  pids+=("$loptr")
  until_started "$loptr" "$work/loptr.log"
}
check() {
  ./target/debug/loptr-conformance run --url "http://$address" "${@:2}" > "$work/answers.txt" || true
  local got want
  got=$(score "$work/answers.txt") want=$(sed -n 's/^flushed //p' conformance/score.txt)
  echo "$1: $got recorded cases pass or are listed, floor $want"
  [ "$got" -ge "$want" ] || { sed -n '/^group/,$p' "$work/answers.txt"; tail -n 20 "$work/loptr.log"; exit 1; }
}

for name in ${*:-s3 azure}; do
  status=0
  "start_$name" || status=$?
  if [ "$status" = 77 ]; then echo "skipped $name: a program or package it needs is missing"; continue; fi
  [ "$status" = 0 ] || exit "$status"
  start_loptr "$name"
  check "$name, flushed" --push --flush
  kill "$loptr" && wait "$loptr" || true
  start_loptr "$name-afresh"
  check "$name, from the store alone"
  kill "$loptr" && wait "$loptr" || true
done
