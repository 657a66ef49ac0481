#!/usr/bin/env bash
# Starts Loptr, lets each client push its lines as a tenant of its own, then asks by LogQL for exactly these lines.
#
#   conformance/clients/run.sh [NAME...]      all clients without a name
#
# A client is skipped, by name, when the program it needs is missing or its packages cannot be had. LOPTR is the binary
# (default: target/debug/loptr), CLIENTS_CACHE a folder in which installed packages are kept between runs.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
loptr=${LOPTR:-$root/target/debug/loptr}
work=$(mktemp -d)
cache=${CLIENTS_CACHE:-$work/cache}
mkdir -p "$cache"
lines=50
pid=
cleanup() { [ -z "$pid" ] || kill "$pid" 2>/dev/null || true; rm -rf "$work"; }
trap cleanup EXIT

sed "s#DATA#$work/data#; s/auth_enabled: false/auth_enabled: true/" "$here/../loptr.yaml" > "$work/loptr.yaml"
"$loptr" -config.file="$work/loptr.yaml" 2> "$work/log" &
pid=$!
for _ in $(seq 100); do
  address=$(sed -n 's/.*msg="Loptr started" address=//p' "$work/log")
  [ -n "$address" ] && break
  sleep 0.1
done
[ -n "$address" ] || { cat "$work/log"; exit 1; }
export LOKI_URL="http://$address" LINES_TO_SEND=$lines

# Each function installs what it needs (returns 77 to skip), pushes, and is checked by `check.py` with its labels.
missing() { for program in "$@"; do command -v "$program" >/dev/null || { echo "$program is missing"; return 0; }; done; return 1; }
python_packages() {
  missing python3 && return 77
  [ -x "$cache/$1/bin/python" ] || { python3 -m venv "$cache/$1" && "$cache/$1/bin/pip" -q install "${@:2}"; } || return 77
}
node_packages() {
  missing node npm && return 77
  [ -d "$cache/$1/node_modules" ] || { mkdir -p "$cache/$1" && npm i --silent --no-audit --no-fund --prefix "$cache/$1" "${@:2}"; } || return 77
}

client_python_otel() {
  python_packages python-otel opentelemetry-sdk opentelemetry-exporter-otlp-proto-http || return
  "$cache/python-otel/bin/python" "$here/python_otel.py"
}
client_python_loki() {
  python_packages python-loki loki-logger-handler requests || return
  "$cache/python-loki/bin/python" "$here/python_loki.py"
}
client_winston() {
  node_packages winston winston winston-loki || return
  NODE_PATH="$cache/winston/node_modules" node "$here/winston.cjs" json
}
client_winston_protobuf() {
  node_packages winston winston winston-loki || return
  NODE_PATH="$cache/winston/node_modules" node "$here/winston.cjs" protobuf
}
client_pino() {
  node_packages pino pino pino-loki || return
  cp "$here/pino.mjs" "$cache/pino/pino.mjs" && node "$cache/pino/pino.mjs"
}
client_logback() {
  missing java mvn && return 77
  mkdir -p "$cache/logback" && cp -R "$here/logback/." "$cache/logback"
  (cd "$cache/logback" && mvn -q -B -Dmaven.repo.local="$cache/m2" compile exec:java) || return
}
client_syslog_ng() {
  if missing syslog-ng; then
    [ -n "${CI:-}" ] && apt-get install -y -q --no-install-recommends syslog-ng-core syslog-ng-mod-http >/dev/null 2>&1 || return 77
  fi
  for at in $(seq 0 $((lines - 1))); do echo "line $at"; done > "$work/syslog.in"
  sed "s#URL#$LOKI_URL#; s#FILE#$work/syslog.in#" "$here/syslog-ng.conf" > "$work/syslog-ng.conf"
  syslog-ng -F -f "$work/syslog-ng.conf" -p "$work/s.pid" -c "$work/s.ctl" -R "$work/s.persist" --no-caps 2> "$work/syslog.log" &
  local daemon=$!
  sleep 8
  kill "$daemon" && wait "$daemon" || true
}
client_collector() {
  missing go && return 77
  if [ ! -x "$cache/collector/collector" ]; then
    (cd "$here/collector" && timeout 900 go run go.opentelemetry.io/collector/cmd/builder@v0.149.0 --config=builder.yaml --skip-strict-versioning --output-path "$cache/collector" > "$work/builder.log" 2>&1) || return 77
    mv "$cache/collector/loptr-client" "$cache/collector/collector" 2>/dev/null || true
  fi
  for at in $(seq 0 $((lines - 1))); do echo "line $at"; done > "$work/collector.in"
  sed "s#URL#$LOKI_URL#; s#FILE#$work/collector.in#" "$here/collector/config.yaml" > "$work/collector.yaml"
  "$cache/collector/collector" --config "$work/collector.yaml" 2> "$work/collector.log" &
  local daemon=$!
  sleep 8
  kill "$daemon" && wait "$daemon" || true
}
client_fluent_bit() { python3 "$here/fixture.py" "$here/fixtures/fluent-bit.json"; }
client_vector() { python3 "$here/fixture.py" "$here/fixtures/vector.json"; }

all="python_otel python_loki winston winston_protobuf pino logback syslog_ng collector fluent_bit vector"
failed=0 summary=
for name in ${*:-$all}; do
  began=$SECONDS
  status=0
  ( "client_$name" ) > "$work/$name.out" 2>&1 || status=$?
  if [ "$status" = 77 ]; then
    summary+="skipped  $name: $(tail -n 1 "$work/$name.out")"$'\n'
    continue
  fi
  if [ "$status" = 0 ] && python3 "$here/check.py" "$name" >> "$work/$name.out" 2>&1; then
    summary+="passed   $name ($((SECONDS - began)) s)"$'\n'
  else
    failed=1
    summary+="FAILED   $name"$'\n'
    cat "$work/$name.out"
  fi
done
printf '%s' "$summary"
exit $failed
