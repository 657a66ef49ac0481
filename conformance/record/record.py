#!/usr/bin/env python3
"""Records what a server answers to pushes, or holds two servers against each other.

    record.py record GROUP URL > cases.jsonl    GROUP is `push` or `otlp`; the server runs with conformance/push.yaml
    record.py better URL IDS < cases > cases    adds what another server answers to these cases, as the better answer
    record.py compare GROUP URL URL             the same requests to both; prints what differs

Needs `requests`, `zstandard` and `lz4`. Each case pushes as a tenant of its own, then asks what is stored for it and what
was counted as discarded.
"""

import base64
import importlib
import json
import re
import socket
import sys
import time

BASE = 1_795_082_400
RUN = "recorded"


def cases(group):
    for at, case in enumerate(importlib.import_module(group).cases(), 1):
        yield {"id": f"{group}-{at:03}", **case}


def send(url, method, path, headers, body):
    """One request on a connection of its own, sent byte for byte."""
    host = url.removeprefix("http://").rstrip("/")
    name, port = host.split(":")
    with socket.create_connection((name, int(port)), timeout=60) as connection:
        head = f"{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n"
        head += "".join(f"{key}: {value}\r\n" for key, value in headers.items())
        if method != "GET":
            head += f"Content-Length: {len(body)}\r\n"
        connection.sendall(head.encode("latin-1") + b"\r\n")
        if method != "GET":
            try:
                connection.sendall(body)
            except (BrokenPipeError, ConnectionResetError):
                pass
        answer = b""
        try:
            while part := connection.recv(65536):
                answer += part
        except ConnectionResetError:
            pass
    head, _, body = answer.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    headers = {key.lower(): value for key, _, value in (line.partition(": ") for line in lines[1:])}
    if headers.get("transfer-encoding") == "chunked":
        whole = b""
        while body:
            size, _, body = body.partition(b"\r\n")
            size = int(size, 16)
            whole, body = whole + body[:size], body[size + 2 :]
        body = whole
    return int(lines[0].split()[1]), headers.get("content-type", ""), body


def ask(url, case, run):
    tenant = case.get("tenant", f"{case['id']}-{run}")
    headers = dict(case["headers"])
    if tenant is not None:
        headers["X-Scope-OrgID"] = tenant
    path = case.get("path_is", case["path"])
    status, kind, body = send(url, case.get("method", "POST"), path, headers, case["body"])
    found = {"status": status, "content_type": kind, "text": body.decode("utf-8", "replace")}
    if tenant is None or not re.fullmatch(r"[a-z0-9-]{1,100}", tenant) or case.get("far"):
        return found
    if not case.get("free_time"):
        target = f"/loki/api/v1/query_range?query=%7Bservice_name%3D~%22.%2B%22%7D&start={BASE - 1800}&end={BASE + 1800}&limit=1000&direction=forward"
        flags = {"X-Scope-OrgID": tenant, "X-Loki-Response-Encoding-Flags": "categorize-labels"}
        status, kind, body = send(url, "GET", target, flags, b"")
        stored = json.loads(body.decode("utf-8", "replace"))["data"]["result"] if status == 200 else f"{status} {body.decode('utf-8', 'replace')}"
        if status == 200:
            stored = sorted(([one["stream"], one["values"]] for one in stored), key=lambda one: json.dumps(one[0], sort_keys=True))
        found["stored"] = stored
    _, _, metrics = send(url, "GET", "/metrics", {}, b"")
    counted = {}
    for line in metrics.decode().splitlines():
        match = re.match(r'loki_(discarded_samples|discarded_bytes|distributor_\w+_received)_total\{(.*)\} ([\d.e+]+)$', line)
        if match and f'tenant="{tenant}"' in match[2]:
            labels = dict(re.findall(r'(\w+)="([^"]*)"', match[2]))
            if float(match[3]):
                key = " ".join(filter(None, [match[1], labels.get("reason"), labels.get("format")]))
                counted[key] = counted.get(key, 0) + int(float(match[3]))
    found["counted"] = counted
    return found


def settled(found):
    text = json.dumps(found, sort_keys=True, ensure_ascii=False)
    return re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "<time>", text)


def record(group, url):
    for case in cases(group):
        found = ask(url, case, RUN)
        body = case.pop("body")
        try:
            case["body"] = body.decode()
        except UnicodeDecodeError:
            case["base64"] = base64.b64encode(body).decode()
        case["path"] = case.pop("path_is", case["path"])
        print(json.dumps({"method": "POST", **case, "expect": found}, ensure_ascii=False))


def better(url, ids):
    for line in sys.stdin:
        case = json.loads(line)
        if case["id"] in ids.split(","):
            body = base64.b64decode(case["base64"]) if "base64" in case else case["body"].encode()
            case["better"] = ask(url, {**case, "body": body}, RUN)
        print(json.dumps(case, ensure_ascii=False))


def compare(group, left, right):
    different = total = 0
    run = f"{int(time.time()) % 10**8:08}"
    for case in cases(group):
        total += 1
        a, b = ask(left, case, run), ask(right, case, run)
        if settled(a) == settled(b):
            continue
        different += 1
        print(f"{case['id']} {case['note']}")
        for key in a.keys() | b.keys():
            one, two = (re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+Z", "<time>", json.dumps(x.get(key), sort_keys=True, ensure_ascii=False)) for x in (a, b))
            if one != two:
                print(f"    {key}\n      {one[:700]}\n      {two[:700]}")
    print(f"{total} cases, {different} differ")


if __name__ == "__main__":
    sys.path.insert(0, __file__.rpartition("/")[0])
    {"record": record, "better": better, "compare": compare}[sys.argv[1]](*sys.argv[2:])
