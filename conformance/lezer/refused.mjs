// Lists the queries of our suites that a server answers and the grammar package `@grafana/lezer-logql` refuses.
//
//   npm install --prefix conformance/lezer --no-package-lock
//   node conformance/lezer/refused.mjs http://127.0.0.1:3100 > conformance/lezer/refused.jsonl
//   node conformance/lezer/refused.mjs --check http://127.0.0.1:3200     # each of the list is answered 200, say by upstream
//
// Suites: the recorded cases and formatted queries of `crates/logql/testdata`, the scripts of `crates/eval/testdata`.
import { readFileSync, readdirSync } from "node:fs";

const root = new URL("../../", import.meta.url);
const text = (path) => readFileSync(new URL(path, root), "utf8");
const lines = (path) => text(path).split("\n").filter(Boolean).map((line) => JSON.parse(line));

/** Queries by text, each with the names it goes by and whether it is asked for an instant. */
function suites() {
  const found = new Map();
  const add = (name, query, instant = false) => {
    found.set(query, { names: [...(found.get(query)?.names ?? []), name], instant });
  };
  for (const { id, query } of lines("crates/logql/testdata/cases.jsonl")) add(id, query);
  lines("crates/logql/testdata/format_query.jsonl").forEach(({ query }, at) => add(`format_query:${at + 1}`, query));
  for (const file of readdirSync(new URL("crates/eval/testdata/", root)).filter((name) => name.endsWith(".test"))) {
    text(`crates/eval/testdata/${file}`).split("\n").forEach((line, at) => {
      const [, kind, query] = /^eval (?:fail )?(\w+) [^:]*: (.*)$/.exec(line) ?? [];
      if (query) add(`${file}:${at + 1}`, query, kind === "instant");
    });
  }
  return found;
}

/** The status of the query asked over the recorded hour, or at its end. */
async function status(url, query, instant) {
  const when = instant ? { time: "1795086000" } : { start: "1795082400", end: "1795086000", step: "60" };
  const params = new URLSearchParams({ query, ...when });
  const headers = { "Content-Type": "application/x-www-form-urlencoded", "X-Scope-OrgID": "fake" };
  const answer = await fetch(`${url}/loki/api/v1/${instant ? "query" : "query_range"}`, { method: "POST", headers, body: params });
  await answer.arrayBuffer();
  return answer.status;
}

const [first, second] = process.argv.slice(2);
if (first === "--check") {
  let bad = 0;
  for (const { names, query, instant } of lines("conformance/lezer/refused.jsonl")) {
    const code = await status(second, query, instant);
    if (code !== 200) {
      bad += 1;
      console.log(code, names.join(" "), query);
    }
  }
  process.exit(bad ? 1 : 0);
}
const { parser } = await import("@grafana/lezer-logql");
/** Where the grammar gives up; -1 if it does not. */
function fault(query) {
  let at = -1;
  parser.parse(query).iterate({ enter: (node) => void (at = at < 0 && node.type.isError ? node.from : at) });
  return at;
}
for (const [query, { names, instant }] of suites()) {
  const at = fault(query);
  if (at >= 0 && (await status(first, query, instant)) === 200) console.log(JSON.stringify({ names, at, instant, query }));
}
