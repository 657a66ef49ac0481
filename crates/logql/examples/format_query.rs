//! Answers queries, one JSON string a line, with what the `format_query` endpoint would say, one JSON object a line.
//!
//! ```text
//! echo '"{a=\"b\"}|json|x>5"' | cargo run -p loptr-logql --example format_query
//! ```

use std::io::{BufRead, Write};

fn main() -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    for line in std::io::stdin().lock().lines() {
        let query: String = serde_json::from_str(&line?)?;
        let answer = match loptr_logql::parse(&query).and_then(|query| loptr_logql::pretty(&query)) {
            Ok(text) => serde_json::json!({"status": "success", "data": text}),
            Err(error) => serde_json::json!({"status": "invalid-query", "error": error.to_string()}),
        };
        writeln!(out, "{answer}")?;
    }
    Ok(())
}
