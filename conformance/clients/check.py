"""Asks for the lines of one client's tenant until all are there: each once, under exactly the labels expected.

    check.py CLIENT PID        PID: the client; once it has ended, its lines must be there within ten seconds
"""

import json
import os
import sys
import time
import urllib.parse
import urllib.request

URL, COUNT = os.environ["LOKI_URL"], int(os.environ["LINES_TO_SEND"])

# The labels of the one stream, and metadata each entry must have; a line is what follows `line ` in its text.
EXPECTED = {
    "python_otel": ({"service_name": "python-otel"}, {"severity_text": "WARN", "severity_number": "13", "detected_level": "warn", "host_name": "h1"}),
    "python_loki": ({"app": "python-loki", "service_name": "python-loki"}, {"detected_level": "warn"}),
    "winston": ({"app": "winston", "level": "warn", "service_name": "winston"}, {"detected_level": "warn"}),
    "winston_protobuf": ({"app": "winston", "level": "warn", "service_name": "winston"}, {"detected_level": "warn"}),
    "pino": ({"app": "pino", "level": "warning", "service_name": "pino"}, {"detected_level": "warn"}),
    "logback": ({"app": "logback", "level": "WARN", "service_name": "logback"}, {"detected_level": "warn"}),
    "syslog_ng": ({"app": "syslog-ng", "service_name": "syslog-ng"}, {}),
    "fluent_bit": ({"job": "fluent-bit", "service_name": "fluent-bit"}, {"stream": "stdout"}),
    "vector": ({"app": "vector", "forwarder": "vector", "service_name": "vector"}, {}),
    "collector": ({"service_name": "collector"}, {"log_file_name": "collector.in"}),
}


def stored(tenant):
    params = {"query": '{service_name=~".+"}', "limit": "1000", "direction": "forward", "start": str(int(time.time()) - 3600)}
    request = urllib.request.Request(f"{URL}/loki/api/v1/query_range?" + urllib.parse.urlencode(params))
    request.add_header("X-Scope-OrgID", tenant)
    request.add_header("X-Loki-Response-Encoding-Flags", "categorize-labels")
    return json.load(urllib.request.urlopen(request, timeout=60))["data"]["result"]


def runs(pid):
    try:
        os.kill(pid, 0)
        return True
    except ProcessLookupError:
        return False


def wait_for_lines(tenant, pid):
    """The streams as soon as they hold all lines, or as they are when no more can be expected."""
    deadline = time.monotonic() + 180
    while True:
        if pid and not runs(pid):
            deadline, pid = time.monotonic() + 10, None
        streams = stored(tenant)
        if sum(len(stream["values"]) for stream in streams) >= COUNT or time.monotonic() > deadline:
            return streams
        time.sleep(0.2)


def number(line):
    return int(line.split("line ", 1)[1].split()[0].strip('"}\\,'))


def main(name, pid):
    labels, metadata = EXPECTED[name]
    streams = wait_for_lines(name.replace("_", "-"), pid)
    found = [stream["stream"] for stream in streams]
    ours = [{key: value for key, value in stream.items() if key in labels or key == "service_name"} for stream in found]
    assert ours == [labels], f"streams {found}, expected {[labels]}"
    entries = streams[0]["values"]
    numbers = [number(entry[1]) for entry in entries]
    assert sorted(numbers) == list(range(COUNT)), f"lines {numbers}"
    for entry in entries:
        has = entry[2].get("structuredMetadata", {})
        lacking = {key: value for key, value in metadata.items() if has.get(key) != value}
        assert not lacking, f"metadata {has} of {entry[1]!r} lacks {lacking}"


main(sys.argv[1], int(sys.argv[2]))
