#!/usr/bin/env bash
# Starts Loptr, lets each client push its lines as a tenant of its own, and asks by LogQL for exactly these lines.
#
#   conformance/clients/run.sh [NAME...]      all clients without a name
#
# A client is skipped, by name, when the program it needs is missing or its packages cannot be had. Any other fault fails
# the run. LOPTR is the binary (default: target/debug/loptr), CLIENTS_CACHE the folder in which installed packages stay
# between runs (default: target/clients). With CI set, missing Debian packages are installed.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
. "$root/conformance/started.sh"
loptr=${LOPTR:-$root/target/debug/loptr}
cache=${CLIENTS_CACHE:-$root/target/clients}
work=$(mktemp -d)
mkdir -p "$cache"
export LINES_TO_SEND=50
server= client=

# Ends a job and what it started: asked first, killed after five seconds.
end() {
  kill -TERM -- "-$1" 2>/dev/null || return 0
  for _ in $(seq 50); do kill -0 -- "-$1" 2>/dev/null || return 0; sleep 0.1; done
  kill -KILL -- "-$1" 2>/dev/null || true
}
cleanup() { for job in $client $server; do end "$job"; done; rm -rf "$work"; }
trap cleanup EXIT
# Each job is the head of a process group of its own.
set -m

sed "s#DATA#$work/data#; s/auth_enabled: false/auth_enabled: true/" "$here/../loptr.yaml" > "$work/loptr.yaml"
"$loptr" -config.file="$work/loptr.yaml" 2> "$work/log" &
server=$!
disown
until_started "$server" "$work/log"
export LOKI_URL="http://$address"

# What a client needs is put in place by `prepare_NAME`; if that fails, the client is skipped and the last line says why.
# `start_NAME` becomes the client, which pushes and may then run on: it is ended once its lines are there.

needs() {
  for program in "$@"; do command -v "$program" >/dev/null || { echo "$program is missing"; return 1; }; done
}
# once FOLDER VERSIONS COMMAND...: runs the command, a second time if it fails, unless it was done for these versions.
once() {
  local folder=$cache/$1 versions=$2
  shift 2
  [ "$(cat "$folder/.complete" 2>/dev/null)" = "$versions" ] && return
  for attempt in 1 2; do
    rm -rf "$folder" && mkdir -p "$folder"
    timeout -k 10 "${PATIENCE:-400}" "$@" && echo "$versions" > "$folder/.complete" && return
    echo "attempt $attempt: $* failed"
  done
  return 1
}
python_packages() {
  needs python3 && once "$1" "${*:2}" sh -c 'python3 -m venv "$0" && "$0/bin/pip" -q install "$@"' "$cache/$1" "${@:2}"
}
node_packages() {
  needs node npm && once "$1" "${*:2}" npm i --silent --no-audit --no-fund --prefix "$cache/$1" "${@:2}"
}
lines() { for at in $(seq 0 $((LINES_TO_SEND - 1))); do echo "line $at"; done; }

prepare_python_otel() { python_packages python-otel opentelemetry-sdk==1.45.2 opentelemetry-exporter-otlp-proto-http==1.45.2; }
start_python_otel() { exec "$cache/python-otel/bin/python" "$here/python_otel.py"; }

prepare_python_loki() { python_packages python-loki loki-logger-handler==1.1.2 requests==2.34.2; }
start_python_loki() { exec "$cache/python-loki/bin/python" "$here/python_loki.py"; }

prepare_winston() { node_packages winston winston@3.19.0 winston-loki@6.1.7; }
start_winston() { NODE_PATH="$cache/winston/node_modules" exec node "$here/winston.cjs" json; }

prepare_winston_protobuf() { prepare_winston; }
start_winston_protobuf() { NODE_PATH="$cache/winston/node_modules" exec node "$here/winston.cjs" protobuf; }

prepare_pino() { node_packages pino pino@10.4.0 pino-loki@3.0.0 && cp "$here/pino.mjs" "$cache/pino/pino.mjs"; }
start_pino() { exec node "$cache/pino/pino.mjs"; }

prepare_logback() {
  needs java mvn && once logback "$(cd "$here/logback" && cat pom.xml src/main/java/* src/main/resources/* | cksum)" sh -c \
    'cp -R "$1/." "$0" && cd "$0" && mvn -q -B -Dmaven.repo.local="$0/../m2" compile dependency:build-classpath -Dmdep.outputFile=classpath' \
    "$cache/logback" "$here/logback"
}
start_logback() { exec java -cp "$cache/logback/target/classes:$(cat "$cache/logback/classpath")" Client; }

prepare_syslog_ng() {
  if [ -n "${CI:-}" ] && ! command -v syslog-ng >/dev/null; then
    timeout -k 10 300 apt-get update -q && timeout -k 10 300 apt-get install -y -q --no-install-recommends syslog-ng-core syslog-ng-mod-http
  fi
  needs syslog-ng
  lines > "$work/syslog.in"
  sed "s#URL#$LOKI_URL#; s#FILE#$work/syslog.in#" "$here/syslog-ng.conf" > "$work/syslog-ng.conf"
}
start_syslog_ng() {
  exec syslog-ng -F -f "$work/syslog-ng.conf" -p "$work/s.pid" -c "$work/s.ctl" -R "$work/s.persist" --no-caps
}

prepare_collector() {
  needs go && (cd "$here/collector" && PATIENCE=1500 once collector "$(cksum < builder.yaml)" go run \
    go.opentelemetry.io/collector/cmd/builder@v0.149.0 --config=builder.yaml --skip-strict-versioning --output-path "$cache/collector") || return
  lines > "$work/collector.in"
  sed "s#URL#$LOKI_URL#; s#FILE#$work/collector.in#" "$here/collector/config.yaml" > "$work/collector.yaml"
}
start_collector() { exec "$cache/collector/loptr-client" --config "$work/collector.yaml"; }

prepare_fluent_bit() { :; }
start_fluent_bit() { exec python3 "$here/fixture.py" "$here/fixtures/fluent-bit.json"; }

prepare_vector() { :; }
start_vector() { exec python3 "$here/fixture.py" "$here/fixtures/vector.json"; }

all="python_otel python_loki winston winston_protobuf pino logback syslog_ng collector fluent_bit vector"
needs python3
failed=0 summary=
for name in ${*:-$all}; do
  out=$work/$name.out began=$SECONDS
  if ! ( "prepare_$name" ) > "$out" 2>&1; then
    summary+="skipped  $name: $(tail -n 1 "$out")"$'\n'
    cat "$out"
    continue
  fi
  prepared=$SECONDS
  ( "start_$name" ) >> "$out" 2>&1 &
  client=$!
  disown
  if python3 "$here/check.py" "$name" "$client" >> "$out" 2>&1; then
    summary+="passed   $name ($((prepared - began)) s to prepare, $((SECONDS - prepared)) s)"$'\n'
  else
    failed=1
    summary+="FAILED   $name"$'\n'
    echo "== $name" && cat "$out"
  fi
  end "$client"
  client=
done
printf '%s' "$summary"
exit $failed
