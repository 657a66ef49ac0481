#!/usr/bin/env python3
"""Records what a server answers to the requests of Grafana's Loki data source and of Grafana Logs Drilldown.

    grafana.py URL TENANT > cases.jsonl     the server runs with conformance/grafana.yaml and holds the recorded set,
                                            pushed as TENANT (`loptr-conformance push-set --tenant TENANT`)

The requests are written after the sources of both at the versions named in docs/clients.md: same routes, parameters,
headers, forms of times. The groups: `grafana` (health check, label browser, queries, volume histogram, log context both
ways, infinite scroll, editor hints), `drilldown` (service list, labels tab, patterns tab, fields tab), `detected` (its
fields and labels), `volume` and `patterns` (values, over many parameters), `formats` (the protobuf answers, bodies in base64).
"""

import base64
import json
import sys
import urllib.parse
import urllib.request

BASE = 1_795_082_400
NS = 10**9
START, END = BASE * NS, (BASE + 3600) * NS
FLAGS = {"X-Loki-Response-Encoding-Flags": "categorize-labels"}
DRILLDOWN = {"X-Query-Tags": "Source=grafana-lokiexplore-app"}
API = "/loki/api/v1/"


def iso(seconds):
    import datetime

    moment = datetime.datetime.fromtimestamp(BASE + seconds, datetime.timezone.utc)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.000Z")


def span(start=START, end=END):
    return {"start": str(start), "end": str(end)}


def grafana():
    yield "query", {"query": "vector(1)+vector(1)", "time": "4000000000", "direction": "backward"}, {}
    yield "labels", span(), {}
    yield "labels", {**span(), "query": '{app="json"}'}, {}
    for name in ["app", "env", "level", "pod", "service_name", "zone", "nosuch"]:
        yield f"label/{name}/values", span(), {}
        yield f"label/{name}/values", {**span(), "query": '{app=~"json|nginx", env="prod"}'}, {}
    for match in ['{app="json"}', '{app=~"j.+", env="dev"}', '{nosuch="x"}', '{service_name=~".+"}']:
        yield "series", {"match[]": match, **span()}, {}
        yield "index/stats", {"query": match, **span()}, {}
    queries = ['{app="json"}', '{app="nginx"} |= "POST"', '{app="logfmt"} | logfmt | level="error"', '{app="dup"}', '{app="nosuch"}']
    for query in queries:
        for direction in ["backward", "forward"]:
            params = {"query": query, "direction": direction, "limit": "1000", "step": "15000ms", **span()}
            yield "query_range", params, {**FLAGS, "X-Query-Tags": "Source=grafana"}
            yield "query_range", {**params, "limit": "20"}, {}
        histogram = f"sum by (level, detected_level) (count_over_time({query} | drop __error__ [1m]))"
        params = {"query": histogram, "direction": "backward", "step": "60000ms", **span()}
        yield "query_range", params, {**FLAGS, "X-Query-Tags": "Source=logvolhist"}
        sample = {"query": query, "direction": "backward", "limit": "100", "step": "60000ms", **span()}
        yield "query_range", sample, {**FLAGS, "X-Query-Tags": "Source=logsample"}
        metric = f"sum by (app) (rate({query}[5m]))"
        yield "query_range", {"query": metric, "direction": "backward", "step": "30000ms", **span()}, FLAGS
        yield "query", {"query": metric, "direction": "backward", "time": str(END)}, FLAGS
    # The two halves of a log context, and the page that follows when one scrolls.
    for query in ['{app="json", pod="json-1"}', '{app="dup"}', '{app="nginx"}']:
        for row in [0, 600, 900, 1800, 3599]:
            at, hours = START + row * NS, 2 * 3600 * NS
            before = {"query": query, "direction": "backward", "limit": "10", "step": "1000ms", **span(at - hours, at + 1)}
            after = {"query": query, "direction": "forward", "limit": "10", "step": "1000ms", **span(at, at + hours)}
            for params in [before, after]:
                yield "query_range", params, {**FLAGS, "X-Query-Tags": "Source=logRowContext"}
            page = {"query": query, "direction": "backward", "limit": "50", "step": "1000ms", **span(START, at + NS)}
            yield "query_range", page, {**FLAGS, "X-Query-Tags": "Source=infinitescroll"}


def drilldown():
    window = {"start": iso(0), "end": iso(3600)}
    yield "drilldown-limits", {}, DRILLDOWN
    for target in ["service_name", "app", "env", "nosuch"]:
        yield "index/volume", {"query": "{%s=~`.+`}" % target, "limit": "5000", "targetLabels": target, **window}, DRILLDOWN
    yield "index/volume", {"query": '{service_name=~".+"}', "limit": "5000", "aggregateBy": "labels", **window}, DRILLDOWN
    for app in ["json", "nginx", "logfmt", "metrics", "dup", "nosuch"]:
        selector = "{service_name=`%s`}" % app
        yield "patterns", {"query": selector, "step": "10s", **window}, DRILLDOWN
        histogram = f"sum by (detected_level) (count_over_time({selector} | detected_level != `` [30s]))"
        yield "query_range", {"query": histogram, "step": "30000ms", **span()}, DRILLDOWN
        by_field = f"sum by (level) (count_over_time({selector} | json | logfmt | drop __error__, __error_details__ | level!=`` [1m]))"
        yield "query_range", {"query": by_field, "step": "60000ms", **span()}, DRILLDOWN
    yield "label/__stream_shard__/values", {"query": '{service_name="json"}', **window}, DRILLDOWN


def detected():
    window = {"start": iso(0), "end": iso(3600)}
    for query in ["", "{}", '{service_name="json"}', '{app=~".+"}', '{nosuch="x"}', "{", '{app="json"} | json']:
        yield "detected_labels", {**({"query": query} if query else {}), **window}, DRILLDOWN
    for app in ["json", "nginx", "logfmt", "metrics", "dup", "nosuch"]:
        selector = "{service_name=`%s`}" % app
        limits = {"limit": "1000", "line_limit": "1000"}
        for query in [selector, f"{selector} | json", f"{selector} | logfmt", f"{selector} | detected_level != \"\""]:
            yield "detected_fields", {"query": query, **limits, **window}, DRILLDOWN
        for field in ["level", "detected_level", "status", "took", "request_method"]:
            yield f"detected_field/{field}/values", {"query": selector, **limits, **window}, DRILLDOWN
    for more in [{"limit": "2"}, {"field_limit": "2"}, {"line_limit": "10"}, {"line_limit": "99999"}, {"limit": "0"}, {"limit": "x"}, {"line_limit": "-1"}, {"step": "0"}]:
        # Which fields a limit keeps is chance; how many is not.
        yield "detected_field/level/values", {"query": '{app="json"}', **more, **window}, {}
    for query in ["{", 'count_over_time({app="json"}[5m])', "{}"]:
        yield "detected_fields", {"query": query, **window}, {}
        yield "detected_field/level/values", {"query": query, **window}, {}


def volume():
    for route in ["index/volume", "index/volume_range"]:
        for query in ["{}", '{app="json"}', '{app=~".+"}', '{app=~".+", env="prod"}', '{app="json"} |= "x"', '{nosuch="x"}']:
            for more in [
                {},
                {"limit": "3"},
                {"targetLabels": "app"},
                {"targetLabels": "env,app"},
                {"aggregateBy": "labels"},
                {"aggregateBy": "labels", "targetLabels": "env"},
                {"aggregateBy": "bogus"},
            ]:
                steps = [{"step": "900"}, {"step": "10m"}] if route.endswith("range") else [{}]
                for step in steps:
                    yield route, {"query": query, **span(), **more, **step}, {}


def patterns():
    for query in ['{app="json"}', '{app="nginx"}', '{app="logfmt"}', '{app=~".+"}', '{env="prod"}', '{nosuch="x"}', '{app="json"} | json', "{", "{}"]:
        for step in ["10s", "60", "5m", "1h", "1s", "0", "-1"]:
            yield "patterns", {"query": query, "step": step, **span()}, {}
    yield "patterns", {"query": '{app="json"}', "step": "20s", **span()}, {}
    yield "patterns", {"query": '{app="json"}', "step": "1m", **span(START + 1800 * NS, END)}, {}
    yield "patterns", {"query": '{app="json"}', "step": "1m", **span(END, START)}, {}


def formats():
    accept = {"Accept": "application/vnd.google.protobuf"}
    for headers in [accept, {**accept, **FLAGS}]:
        for query in ['{app="json"}', '{app="logfmt"} | logfmt', '{app="dup"}', '{app="nosuch"}']:
            for direction in ["backward", "forward"]:
                yield "query_range", {"query": query, "limit": "30", "direction": direction, **span()}, headers
    for query in ['sum by (app) (count_over_time({app=~".+"}[5m]))', "vector(2)", 'count_over_time({app="nosuch"}[5m])']:
        yield "query_range", {"query": query, "step": "300", **span()}, accept
        yield "query", {"query": query, "time": str(END)}, accept
    for route in ["labels", "label/app/values", "label/nosuch/values", "detected_labels"]:
        yield route, span(), accept
    for route in ["index/volume", "patterns", "detected_fields", "detected_field/level/values"]:
        yield route, {"query": '{app="json"}', **span()}, accept
    yield "index/volume_range", {"query": '{app=~".+"}', "step": "900", **span()}, accept
    yield "series", {"match[]": '{app=~"json|nginx"}', **span()}, accept
    yield "query_range", {"query": '{app="', **span()}, accept
    yield "labels", {**span(), "start": "x"}, accept
    table = {"Accept": "application/vnd.apache.parquet"}
    yield "query_range", {"query": '{app="json"}', "limit": "30", **span()}, table
    yield "query_range", {"query": 'sum by (app) (count_over_time({app=~".+"}[5m]))', "step": "300", **span()}, table
    yield "query", {"query": "vector(2)", "time": str(END)}, table
    for route in ["labels", "series", "index/stats", "index/volume", "patterns", "detected_labels", "detected_fields"]:
        yield route, {"query": '{app="json"}', **span()}, table


def ask(url, tenant, route, params, headers):
    path = API + route
    target = f"{url}{path}?{urllib.parse.urlencode(params)}"
    request = urllib.request.Request(target, headers={**headers, "X-Scope-OrgID": tenant})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            status, kind, body = answer.status, answer.headers.get("Content-Type", ""), answer.read()
    except urllib.error.HTTPError as error:
        status, kind, body = error.code, error.headers.get("Content-Type", ""), error.read()
    expect = {"status": status, "content_type": kind}
    if route == "index/stats" and status == 200:
        # Upstream tells zeros of what is in memory and that old.
        expect["compare"] = "status"
    elif kind.startswith("application/json"):
        expect["json"] = json.loads(body)
        if isinstance(expect["json"].get("data"), dict):
            expect["json"]["data"].pop("stats", None)
        # A build from a checkout does not know its version.
        if "version" in expect["json"]:
            expect["json"]["version"] = "3.7.6"
    elif kind == "application/vnd.google.protobuf":
        expect["protobuf"] = base64.b64encode(body).decode()
    elif kind == "application/vnd.apache.parquet":
        # What a reader finds in it is compared by tests; here that it is given.
        expect["compare"] = "status"
    else:
        expect["text"] = body.decode()
    return expect


def main(url, tenant):
    for group in [grafana, drilldown, detected, volume, patterns, formats]:
        for at, (route, params, headers) in enumerate(group(), 1):
            case = {"id": f"{group.__name__}-{at:03}", "method": "GET", "path": API + route, "params": params, "headers": headers}
            print(json.dumps({**case, "expect": ask(url, tenant, route, params, headers)}, ensure_ascii=False))


if __name__ == "__main__":
    main(*sys.argv[1:])
