"""Makes a container in an Azure Blob Storage emulator: azure_container.py PORT KEY NAME."""

import base64
import email.utils
import hashlib
import hmac
import sys
import urllib.request

port, key, name = sys.argv[1:]
account = "devstoreaccount1"
headers = {"x-ms-date": email.utils.formatdate(usegmt=True), "x-ms-version": "2021-12-02"}
told = "".join(f"{header}:{value}\n" for header, value in sorted(headers.items()))
# Verb, eleven empty standard headers, ours, and the path with the account twice, as the emulator has it in its paths.
text = "PUT" + "\n" * 12 + told + f"/{account}/{account}/{name}\nrestype:container"
signed = hmac.new(base64.b64decode(key), text.encode(), hashlib.sha256).digest()
headers["Authorization"] = f"SharedKey {account}:{base64.b64encode(signed).decode()}"
url = f"http://127.0.0.1:{port}/{account}/{name}?restype=container"
with urllib.request.urlopen(urllib.request.Request(url, method="PUT", headers=headers)) as answer:
    assert answer.status == 201, answer.status
