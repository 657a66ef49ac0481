"""OpenTelemetry's Python SDK, logs over OTLP in protobuf."""

import logging
import os

from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.sdk._logs import LoggerProvider, LoggingHandler
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.resources import Resource

provider = LoggerProvider(resource=Resource.create({"service.name": "python-otel", "host.name": "h1"}))
exporter = OTLPLogExporter(
    endpoint=os.environ["LOKI_URL"] + "/otlp/v1/logs", headers={"X-Scope-OrgID": "python-otel"}, compression=Compression.Gzip
)
provider.add_log_record_processor(BatchLogRecordProcessor(exporter))
log = logging.getLogger("shop")
log.addHandler(LoggingHandler(logger_provider=provider))
log.propagate = False
for at in range(int(os.environ["LINES_TO_SEND"])):
    log.warning("line %d", at, extra={"order.id": at})
provider.shutdown()
