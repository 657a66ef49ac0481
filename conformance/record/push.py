"""The requests of the group `push`."""

import json

from bodies import *

BASE = 1_795_082_400 * 10**9
PROTO = "application/x-protobuf"
JSON = "application/json"
V1 = "/loki/api/v1/push"
LEGACY = "/api/prom/push"


def case(note, body, content_type=JSON, encoding=None, path=V1, **more):
    headers = {} if content_type is None else {"Content-Type": content_type}
    if encoding is not None:
        headers["Content-Encoding"] = encoding
    body = body.encode() if isinstance(body, str) else body
    return {"note": note, "path": path, "headers": headers, "body": body, **more}


def ns(offset=0):
    return str(BASE + offset)


def one(line="hello", labels=None, metadata=None):
    return v1(({"app": "a"} if labels is None else labels, [[ns(), line] + ([metadata] if metadata is not None else [])]))


def proto(note, *streams, **more):
    return case("proto: " + note, snappy(push_request(*streams)), content_type=PROTO, **more)


def cases():
    yield from encodings()
    yield from documents()
    yield from legacy()
    yield from messages()
    yield from labels()
    yield from entries()
    yield from metadata()
    yield from limits()
    yield from requests()


def encodings():
    message = push_request(stream('{app="a"}', [entry(BASE, "hello")]))
    yield case("JSON", one())
    yield case("JSON, gzip", gz(one().encode()), encoding="gzip")
    yield case("JSON, deflate", deflate(one().encode()), encoding="deflate")
    yield case("JSON, encoding snappy", one(), encoding="snappy")
    yield case("JSON, gzip in two members", gz(one().encode()[:20]) + gz(one().encode()[20:]), encoding="gzip")
    yield case("protobuf", snappy(message), content_type=PROTO)
    yield case("protobuf, encoding snappy", snappy(message), content_type=PROTO, encoding="snappy")
    yield case("protobuf, gzip", gz(snappy(message)), content_type=PROTO, encoding="gzip")
    yield case("protobuf, deflate", deflate(snappy(message)), content_type=PROTO, encoding="deflate")
    yield case("legacy JSON", json.dumps({"streams": [{"labels": '{app="a"}', "entries": [{"ts": "2026-11-19T10:00:00Z", "line": "hello"}]}]}), path=LEGACY)
    yield case("legacy protobuf", snappy(message), content_type=PROTO, path=LEGACY)
    yield case("v1 JSON on the old path", one(), path=LEGACY)
    for kind in ["application/json; charset=utf-8", "Application/JSON", "application/json;", " application/json", "application/json ; a=b", 'application/json; a="b;c"']:
        yield case(f"type {kind!r}", one(), content_type=kind)
    for kind in ["application/json; charset", "application/json; a=b; a=c", "application/", "json/", "/json", "a b", "application/json x", "application/json; =b", "", ";", "text/plain;;"]:
        yield case(f"bad type {kind!r}", one(), content_type=kind)
    yield case("no type", one(), content_type=None)
    for kind in ["text/plain", "application/octet-stream", "application/protobuf", "x"]:
        yield case(f"any other type {kind!r} is protobuf", snappy(message), content_type=kind)
    yield case("JSON sent as text", one(), content_type="text/plain")
    for encoding in ["br", "GZIP", "identity", "zstd", "gzip, gzip", "x-gzip", "lz4", 'a"b']:
        yield case(f"encoding {encoding}", one(), encoding=encoding)
    yield case("gzip that is none", one(), encoding="gzip")
    yield case("gzip of three bytes", b"\x1f\x8b\x08", encoding="gzip")
    yield case("gzip of nothing", b"", encoding="gzip")
    yield case("gzip cut short", gz(one().encode())[:-12], encoding="gzip")
    yield case("gzip with a bad sum", gz(one().encode())[:-8] + b"\x00" * 8, encoding="gzip")
    yield case("gzip with more behind", gz(one().encode()) + b"xx", encoding="gzip")
    yield case("deflate that is none", one(), encoding="deflate")
    yield case("deflate cut short", deflate(one().encode())[:-3], encoding="deflate")
    yield case("deflate of nothing", b"", encoding="deflate")
    yield case("zlib sent as deflate", zlib.compress(one().encode()), encoding="deflate")
    yield case("protobuf without snappy", message, content_type=PROTO)
    yield case("snappy cut short", snappy(message)[:-3], content_type=PROTO)
    yield case("snappy that names too much", varint(1000) + snappy(message)[1:], content_type=PROTO)
    yield case("snappy with a bad copy", varint(10) + b"\x00a" + b"\x22\xff\x00", content_type=PROTO)
    yield case("snappy framed", b"\xff\x06\x00\x00sNaPpY", content_type=PROTO)
    yield case("nothing", b"", content_type=PROTO)
    yield case("snappy of nothing", b"\x00", content_type=PROTO)
    yield case("snappy that names four gigabytes", varint(2**32 - 1) + b"x", content_type=PROTO)
    yield case("snappy that names more", varint(2**40) + b"x", content_type=PROTO)


def documents():
    for note, body in [
        ("nothing", ""), ("an empty object", "{}"), ("no streams", '{"streams":[]}'), ("streams null", '{"streams":null}'), ("null", "null"), ("a list", "[]"), ("a word", "nope"), ("open", '{"streams":['),
        ("open text", '{"streams":[{"stream":{"a":"b'), ("streams an object", '{"streams":{}}'), ("a stream that is a number", '{"streams":[1]}'), ("a stream that is null", '{"streams":[null]}'), ("an empty stream", '{"streams":[{}]}'),
        ("more behind", one() + "x"), ("white space around", " \n" + one() + "\n"), ("a bad escape", one("a\\x").replace("\\\\", "\\")), ("unknown members", '{"x":1,"streams":[{"y":[{}],"stream":{"app":"a"},"values":[["%s","l"]]}]}' % ns()),
        ("streams twice", '{"streams":[{"stream":{"app":"a"},"values":[["%s","1"]]}],"streams":[{"stream":{"app":"b"},"values":[["%s","2"]]}]}' % (ns(), ns())),
        ("no stream", '{"streams":[{"values":[["%s","l"]]}]}' % ns()), ("stream null", '{"streams":[{"stream":null,"values":[["%s","l"]]}]}' % ns()), ("stream a list", '{"streams":[{"stream":[],"values":[["%s","l"]]}]}' % ns()),
        ("no values", '{"streams":[{"stream":{"app":"a"}}]}'), ("values null", '{"streams":[{"stream":{"app":"a"},"values":null}]}'), ("values empty", '{"streams":[{"stream":{"app":"a"},"values":[]}]}'), ("values an object", '{"streams":[{"stream":{"app":"a"},"values":{}}]}'),
        ("values a text", '{"streams":[{"stream":{"app":"a"},"values":"x"}]}'),
    ]:
        yield case("document: " + note, body)
    for note, value in [
        ("null", "null"), ("a number", "1"), ("empty", "[]"), ("a time only", '["%s"]' % ns()), ("a time as a number", '[%s,"l"]' % ns()), ("a line as a number", '["%s",1]' % ns()), ("a line null", '["%s",null]' % ns()),
        ("a line true", '["%s",true]' % ns()), ("time a word", '["x","l"]'), ("time empty", '["","l"]'), ("time a float", '["1.5","l"]'), ("time negative", '["-5","l"]'), ("time too large", '["9223372036854775808","l"]'), ("time with a plus", '["+5","l"]'), ("time with a space", '[" 5","l"]'),
        ("metadata null", '["%s","l",null]' % ns()), ("metadata a text", '["%s","l","x"]' % ns()), ("metadata a list", '["%s","l",[]]' % ns()), ("metadata empty", '["%s","l",{}]' % ns()), ("metadata with a number", '["%s","l",{"a":1}]' % ns()), ("metadata with null", '["%s","l",{"a":null}]' % ns()),
        ("metadata with an object", '["%s","l",{"a":{"b":"c"}}]' % ns()), ("metadata twice the same", '["%s","l",{"a":"1","a":"2"}]' % ns()), ("a fourth element", '["%s","l",{"a":"b"},"x"]' % ns()), ("an object", '{"ts":"%s","line":"l"}' % ns()),
        ("escapes", r'["%s","\u0041\n\"\\\/\t\u00e9\ud83d\ude00"]' % ns()), ("half a pair", r'["%s","a\ud83db"]' % ns()), ("a control character", '["%s","a\x01b"]' % ns()), ("an empty line", '["%s",""]' % ns()),
    ]:
        free = {"far": True} if note in ("time negative", "time with a plus") else {}
        yield case("entry: " + note, '{"streams":[{"stream":{"app":"a"},"values":[["%s","first"],%s]}]}' % (ns(-1), value), **free)
    yield case("line of bad UTF-8", one().encode().replace(b"hello", b"a\xff\xfeb"))
    yield case("label value of bad UTF-8", one().encode().replace(b'"a"', b'"a\xff"'))
    yield case("metadata of bad UTF-8", one(metadata={"k": "VV"}).encode().replace(b"VV", b"a\xffb"))


def legacy():
    for note, body in [
        ("nothing", ""), ("an empty object", "{}"), ("null", "null"), ("a list", "[]"), ("open", '{"streams":[{'), ("bad labels", '{"streams":[{"labels":"{app","entries":[]}]}'), ("labels a number", '{"streams":[{"labels":1}]}'),
        ("no labels", '{"streams":[{"entries":[{"ts":"2026-11-19T10:00:00Z","line":"x"}]}]}'), ("time a number", '{"streams":[{"labels":"{a=\\"b\\"}","entries":[{"ts":1,"line":"x"}]}]}'), ("time a word", '{"streams":[{"labels":"{a=\\"b\\"}","entries":[{"ts":"x","line":"x"}]}]}'),
        ("time with a zone", '{"streams":[{"labels":"{a=\\"b\\"}","entries":[{"ts":"2026-11-19T12:00:00.5+02:00","line":"x"}]}]}'), ("line a number", '{"streams":[{"labels":"{a=\\"b\\"}","entries":[{"ts":"2026-11-19T10:00:00Z","line":1}]}]}'),
        ("names in any case", '{"Streams":[{"LABELS":"{a=\\"b\\"}","Entries":[{"TS":"2026-11-19T10:00:00Z","LINE":"x"}]}]}'), ("metadata", '{"streams":[{"labels":"{a=\\"b\\"}","entries":[{"ts":"2026-11-19T10:00:00Z","line":"x","structuredMetadata":{"k":"v"}}]}]}'),
        ("entries null", '{"streams":[{"labels":"{a=\\"b\\"}","entries":null}]}'), ("an entry null", '{"streams":[{"labels":"{a=\\"b\\"}","entries":[null,{"ts":"2026-11-19T10:00:00Z","line":"x"}]}]}'),
    ]:
        far = {"far": True} if note == "an entry null" else {}
        yield case("legacy: " + note, body, path=LEGACY, **far)


def messages():
    good = stream('{app="a"}', [entry(BASE, "hello")])
    yield proto("two streams", good, stream('{app="b"}', [entry(BASE, "x"), entry(BASE + 1, "y")]))
    yield proto("the same stream twice", good, stream('{app="a"}', [entry(BASE + 1, "x")]))
    yield proto("metadata", stream('{app="a"}', [entry(BASE, "x", [("b", "2"), ("a", "1"), ("", "")])]), far=True)
    yield proto("hash and format", good + num(3, 77), far=False)
    yield proto("no entries", stream('{app="a"}', []))
    yield proto("no labels", stream("", [entry(BASE, "x")]))
    yield proto("line of bad UTF-8", stream('{app="a"}', [entry(BASE, b"a\xff\xfeb")]))
    yield proto("labels of bad UTF-8", stream(b'{app="a\xff"}', [entry(BASE, "x")]))
    yield proto("metadata of bad UTF-8", stream('{app="a"}', [entry(BASE, "x", [("k", b"a\xffb")])]))
    yield proto("no time", stream('{app="a"}', [ld(2, "x")]), far=True)
    yield proto("nanoseconds past a second", stream('{app="a"}', [ld(1, num(1, 5) + num(2, 10**9)) + ld(2, "x")]))
    yield proto("negative nanoseconds", stream('{app="a"}', [ld(1, num(1, 5) + num(2, -1)) + ld(2, "x")]))
    yield proto("before the year 1", stream('{app="a"}', [ld(1, num(1, -(2**40))) + ld(2, "x")]))
    yield proto("after the year 9999", stream('{app="a"}', [ld(1, num(1, 2**40)) + ld(2, "x")]))
    yield proto("wrong wire type of labels", num(1, 5))
    yield proto("wrong wire type of the line", stream('{app="a"}', [num(2, 5)]))
    yield proto("wrong wire type of seconds", stream('{app="a"}', [ld(1, ld(1, "x"))]))
    yield proto("unknown fields", good + num(9, 1) + ld(10, "x") + fixed64(11, 1) + fixed32(12, 1))
    for note, tail in [("cut short", ld(1, good)[:-2]), ("illegal tag", b"\x00\x01"), ("end of no group", tag(9, 4)), ("illegal wire type", b"\x4f"), ("long varint", b"\x48" + b"\xff" * 11), ("negative length", tag(1, 2) + varint(2**64 - 1)), ("streams a number", num(1, 5))]:
        yield case("proto: " + note, snappy(ld(1, good) + tail), content_type=PROTO)


def labels():
    def text(note, labels, **more):
        return case(f"labels: {note}", snappy(push_request(stream(labels, [entry(BASE, "x")]))), content_type=PROTO, **more)

    for note, labels in [
        ("none", "{}"), ("empty value", '{app="a", b=""}'), ("only an empty value", '{b=""}'), ("unsorted", '{z="1", a="2", app="x"}'), ("spaces", '{ app = "a" , b="c" }'), ("trailing comma", '{app="a",}'), ("no quotes", "{app=a}"), ("no value", "{app=}"),
        ("no name", '{="a"}'), ("open", '{app="a"'), ("no brace", 'app="a"'), ("other operator", '{app!="a"}'), ("regex", '{app=~"a"}'), ("backquotes", "{app=`a`}"), ("single quotes", "{app='a'}"), ("escapes", r'{app="a\n\"\\\u00e9\x41"}'), ("bad escape", r'{app="\q"}'),
        ("a name with a dot", '{a.b="c"}'), ("a name with a dash", '{a-b="c"}'), ("a name that is quoted", '{"a.b"="c"}'), ("a name beginning with a digit", '{1a="c"}'), ("a colon in a name", '{a:b="c"}'), ("a name not ASCII", '{é="c"}'), ("a keyword as a name", '{json="a", by="b"}'),
        ("twice the same name", '{app="a", app="b"}'), ("twice the same name and value", '{app="a", app="a"}'), ("reserved name", '{__name__="a"}'), ("a stage behind", '{app="a"} |= "x"'), ("a comment", '{app="a"} # x'), ("line ends", '{app="a\nb"}'), ("emoji", '{app="😀"}'),
        ("internal stream", '{__aggregated_metric__="a"}'), ("pattern stream", '{__pattern__="a"}'), ("service name given", '{service_name="s", app="a"}'), ("service name empty", '{service_name="", app="a"}'),
    ]:
        yield text(note, labels)
    for name in ["service", "app", "application", "app_name", "name", "app_kubernetes_io_name", "container", "container_name", "k8s_container_name", "component", "workload", "job", "k8s_job_name", "other"]:
        yield text(f"service from {name}", '{%s="v", zz="x"}' % name)
    yield case("JSON label values that are no text", '{"streams":[{"stream":{"app":"a","n":1,"t":true,"z":null,"o":{"x":1},"l":[1]},"values":[["%s","x"]]}]}' % ns())
    yield case("JSON label twice", '{"streams":[{"stream":{"app":"a","app":"b"},"values":[["%s","x"]]}]}' % ns())
    yield case("JSON label names that are none", '{"streams":[{"stream":{"a.b":"a"},"values":[["%s","x"]]}]}' % ns())
    yield case("JSON label name empty", '{"streams":[{"stream":{"":"a"},"values":[["%s","x"]]}]}' % ns())
    yield case("JSON label values with escapes", one(labels={"app": "a\"b\\c\nd\té"}))


def entries():
    def values(note, values, **more):
        return case(f"entries: {note}", v1(({"app": "a"}, values)), **more)

    yield values("in any order", [[ns(5), "5"], [ns(1), "1"], [ns(3), "3"]])
    yield values("of one time", [[ns(), "a"], [ns(), "b"], [ns(), "c"]])
    yield values("twice the same", [[ns(), "a"], [ns(), "a"]])
    yield values("twice the same, another between", [[ns(), "a"], [ns(), "b"], [ns(), "a"]])
    yield values("an hour apart", [[ns(), "a"], [ns(-3600 * 10**9), "at the bound"], [ns(-3600 * 10**9 - 1), "past it"], [ns(-7200 * 10**9), "far past it"]], far=True)
    yield values("too new", [["7000000000000000000", "x"], [ns(), "y"]])
    yield values("too old", [["1000000000", "x"], [ns(), "y"]])
    yield values("too old and too new and too long", [["1", "x"], ["7000000000000000000", "y"], [ns(), "z" * 1025], [ns(1), "good"]])
    yield values("two too long of one length", [[ns(), "a" * 1030], [ns(1), "b" * 1030], [ns(2), "good"]])
    yield values("two too long of two lengths", [[ns(), "a" * 1030], [ns(1), "b" * 1031], [ns(2), "good"]], free_order=True)
    yield values("all too long", [[ns(), "a" * 1030]])
    yield values("just not too long", [[ns(), "a" * 1024]])
    for level in ["level=warn x", "x [ERROR] y", '{"level":"debug"}', '{"a":{"lvl":"fatal"}}', "nothing", "info: x", "lvl=trc", "severity=critical"]:
        yield values(f"level of {level}", [[ns(), level]])
    yield case("level by label", one(labels={"app": "a", "level": "Warning"}))
    yield case("level by metadata", one(metadata={"severity": "err"}))
    yield case("level given", one(metadata={"detected_level": "INF"}))


def metadata():
    for note, pairs in [
        ("sorted", {"b": "1", "a": "2"}), ("empty value", {"a": "", "b": "x"}), ("tidy names", {"a.b": "1", "c-d": "2", "1e": "3", "__f__": "4", "_g": "5", "é": "6", "a__b": "7"} | {"é": "6"} and {"a.b": "1", "c-d": "2", "1e": "3", "__f__": "4", "_g": "5"}),
        ("names that become one", {"a.b": "1", "a_b": "2"}), ("no name", {"": "x"}), ("name of underscores", {"___": "x"}), ("name of signs", {"-.-": "x"}), ("too many", {f"k{at}": "v" for at in range(13)}), ("just not too many", {f"k{at}": "v" for at in range(12)}),
        ("too large", {"a": "x" * 600}), ("just not too large", {"a": "x" * 599}), ("too many and too large", {f"k{at}": "v" * 60 for at in range(13)}), ("replacement character", {"a": "x\ufffdy"}), ("escapes", {"a": "x\n\"y"}),
    ]:
        yield case("metadata: " + note, v1(({"app": "a"}, [[ns(), "first", pairs], [ns(1), "second"]])))


def limits():
    def stream_of(labels, *lines):
        return (labels, [[ns(at), line] for at, line in enumerate(lines)])

    yield case("too many labels", one(labels={f"l{at:02}": "v" for at in range(16)}))
    yield case("just not too many labels", one(labels={f"l{at:02}": "v" for at in range(15)}))
    yield case("label name too long", one(labels={"n" * 41: "v"}))
    yield case("label value too long", one(labels={"app": "v" * 101}))
    yield case("three bad streams, three reasons", v1(stream_of({"app": "v" * 101}, "x"), stream_of({"n" * 41: "v"}, "x"), stream_of({"app": "a"}, "y" * 1025, "good")), free_order=True)
    yield case("four streams, two of them too long", v1(*[stream_of({"app": f"s{at}"}, "x" * (1023 + at), "ok") for at in range(4)]), free_order=True)
    yield case("bad labels among good streams", json.dumps({"streams": [{"stream": {"app": "a"}, "values": [[ns(), "x"]]}, {"stream": {"a b": "a"}, "values": [[ns(), "x"]]}]}))
    yield case("bad stream without entries", v1(stream_of({"app": "v" * 101}), stream_of({"app": "a"}, "x")))
    yield case("all streams without entries", v1(stream_of({"app": "a"}), stream_of({"app": "b"})))
    yield case("at the burst", v1(*[stream_of({"app": f"s{at}"}, *["x" * 1000] * 7) for at in range(4)]), far=True)
    yield case("over the burst", v1(*[stream_of({"app": f"s{at}"}, *[chr(97 + i) + "x" * 999 for i in range(8)]) for at in range(4)]))
    yield case("over the burst with what is refused", v1(*[stream_of({"app": f"s{at}"}, *["x" * 1025] * 8) for at in range(4)], stream_of({"app": "good"}, "x")), free_order=True)
    yield case("over the burst and a bad entry", v1(*[stream_of({"app": f"s{at}"}, *[chr(97 + i) + "x" * 999 for i in range(8)]) for at in range(4)], stream_of({"app": "s4"}, "x" * 1025)))
    yield case("over a stream's burst", v1(stream_of({"app": "a"}, *["%03d" % at + "x" * 1000 for at in range(17)])))
    yield case("too many streams", v1(*[stream_of({"app": f"s{at}"}, "x") for at in range(6)]))
    yield case("too many streams, one of them bad", v1(*[stream_of({"app": f"s{at}"}, "x") for at in range(6)], stream_of({"app": "v" * 101}, "x")), free_order=True)


def requests():
    yield case("JSON too large", one("x" * 70_000))
    yield case("protobuf too large", snappy(push_request(stream('{app="a"}', [entry(BASE, "x" * 70_000)]))), content_type=PROTO)
    yield case("protobuf too large once unpacked", snappy_zeros(300_000), content_type=PROTO)
    yield case("protobuf just not too large once unpacked", snappy_zeros(262_144), content_type=PROTO)
    yield case("gzip too large once unpacked", gz(b" " * 300_000), encoding="gzip")
    yield case("deflate too large once unpacked", deflate(b" " * 300_000), encoding="deflate")
    yield case("gzip of a snappy block that is too large", gz(snappy_zeros(1_600_000)), content_type=PROTO, encoding="gzip")
    yield case("gzip bomb", gz(b"\0" * 40_000_000), encoding="gzip")
    yield case("gzip bomb as protobuf", gz(b"\0" * 40_000_000), content_type=PROTO, encoding="gzip")
    yield case("no tenant", one(), tenant=None)
    yield case("empty tenant", one(), tenant="")
    yield case("two tenants", one(), tenant="a|b")
    yield case("one tenant twice", one(), tenant="a|a")
    for tenant in ["a/b", "..", ".", "a b", "x" * 151]:
        yield case(f"tenant {tenant[:10]}", one(), tenant=tenant)
    for method in ["GET", "PUT", "DELETE", "OPTIONS"]:
        yield case(method, one(), method=method)
    yield case("a slash more", one(), path_is=V1 + "/")
    yield case("path in capitals", one(), path_is="/LOKI/API/V1/PUSH")
    yield case("with parameters", one(), path_is=V1 + "?x=y")
    yield case("old path that names the new one", one(), path_is=LEGACY + "?x=/loki/api/v1")
