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

/** Queries by text, each with the names it goes by. */
function suites() {
  const found = new Map();
  const add = (name, query) => found.set(query, [...(found.get(query) ?? []), name]);
  for (const { id, query } of lines("crates/logql/testdata/cases.jsonl")) add(id, query);
  lines("crates/logql/testdata/format_query.jsonl").forEach(({ query }, at) => add(`format_query:${at + 1}`, query));
  for (const file of readdirSync(new URL("crates/eval/testdata/", root)).filter((name) => name.endsWith(".test"))) {
    text(`crates/eval/testdata/${file}`).split("\n").forEach((line, at) => {
      const query = /^eval [^:]*: (.*)$/.exec(line)?.[1];
      if (query) add(`${file}:${at + 1}`, query);
    });
  }
  return found;
}

/** The status of the query asked over the recorded hour. */
async function status(url, query) {
  const params = new URLSearchParams({ query, start: "1795082400", end: "1795086000", step: "60" });
  const headers = { "Content-Type": "application/x-www-form-urlencoded", "X-Scope-OrgID": "fake" };
  const answer = await fetch(`${url}/loki/api/v1/query_range`, { method: "POST", headers, body: params });
  await answer.arrayBuffer();
  return answer.status;
}

const [first, second] = process.argv.slice(2);
if (first === "--check") {
  let bad = 0;
  for (const { names, query } of lines("conformance/lezer/refused.jsonl")) {
    const code = await status(second, query);
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
for (const [query, names] of suites()) {
  const at = fault(query);
  if (at >= 0 && (await status(first, query)) === 200) console.log(JSON.stringify({ names, at, query }));
}
