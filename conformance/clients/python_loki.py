"""loki-logger-handler: JSON pushes from Python's logging."""

import logging
import os
import time

from loki_logger_handler.loki_logger_handler import LokiLoggerHandler

handler = LokiLoggerHandler(
    url=os.environ["LOKI_URL"] + "/loki/api/v1/push",
    labels={"app": "python-loki"},
    label_keys={},
    timeout=10,
    compressed=True,
    additional_headers={"X-Scope-OrgID": "python-loki"},
)
log = logging.getLogger("shop")
log.addHandler(handler)
for at in range(int(os.environ["LINES_TO_SEND"])):
    log.warning("line %d", at)
# The handler's thread pushes what has gathered every few seconds; run.sh ends this once the lines are there.
while True:
    time.sleep(1)
