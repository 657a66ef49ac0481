# Sourced by the scripts that start Loptr: its address once it answers, and the score of a run.

# Waits for the process $1, whose log is $2, to say where it listens; sets `address`. Shows the log and fails if it ends.
until_started() {
  address=
  for _ in $(seq 600); do
    # The log is there once the process is forked.
    address=$(sed -n 's/.*msg="Loptr started" address=//p' "$2" 2>/dev/null || true)
    [ -z "$address" ] && kill -0 "$1" 2>/dev/null || break
    sleep 0.1
  done
  [ -n "$address" ] || { cat "$2"; exit 1; }
}
# The recorded cases that pass or are listed, of what `loptr-conformance run` wrote into $1.
score() { sed -n 's/^all recorded  *\([0-9]*\)  *\([0-9]*\) .*/\1 \2/p' "$1" | awk '{print $1 + $2}'; }
