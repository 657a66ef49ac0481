//! The text of `-help`.

use crate::table::{Kind, table};

/// The word behind a flag's name, as Go prints it.
fn placeholder(kind: Kind) -> &'static str {
    match kind {
        Kind::Bool | Kind::Ignored => "",
        Kind::Int => " int",
        Kind::Uint => " uint",
        Kind::Float => " float",
        Kind::Duration => " duration",
        Kind::Text => " string",
        _ => " value",
    }
}

/// The usage line and every flag in alphabetical order, with its default where there is one.
pub(super) fn usage() -> String {
    let keys = table().keys().flat_map(|(_, key)| key.flags().map(|flag| (flag, key.kind, key.default)));
    let lone = table().lone_flags().iter().map(|flag| (flag.flag, flag.kind, flag.default));
    let mut flags: Vec<_> = keys.chain(lone).collect();
    flags.sort_unstable_by_key(|(flag, ..)| *flag);
    let mut text = String::from("Usage of loptr:\n");
    for (flag, kind, default) in flags {
        text.push_str(&format!("  -{flag}{}", placeholder(kind)));
        let zero = matches!(default, "" | "false" | "0" | "0s" | "0B");
        match kind {
            _ if zero => {}
            Kind::Text | Kind::Secret => text.push_str(&format!(" (default \"{default}\")")),
            _ => text.push_str(&format!(" (default {default})")),
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    #[test]
    fn lists_every_flag() {
        let text = super::usage();
        let own = text.lines().filter(|line| line.starts_with("  -loptr.")).count();
        assert_eq!(text.lines().count() - own, 1 + 2_936);
        assert!(text.contains("\n  -server.http-listen-port int (default 3100)\n"));
        assert!(text.contains("\n  -auth.enabled (default true)\n"));
        assert!(text.contains("\n  -log.format string (default \"logfmt\")\n"));
    }
}
