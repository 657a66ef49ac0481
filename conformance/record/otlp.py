"""The requests of the group `otlp`."""

import json

from bodies import *

BASE = 1_795_082_400 * 10**9
PROTO = "application/x-protobuf"
JSON = "application/json"


def simple(*records, attrs=None, **scope):
    return export(resource_logs({"service.name": "shop"} if attrs is None else attrs, scope_logs(list(records), **scope)))


def line(body="hello", **fields):
    return record(body, **{"time": BASE, **fields})


def cases():
    yield from shapes()
    yield from documents()
    yield from refusals()


def case(note, body, content_type=PROTO, encoding=None, **more):
    headers = {} if content_type is None else {"Content-Type": content_type}
    if encoding is not None:
        headers["Content-Encoding"] = encoding
    body = body.encode() if isinstance(body, str) else body
    return {"note": note, "path": "/otlp/v1/logs", "headers": headers, "body": body, **more}


def shapes():
    import zstandard
    import lz4.frame

    yield case("a line", simple(line()))
    yield case("gzip", gz(simple(line())), encoding="gzip")
    yield case("zstd", zstandard.compress(simple(line())), encoding="zstd")
    yield case("lz4", lz4.frame.compress(simple(line())), encoding="lz4")
    defaults = [
        "service.name", "service.namespace", "service.instance.id", "deployment.environment",
        "deployment.environment.name", "cloud.region", "cloud.availability_zone", "k8s.cluster.name",
        "k8s.namespace.name", "k8s.pod.name", "k8s.container.name", "container.name", "k8s.replicaset.name",
        "k8s.deployment.name", "k8s.statefulset.name", "k8s.daemonset.name", "k8s.cronjob.name", "k8s.job.name",
    ]
    for start in (0, 9):
        yield case(f"default labels from {start}", simple(line(), attrs={name: f"v{at}" for at, name in enumerate(defaults[start:start + 9])}))
    yield case("too many labels", simple(line(), attrs={name: "v" for name in defaults}))
    yield case("other attributes are metadata", simple(line(), attrs={"service.name": "shop", "host.name": "h1", "os.type": "linux", "process.pid": 17}))
    yield case("labels of the tenant's rules", simple(line(), attrs={"service.name": "shop", "team": "a", "idx.one": "1", "idx.two.three": "2", "idx": "no", "secret.key": "x", "secrets": "y"}))
    yield case("no service name", simple(line(), attrs={"host.name": "h1"}))
    yield case("no attributes at all", export(ld(2, scope_logs([line()]))))
    yield case("empty service name", simple(line(), attrs={"service.name": "", "k8s.pod.name": "p"}))
    yield case("service name found by the container", simple(line(), attrs={"k8s.container.name": "c", "k8s.pod.name": "p"}))
    yield case("service name found by the job", simple(line(), attrs={"k8s.job.name": "j", "k8s.container.name": "c"}))
    yield case("service name is a number", simple(line(), attrs={"service.name": 7}))
    yield case("empty label values", simple(line(), attrs={"service.name": "shop", "k8s.pod.name": "", "cloud.region": "r"}))
    yield case("label value of each kind", simple(line(), attrs={"service.name": "shop", "idx.b": True, "idx.f": 1.5, "idx.i": -3, "idx.y": b"\x00\xff", "idx.l": [1, "a"], "idx.e": None}))
    yield case("a map as a label", simple(line(), attrs={"service.name": "shop", "team": {"lead": "x", "size": 3, "deep": {"er": True}}}))
    yield case("an empty map as a label", simple(line(), attrs={"service.name": "shop", "team": {}}))
    yield case("labels that need escapes", simple(line(), attrs={"service.name": 'a"b\\c\nd\t\u00e9\u2028\x01'}))
    yield case("label that is no UTF-8", export(resource_logs({"service.name": b"x"}, scope_logs([line()])).replace(b"\x3a\x01x", b"\x0a\x01\xff")))
    yield case("one resource with a bad label, one good", export(
        resource_logs([("service.name", Raw(ld(1, b"\xff\xfe")))], scope_logs([line("bad")])),
        resource_logs({"service.name": "good"}, scope_logs([line("good")]))))
    yield case("attribute names are made tidy", simple(line(attrs=[("a.b", "1"), ("a__b", "2"), ("1st", "3"), ("__x__", "4"), ("_y", "5"), ("é!z", "6"), ("Z-9", "7")])))
    yield case("two names that become one", simple(line(attrs=[("a.b", "1"), ("a-b", "2"), ("a_b", "3")])))
    yield case("an attribute twice", simple(line(attrs=[("a", "1"), ("a", "2")])))
    yield case("resource and record share a name", simple(line(attrs={"host.name": "record"}), attrs={"service.name": "shop", "host.name": "resource"}))
    yield case("record, resource and scope share a name", simple(line(attrs={"k": "record"}), attrs={"service.name": "shop", "k": "resource"}, attrs_of_scope=None) if False else export(resource_logs({"service.name": "shop", "k": "resource"}, scope_logs([line(attrs={"k": "record"})], attrs={"k": "scope"}))))
    for name, value in [("bool", True), ("bool false", False), ("int", -42), ("int large", 2**63 - 1), ("int least", -(2**63)), ("double", 1.5), ("double whole", 3.0),
                        ("double zero", 0.0), ("double minus zero", -0.0), ("double small", 1e-7), ("double at the edge", 1e-6), ("double large", 1e21), ("double below", 123456789012345680000.0), ("double least", 5e-324), ("double thirds", 1 / 3),
                        ("nan", float("nan")), ("inf", float("inf")), ("-inf", float("-inf")), ("bytes", b"\x00\x01\xfe\xff"), ("no bytes", b""), ("empty", None), ("text", "t"), ("empty text", ""),
                        ("list", [1, "a", True, None, 1.5, b"xyz", [2], {"k": "v"}]), ("empty list", []), ("list with nan", [1, float("nan")]),
                        ("map", {"b": 1, "a": {"c": [1, 2]}, "z": None}), ("empty map", {}), ("html", ["<a href='x'>&</a>"]), ("text with controls", ["\x00\x01\b\f\n\r\t\x1f\x7f\"\\/\u2028\u2029é😀"]), ("nested doubles", [1e21, 1e-7, -0.0, 100.0])]:
        yield case(f"body: {name}", simple(line(value)))
        yield case(f"attribute: {name}", simple(line(attrs={"a": value, "after": "x"})))
    yield case("body of bad UTF-8", simple(line(Raw(ld(1, b"a\xff\xfeb")))))
    yield case("attribute of bad UTF-8", simple(line(attrs=[("a", Raw(ld(1, b"a\xff\xfeb")))])))
    yield case("attribute name of bad UTF-8", simple(line(attrs=[(b"a\xff\xfeb", "1")])))
    yield case("list of bad UTF-8", simple(line(attrs=[("a", Raw(ld(5, ld(1, ld(1, b"a\xffb")))))])))
    yield case("map twice the same name", simple(line(Raw(ld(6, ld(1, key_value("a", 1)) + ld(1, key_value("a", 2)))))))
    yield case("no body", simple(record(None, time=BASE)))
    yield case("only observed", simple(record("x", observed=BASE + 5)))
    yield case("both times", simple(line(observed=BASE + 7)))
    yield case("time past what fits", simple(record("x", time=2**63 + 5)))
    yield case("observed past what fits", simple(line(observed=2**63 + 5)))
    for number in [1, 4, 5, 9, 13, 17, 21, 24, 25, -1, 2**31]:
        yield case(f"severity number {number}", simple(line("no level", number=number)))
    for text in ["INFO", "Warn", "error", "Information", "odd", "é"]:
        yield case(f"severity text {text}", simple(line("no level", text=text)))
    yield case("severity number and text disagree", simple(line("level=debug", number=17, text="INFO")))
    yield case("severity number and a level in the line", simple(line("level=debug msg=x", number=17)))
    yield case("level attribute beats the number", simple(line("x", number=17, attrs={"level": "warn"})))
    yield case("level as a resource attribute", simple(line("x"), attrs={"service.name": "shop", "level": "crit"}))
    yield case("detected_level as an attribute", simple(line("x", attrs={"detected_level": "WARNING"})))
    yield case("trace and span", simple(line(trace=bytes(range(16)), span=bytes(range(8)), flags=1)))
    yield case("trace of zeros", simple(line(trace=bytes(16), span=bytes(8))))
    yield case("dropped and flags", simple(line(dropped=3, flags=2**32 - 1)))
    yield case("event name", simple(line(event="click")))
    yield case("scope", simple(line(), name="lib", version="1.2", attrs=None) if False else export(resource_logs({"service.name": "shop"}, scope_logs([line()], name="lib", version="1.2", attrs={"a.b": 1, "lib.secret": "x", "m": {"n": 2}}, dropped=4))))
    yield case("several scopes", export(resource_logs({"service.name": "shop", "host": "h"}, scope_logs([line("1"), line("2", time=BASE + 1)], name="one"), scope_logs([line("3", time=BASE + 2)], name="two"))))
    yield case("several resources", export(resource_logs({"service.name": "a"}, scope_logs([line("1")])), resource_logs({"service.name": "b"}, scope_logs([line("2")])), resource_logs({"service.name": "a"}, scope_logs([line("3", time=BASE + 1)]))))
    yield case("resource behind its records", export(ld(2, scope_logs([line()])) + ld(1, attributes(1, {"service.name": "late"}))))
    yield case("resource in two parts", export(ld(1, attributes(1, {"service.name": "a"})) + ld(1, attributes(1, {"host": "h"})) + ld(2, scope_logs([line()]))))
    yield case("old field of scopes", export(ld(1, attributes(1, {"service.name": "old"})) + ld(1000, scope_logs([line()]))))
    yield case("labels of records", simple(line("1", attrs={"http.route": "/a", "x": "1"}), line("2", time=BASE + 1, attrs={"http.route": "/b"}), line("3", time=BASE + 2), line("4", time=BASE + 3, attrs={"http.route": "/a"})))
    yield case("record label of bad UTF-8", simple(line("1", attrs=[("http.route", Raw(ld(1, b"\xff")))]), line("2", time=BASE + 1)))
    yield case("record attributes dropped", simple(line(attrs={"password": "x", "user.password.hash": "y", "user": "z"})))
    yield case("a resource without records beside one with", export(resource_logs({"service.name": "none"}), resource_logs({"service.name": "some"}, scope_logs([line()]))))
    yield case("unknown fields", simple(line(extra=num(99, 1) + ld(98, "x") + fixed64(97, 1) + fixed32(96, 1))))
    yield case("schema urls", export(resource_logs({"service.name": "a"}, scope_logs([line()]) + ld(3, "http://s")) + ld(3, "http://s")))
    yield case("line that is JSON", simple(line('{"level":"error","msg":"x"}')))
    yield case("string index instead of a value", simple(line(attrs=[("a", Raw(num(8, 3)))])))
    deep = Raw(ld(1, "end"))
    for _ in range(100):
        deep = Raw(ld(6, ld(1, ld(1, "k") + ld(2, deep.bytes))))
    yield case("a map a hundred deep", simple(line(deep)))


def documents():
    def doc(records, attrs=None, scope=None):
        scopes = {"logRecords": records} | ({"scope": scope} if scope else {})
        attrs = [{"key": "service.name", "value": {"stringValue": "shop"}}] if attrs is None else attrs
        return json.dumps({"resourceLogs": [{"resource": {"attributes": attrs}, "scopeLogs": [scopes]}]})

    def js(note, body, **more):
        return case("json: " + note, body, content_type=JSON, **more)

    time = {"timeUnixNano": str(BASE)}
    text = {"stringValue": "hello"}
    yield js("a line", doc([{**time, "body": text}]))
    yield js("gzip", gz(doc([{**time, "body": text}]).encode()), encoding="gzip")
    yield js("everything", doc([{**time, "observedTimeUnixNano": str(BASE + 1), "severityNumber": 9, "severityText": "INFO", "body": text, "droppedAttributesCount": 2, "flags": 1,
                                 "traceId": "000102030405060708090a0b0c0d0e0f", "spanId": "0001020304050607", "eventName": "e",
                                 "attributes": [{"key": "a", "value": {"boolValue": True}}, {"key": "b", "value": {"intValue": "5"}}, {"key": "c", "value": {"doubleValue": 1.5}}, {"key": "d", "value": {"bytesValue": "AAH/"}},
                                                {"key": "e", "value": {"arrayValue": {"values": [text, {"intValue": 1}]}}}, {"key": "f", "value": {"kvlistValue": {"values": [{"key": "g", "value": text}]}}}]}],
                               scope={"name": "lib", "version": "1", "attributes": [{"key": "s", "value": text}], "droppedAttributesCount": 1}))
    yield js("snake case", json.dumps({"resource_logs": [{"resource": {"attributes": [{"key": "service.name", "value": {"string_value": "snake"}}]}, "scope_logs": [{"log_records": [{"time_unix_nano": BASE, "severity_number": 13, "severity_text": "WARN", "body": {"string_value": "x"}}]}]}]}))
    yield js("numbers as numbers", doc([{"timeUnixNano": BASE, "body": {"intValue": 7}}]))
    for name in ["SEVERITY_NUMBER_UNSPECIFIED", "SEVERITY_NUMBER_TRACE", "SEVERITY_NUMBER_INFO2", "SEVERITY_NUMBER_ERROR4", "SEVERITY_NUMBER_FATAL3", "INFO", "SEVERITY_NUMBER_INFO5", ""]:
        yield js(f"severity by name {name}", doc([{**time, "severityNumber": name, "body": text}]))
    for name, value in [("null", None), ("float", 1.5), ("text number", "9"), ("bool", True), ("large", 2**40), ("negative", -1)]:
        yield js(f"severity number {name}", doc([{**time, "severityNumber": value, "body": text}]))
    for name, value in [("null", None), ("negative", -1), ("float", 1.5), ("word", "x"), ("text float", "1.5"), ("empty", ""), ("too large", str(2**64)), ("too large bare", 2**64), ("plus", "+5"), ("object", {}), ("exponent", "1e3")]:
        yield js(f"time {name}", doc([{"timeUnixNano": value, "body": text}]), free_time=True)
    for name, value in [("null", None), ("word", "x"), ("float", 1.5), ("too large", str(2**63)), ("too large bare", 2**63), ("least", -(2**63)), ("minus zero", "-0"), ("empty", ""), ("bool", True)]:
        yield js(f"int {name}", doc([{**time, "body": {"intValue": value}}]))
    for name, value in [("text", "1.5"), ("NaN", "NaN"), ("Infinity", "Infinity"), ("-Infinity", "-Infinity"), ("word", "x"), ("null", None), ("int", 7), ("exponent", 1e30), ("empty", "")]:
        yield js(f"double {name}", doc([{**time, "body": {"doubleValue": value}}]))
    for name, value in [("null", None), ("bad", "!!"), ("no padding", "AAH"), ("url", "_-8="), ("empty", ""), ("number", 5)]:
        yield js(f"bytes {name}", doc([{**time, "body": {"bytesValue": value}}]))
    for name, value in [("text", "true"), ("null", None), ("number", 1)]:
        yield js(f"bool {name}", doc([{**time, "body": {"boolValue": value}}]))
    for name, value in [("short", "00"), ("upper", "0A0B0C0D0E0F000102030405060708FF"), ("no hex", "zz0102030405060708090a0b0c0d0e0f"), ("odd", "000102030405060708090a0b0c0d0e0f0"), ("empty", ""), ("null", None), ("number", 7), ("base64", "AAECAwQFBgcICQoLDA0ODw==")]:
        yield js(f"trace id {name}", doc([{**time, "traceId": value, "body": text}]))
    for name, value in [("null", None), ("number", 5), ("text", "x"), ("list", []), ("empty", {}), ("unknown", {"other": 1}), ("two", {"stringValue": "a", "intValue": 1})]:
        yield js(f"body {name}", doc([{**time, "body": value}]))
    yield js("escapes", doc([{**time, "body": {"stringValue": "\u00e9\u2028\ud83d\ude00\n\"\\<>&"}}]))
    yield js("half a pair", doc([{**time, "body": text}]).replace("hello", "a\\ud83d!"))
    yield js("half a pair, then another character", doc([{**time, "body": text}]).replace("hello", "a\\ud83d\\u0041b"))
    yield js("second half alone", doc([{**time, "body": text}]).replace("hello", "a\\ude00b"))
    yield js("control character", doc([{**time, "body": text}]).replace("hello", "a\nb"))
    yield js("bad UTF-8", doc([{**time, "body": text}]).encode().replace(b"hello", b"a\xffb"))
    yield js("bad escape", doc([{**time, "body": text}]).replace("hello", "a\\xb"))
    yield js("a member twice", doc([{**time, "body": text}]).replace('"body":', '"body": {"stringValue": "first"}, "body":'))
    yield js("records twice", json.dumps({"resourceLogs": [{"scopeLogs": [{"logRecords": [{**time, "body": text}]}]}]}).replace('"logRecords"', f'"logRecords": [{{"timeUnixNano": "{BASE + 1}"}}], "logRecords"'))
    yield js("unknown members", doc([{**time, "body": text, "zzz": {"a": [1, None, "x"]}}]))
    yield js("white space", " \n\t" + doc([{**time, "body": text}]) + "\n ")
    yield js("more behind the document", doc([{**time, "body": text}]) + " trailing")
    yield js("records null", doc(None))
    yield js("records an object", doc({}))
    yield js("attributes null", doc([{**time, "body": text, "attributes": None}]))
    yield js("attribute without a key", doc([{**time, "body": text, "attributes": [{"value": text}]}]))
    yield js("attribute without a value", doc([{**time, "body": text, "attributes": [{"key": "a"}]}]))
    for name, body in [("nothing", ""), ("an empty object", "{}"), ("null", "null"), ("a list", "[]"), ("a word", "nope"), ("open", '{"resourceLogs":['), ("open text", '{"resourceLogs":[{"resource'), ("no colon", '{"a" 1}'), ("a number", "12"), ("no logs", '{"resourceLogs":[]}')]:
        yield js(name, body)


def refusals():
    import zstandard

    good = simple(line())
    yield case("no content type", good, content_type=None)
    for content_type in ["text/plain", "application/x-protobuf; charset=utf-8", "application/json; charset=utf-8", "application/protobuf", "APPLICATION/X-PROTOBUF", ""]:
        yield case(f"content type {content_type!r}", good, content_type=content_type)
    for encoding in ["snappy", "deflate", "br", "identity", "GZIP", "gzip, gzip"]:
        yield case(f"encoding {encoding}", good, encoding=encoding)
    yield case("encoding and content type both bad", good, content_type="x/y", encoding="br")
    yield case("gzip that is none", good, encoding="gzip")
    yield case("gzip cut short", gz(good)[:-9], encoding="gzip")
    yield case("gzip with a bad sum", gz(good)[:-6] + b"\x00\x00" + gz(good)[-4:], encoding="gzip")
    yield case("gzip, empty body", b"", encoding="gzip")
    yield case("zstd that is none", good, encoding="zstd")
    yield case("zstd cut short", zstandard.compress(good)[:-3], encoding="zstd")
    yield case("zstd, empty body", b"", encoding="zstd")
    yield case("lz4 that is none", good, encoding="lz4")
    yield case("lz4, empty body", b"", encoding="lz4")
    yield case("empty body", b"")
    yield case("no records", export(resource_logs({"service.name": "a"}, scope_logs([]))))
    yield case("no records and a bad name", export(resource_logs({"": "a"}, scope_logs([]))))
    yield case("cut short", good[:-2])
    yield case("wrong wire type of the resource", num(1, 5))
    yield case("wrong wire type of the time", simple(record("x", extra=num(1, 5))))
    yield case("wrong wire type of the body", simple(record(None, time=BASE, extra=num(5, 5))))
    yield case("wrong wire type of a value", simple(line(Raw(ld(2, "x")))))
    yield case("illegal tag", good + b"\x00\x01")
    yield case("end of no group", good + tag(9, 4) + num(9, 1))
    yield case("illegal wire type", good + b"\x4f\x00")
    yield case("long varint", good + b"\x48" + b"\xff" * 11)
    yield case("trace id of five bytes", simple(line(trace=b"12345")))
    yield case("span id of nine bytes", simple(line(span=b"123456789")))
    yield case("attribute without a name", simple(line(attrs={"": "x"})))
    yield case("attribute of underscores", simple(line(attrs={"___": "x"})))
    yield case("attribute of nothing but signs", simple(line(attrs={"-.-": "x"})))
    yield case("resource attribute without a name", simple(line(), attrs={"": "x"}))
    yield case("scope attribute without a name", export(resource_logs({"service.name": "a"}, scope_logs([line()], attrs={"": "x"}))))
    yield case("nested attribute without a name", simple(line(attrs={"a": {"": "x"}})))
    yield case("deeply nested attribute of underscores", simple(line(attrs={"_": {"_": {"_": "x"}}})))
    yield case("line too long", simple(line("x" * 1025), line("short", time=BASE + 1)))
    yield case("metadata too large", simple(line(attrs={"a": "x" * 601}), line("short", time=BASE + 1)))
    yield case("too much metadata with the resource's", simple(line(attrs={f"a{at}": "x" for at in range(8)}), line("fewer", time=BASE + 1), attrs={"service.name": "a", **{f"r{at}": "x" for at in range(6)}}))
    yield case("label value too long", simple(line(), attrs={"service.name": "x" * 101}))
    yield case("label name too long", simple(line(), attrs={"service.name": "a", "idx." + "x" * 40: "v"}))
    yield case("too old", simple(line("old", time=1), line("new")), free_time=True)
    yield case("too new", simple(line("far", time=7_000_000_000 * 10**9), line("now")))
    yield case("several bad streams", free_order=True, body=export(*[resource_logs({"service.name": f"s{at}"}, scope_logs([line("x" * (1030 + at)), line("ok", time=BASE + 1)])) for at in range(3)]))
    yield case("over the burst", simple(*[line("x" * 1000, time=BASE + at) for at in range(33)]))
    yield case("over the stream's burst", simple(*[line("x" * 1000, time=BASE + at) for at in range(20)]))
    yield case("too many streams", status_only=True, body=export(*[resource_logs({"service.name": f"s{at}"}, scope_logs([line()])) for at in range(7)]))
    yield case("body too large", simple(line("x" * 70_000)))
    yield case("body too large once unpacked", gz(simple(line("x" * 300_000))), encoding="gzip")
    yield case("zstd too large once unpacked", zstandard.compress(simple(line("x" * 300_000))), encoding="zstd")
    yield case("no tenant", good, tenant=None)
    yield case("two tenants", good, tenant="a|b")
    yield case("bad tenant", good, tenant="a/b")
    yield case("GET", good, method="GET")
    yield case("PUT", good, method="PUT")
    yield case("a slash more", good, path_is="/otlp/v1/logs/")
    yield case("traces", good, path_is="/otlp/v1/traces")
