"""Sends what a client would send, from a fixture that says what it was made from."""

import gzip
import json
import os
import sys
import time
import urllib.request

with open(sys.argv[1]) as file:
    fixture = json.load(file)
print(fixture["made"])
now = time.time_ns()


def entry(at):
    text = json.dumps(fixture["entry"]).replace("NS", str(now + at)).replace("AT", str(at))
    return json.loads(text)


lines = range(int(os.environ["LINES_TO_SEND"]))
body = {"streams": [{"stream": fixture["stream"], "values": [entry(at) for at in lines]}]}
body = json.dumps(body, separators=(",", ":")).encode()
if fixture["compress"] == "gzip":
    body = gzip.compress(body)
url = os.environ["LOKI_URL"] + "/loki/api/v1/push"
answer = urllib.request.urlopen(urllib.request.Request(url, body, fixture["headers"]))
assert answer.status == 204, answer.status
