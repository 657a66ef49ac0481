#!/usr/bin/env python3
"""Which expressions of dashboards and rules return nothing?

    check.py --prometheus http://127.0.0.1:9090 [--absent docs/metrics.md] [--set cluster=c --set namespace=ns] DASHBOARDS...

DASHBOARDS are folders of Grafana dashboards (JSON), such as the compiled ones of upstream's mixin. Recording rules and
alerts are taken from the Prometheus, which should have loaded the mixin's; of an alert the expression is asked without
its threshold. An expression that returns nothing is told with the metrics it needs, unless each reason for it is known:
metrics named under "Absent" in the page, jobs of parts that do not exist (--without), or of other exporters (not starting with loki_, cortex_, go_, process_). Ends
with 1 if any is left. Needs nothing but Python 3.
"""

import argparse
import json
import os
import re
import sys
import urllib.parse
import urllib.request

NAME = re.compile(r"(?<![\w:.$\"])([a-zA-Z_:][\w:]*)(?=\s*(?:\{|\[|$|[\s)+\-*/,>=<]))")
WORDS = set(
    "sum min max avg count by without on ignoring group_left group_right rate irate increase histogram_quantile "
    "label_replace topk bottomk time vector or and unless bool offset max_over_time min_over_time avg_over_time "
    "sum_over_time quantile absent clamp_min clamp_max floor ceil round sort sort_desc scalar inf nan le last_over_time "
    "count_values stddev delta deriv changes resets abs".split()
)
OURS = ("loki_", "cortex_", "go_", "process_", "cluster_job", "cluster_namespace_job")


def ask(url, path, **params):
    target = url + path + ("?" + urllib.parse.urlencode(params) if params else "")
    with urllib.request.urlopen(target, timeout=60) as answer:
        return json.load(answer)["data"]


def expressions(folders):
    """(where, expression) of each target of each panel."""

    def walk(node, path):
        if isinstance(node, dict):
            title = node.get("title")
            path = path + [title] if isinstance(title, str) and title else path
            if isinstance(node.get("expr"), str):
                yield " / ".join(path), node["expr"]
            for value in node.values():
                yield from walk(value, path)
        elif isinstance(node, list):
            for value in node:
                yield from walk(value, path)

    for folder in folders:
        for root, _, files in sorted(os.walk(folder)):
            for name in sorted(files):
                if name.endswith(".json"):
                    with open(os.path.join(root, name)) as file:
                        yield from walk(json.load(file), [name])


def without_threshold(query):
    return re.sub(r"\s*(>|<|==|!=|>=|<=)\s*(bool\s+)?[\d.eE+*\s-]+$", "", query)


def metrics_of(expr):
    bare = re.sub(r"\"(\\.|[^\"\\])*\"", '""', expr)
    bare = re.sub(r"\b(by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)", " ", bare)
    bare = re.sub(r"\{[^}]*\}", "{", bare)
    bare = re.sub(r"\[[^\]]*\]", "[", bare)
    return {name for name in NAME.findall(bare) if name not in WORDS}


def base(name):
    """Of a series' name that of its metric: recording rules and parts of histograms name others."""
    rule = re.fullmatch(r"cluster_(?:namespace_)?job(?:_route)?:(\w+?)(?:_bucket|_sum|_count)?(?::\w+)?", name)
    name = rule.group(1) if rule else name
    return re.sub(r"_(bucket|sum|count)$", "", name)


def is_absent(name, absent):
    prefixes = [known[:-1] for known in absent if known.endswith("*")]
    return base(name) in absent or name in absent or any(name.startswith(prefix) for prefix in prefixes)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="*")
    parser.add_argument("--prometheus", required=True)
    parser.add_argument("--absent")
    parser.add_argument("--without", action="append", default=[], help="a part that does not exist, such as bloom-gateway")
    parser.add_argument("--set", action="append", default=[])
    parser.add_argument("--verbose", action="store_true")
    args = parser.parse_args()
    absent = set()
    if args.absent:
        with open(args.absent) as file:
            section = file.read().split("\n## Absent\n", 1)[1].split("\n## ", 1)[0]
        absent = set(re.findall(r"`(\w+\*?)`", section))
    values = {"__rate_interval": "1m", "__interval": "1m", "__auto": "1m", "__range": "5m", "tenant": ".*", "container": ".*"}
    values.update(pair.split("=", 1) for pair in args.set)

    def filled(expr):
        for name in sorted(values, key=len, reverse=True):
            expr = expr.replace("${%s}" % name, values[name]).replace("$" + name, values[name])
        return expr

    asked = {}
    for where, expr in expressions(args.folders):
        asked.setdefault(filled(expr), where)
    for group in ask(args.prometheus, "/api/v1/rules")["groups"]:
        for rule in group["rules"]:
            query = without_threshold(rule["query"]) if rule["type"] == "alerting" else rule["query"]
            asked.setdefault(query, "%s %s" % (rule["type"], rule["name"]))

    counts = {"data": 0, "not PromQL": 0, "other exporters": 0, "absent parts": 0, "nothing": 0}
    for expr, where in asked.items():
        if re.search(r"\|[=~]|\|\s*logfmt|^\s*\{", expr):
            counts["not PromQL"] += 1
            continue
        try:
            result = ask(args.prometheus, "/api/v1/query", query=expr)
            found = result["resultType"] == "scalar" or bool(result["result"])
        except urllib.error.HTTPError as error:
            print("refused: %s: %s: %s" % (where, expr, error.read().decode()))
            counts["nothing"] += 1
            continue
        names = metrics_of(expr)
        if found:
            kind = "data"
        elif any(not name.startswith(OURS) for name in names):
            kind = "other exporters"
        elif any(is_absent(name, absent) for name in names) or any(part in expr for part in args.without):
            kind = "absent parts"
        else:
            kind = "nothing"
            print("nothing: %s\n    %s\n    needs %s" % (where, " ".join(expr.split()), ", ".join(sorted(names))))
        if args.verbose and kind != "nothing":
            print("%s: %s: %s" % (kind, where, " ".join(expr.split())))
        counts[kind] += 1
    print(", ".join("%s %d" % pair for pair in counts.items()) + " of %d expressions" % len(asked))
    sys.exit(1 if counts["nothing"] else 0)


if __name__ == "__main__":
    main()
