"""Bodies for the recorded pushes: protobuf and compression, written by hand so that they can be wrong on purpose."""

import gzip
import json
import struct
import zlib


def varint(n):
    out = bytearray()
    n &= (1 << 64) - 1
    while n >= 0x80:
        out.append(n & 0x7F | 0x80)
        n >>= 7
    out.append(n)
    return bytes(out)


def tag(field, wire):
    return varint(field << 3 | wire)


def num(field, n):
    return tag(field, 0) + varint(n)


def fixed64(field, n):
    return tag(field, 1) + struct.pack("<Q", n & ((1 << 64) - 1))


def fixed32(field, n):
    return tag(field, 5) + struct.pack("<I", n)


def ld(field, value):
    value = value.encode() if isinstance(value, str) else value
    return tag(field, 2) + varint(len(value)) + value


def snappy(message):
    """A snappy block of literals."""
    out = bytearray(varint(len(message)))
    for at in range(0, len(message), 60):
        part = message[at : at + 60]
        out.append((len(part) - 1) << 2)
        out += part
    return bytes(out)


def snappy_zeros(count):
    """A snappy block that unpacks to that many zero bytes: one literal, then copies of 64 at offset 1."""
    out = bytearray(varint(count))
    out += b"\x00\x00"
    left = count - 1
    while left:
        part = min(64, left)
        out += bytes([(part - 1) << 2 | 2, 1, 0])
        left -= part
    return bytes(out)


def deflate(data):
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return packer.compress(data) + packer.flush()


def gz(data):
    return gzip.compress(data, mtime=0)


# PushRequest


def timestamp(ns):
    return num(1, ns // 10**9) + num(2, ns % 10**9)


def entry(ns, line, metadata=()):
    pairs = b"".join(ld(3, ld(1, name) + ld(2, value)) for name, value in metadata)
    return ld(1, timestamp(ns)) + ld(2, line) + pairs


def stream(labels, entries):
    return ld(1, labels) + b"".join(ld(2, entry) for entry in entries)


def push_request(*streams):
    return b"".join(ld(1, one) for one in streams)


def v1(*streams):
    return json.dumps({"streams": [{"stream": labels, "values": values} for labels, values in streams]})


# ExportLogsServiceRequest


def any_value(value):
    if value is None:
        return b""
    if isinstance(value, Raw):
        return value.bytes
    if isinstance(value, bool):
        return num(2, int(value))
    if isinstance(value, int):
        return num(3, value)
    if isinstance(value, float):
        return tag(4, 1) + struct.pack("<d", value)
    if isinstance(value, (bytes, bytearray)):
        return ld(7, bytes(value))
    if isinstance(value, list):
        return ld(5, b"".join(ld(1, any_value(item)) for item in value))
    if isinstance(value, dict):
        return ld(6, b"".join(ld(1, key_value(name, item)) for name, item in value.items()))
    return ld(1, value)


class Raw:
    """An AnyValue given as bytes."""

    def __init__(self, message):
        self.bytes = message


def key_value(name, value):
    return ld(1, name) + ld(2, any_value(value))


def attributes(field, values):
    values = values.items() if isinstance(values, dict) else values
    return b"".join(ld(field, key_value(name, value)) for name, value in values)


def record(body=None, time=0, observed=0, number=0, text="", attrs=(), dropped=0, flags=0, trace=b"", span=b"", event="", extra=b""):
    out = b""
    out += fixed64(1, time) if time else b""
    out += num(2, number) if number else b""
    out += ld(3, text) if text else b""
    out += ld(5, any_value(body)) if body is not None else b""
    out += attributes(6, attrs)
    out += num(7, dropped) if dropped else b""
    out += fixed32(8, flags) if flags else b""
    out += ld(9, trace) if trace else b""
    out += ld(10, span) if span else b""
    out += fixed64(11, observed) if observed else b""
    out += ld(12, event) if event else b""
    return out + extra


def scope_logs(records, name="", version="", attrs=(), dropped=0):
    scope = (ld(1, name) if name else b"") + (ld(2, version) if version else b"") + attributes(3, attrs)
    scope += num(4, dropped) if dropped else b""
    return (ld(1, scope) if scope else b"") + b"".join(ld(2, one) for one in records)


def resource_logs(attrs, *scopes):
    return ld(1, attributes(1, attrs)) + b"".join(ld(2, one) for one in scopes)


def export(*resources):
    return b"".join(ld(1, one) for one in resources)
