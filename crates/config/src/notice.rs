//! Things an operator should hear about a configuration that is otherwise fine.

use std::fmt;

/// One remark, to be logged at level warn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    text: String,
}

impl Notice {
    pub(crate) fn new(text: impl Into<String>) -> Notice {
        Notice { text: text.into() }
    }

    pub(crate) fn ignored_flag(name: &str) -> Notice {
        Notice::new(format!("flag -{name} is accepted and ignored"))
    }

    pub(crate) fn dropped_flag(name: &str, note: &str) -> Notice {
        Notice::new(format!("flag -{name} belongs to an older version and is ignored{}", reason(note)))
    }

    pub(crate) fn moved_flag(name: &str, to: &str) -> Notice {
        Notice::new(format!("flag -{name} belongs to an older version; its value goes to -{to}"))
    }
}

/// ` (note)`, or nothing.
pub(crate) fn reason(note: &str) -> String {
    if note.is_empty() { String::new() } else { format!(" ({note})") }
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
