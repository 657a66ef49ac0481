//! What was measured, as a table for a reader and as JSON for the record.

use std::fmt::Write;

use crate::measure::{Asked, Pushed, megabytes};

/// One question as every server answered it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) asked: Vec<Asked>,
    /// What differs between the first two answers.
    pub(crate) difference: Option<String>,
}

/// The table of pushing: a line for each figure, a column for each server, and how the first compares.
pub(crate) fn push_table(names: &[&str], pushed: &[Pushed]) -> String {
    let mut table = heading("", names);
    let mut line = |label: &str, better_is_more: bool, figure: &dyn Fn(&Pushed) -> Option<f64>| {
        let figures: Vec<Option<f64>> = pushed.iter().map(figure).collect();
        if figures.iter().all(Option::is_some) {
            let figures: Vec<f64> = figures.into_iter().flatten().collect();
            table.push_str(&figures_line(label, &figures, better_is_more));
        }
    };
    line("push protobuf, MB", true, &|pushed| Some(megabytes(pushed.protobuf_bytes)));
    line("push, CPU s", false, &|pushed| Some(pushed.push_cpu_secs));
    line("push, MB per CPU s", true, &|pushed| Some(pushed.megabytes_per_cpu_sec()));
    line("push, wall s", false, &|pushed| Some(pushed.push_wall_secs));
    line("flush, CPU s", false, &|pushed| Some(pushed.flush_cpu_secs));
    line("push+flush, MB per CPU s", true, &|pushed| Some(pushed.megabytes_per_cpu_sec_flushed()));
    line("peak resident, MB", false, &|pushed| Some(megabytes(pushed.peak_bytes)));
    line("stored, MB", false, &|pushed| pushed.stored.map(|stored| megabytes(stored.bytes)));
    line("write-ahead log, MB", false, &|pushed| pushed.stored.map(|stored| megabytes(stored.wal_bytes)));
    table
}

/// The table of questions: CPU seconds of one run, the first run apart.
pub(crate) fn question_table(names: &[&str], rows: &[Row]) -> String {
    let mut table = heading("CPU s a query", names);
    for Row { name, asked, difference } in rows {
        let warm: Vec<f64> = asked.iter().map(Asked::cpu_secs_per_run).collect();
        table.push_str(&figures_line(name, &warm, false));
        let cold: Vec<f64> = asked.iter().map(|asked| asked.first_cpu_secs).collect();
        table.push_str(&figures_line("  first run", &cold, false));
        let wall: Vec<f64> = asked.iter().map(Asked::wall_secs_per_run).collect();
        table.push_str(&figures_line("  wall s", &wall, false));
        let runs: Vec<String> = asked.iter().map(|asked| format!("{:>14}", asked.runs)).collect();
        let same = match difference {
            Some(difference) => format!("  ANSWERS DIFFER: {difference}"),
            None if asked.len() > 1 => "  same answer".to_owned(),
            None => String::new(),
        };
        let _ = writeln!(table, "{:<26}{}{same}", "  runs", runs.concat());
    }
    table
}

fn heading(title: &str, names: &[&str]) -> String {
    let columns: String = names.iter().map(|name| format!("{name:>14}")).collect();
    let ratio = if names.len() == 2 { format!("{:>14}", "better by") } else { String::new() };
    format!("\n{title:<26}{columns}{ratio}\n")
}

/// With two servers, how many times better the first is.
fn figures_line(label: &str, figures: &[f64], better_is_more: bool) -> String {
    let columns: String = figures.iter().map(|figure| format!("{:>14}", figure_text(*figure))).collect();
    let ratio = match figures {
        [a, b] if *a > 0.0 && *b > 0.0 => format!("{:>13.2}x", if better_is_more { a / b } else { b / a }),
        _ => String::new(),
    };
    format!("{label:<26}{columns}{ratio}\n")
}

fn figure_text(figure: f64) -> String {
    match figure {
        _ if figure >= 100.0 => format!("{figure:.0}"),
        _ if figure >= 1.0 => format!("{figure:.2}"),
        _ => format!("{figure:.5}"),
    }
}

#[cfg(test)]
mod tests {
    use loptr_conformance::http::Answer;

    use super::*;

    #[test]
    fn ratios_say_how_much_better_the_first_is() {
        assert_eq!(
            figures_line("x", &[1.0, 5.0], false),
            format!("{:<26}{:>14}{:>14}{:>13.2}x\n", "x", "1.00", "5.00", 5.0)
        );
        assert_eq!(
            figures_line("x", &[10.0, 5.0], true),
            format!("{:<26}{:>14}{:>14}{:>13.2}x\n", "x", "10.00", "5.00", 2.0)
        );
        assert!(!figures_line("x", &[0.0, 5.0], false).contains("x\n"), "nothing is compared with zero");
    }

    #[test]
    fn a_single_server_has_no_ratio_and_unknown_figures_no_line() {
        let table =
            push_table(&["a"], &[Pushed { protobuf_bytes: 1_000_000, push_cpu_secs: 0.5, ..Pushed::default() }]);
        assert!(table.contains("push, MB per CPU s") && !table.contains("stored"), "{table}");
        assert!(!table.contains("better by"));
    }

    #[test]
    fn different_answers_are_shouted() {
        let answer = Answer { status: 200, content_type: String::new(), body: Vec::new() };
        let asked = Asked { first_cpu_secs: 0.2, cpu_secs: 2.0, wall_secs: 2.0, runs: 10, answer };
        let row = Row { name: "newest", asked: vec![asked.clone(), asked], difference: Some("status".to_owned()) };
        let table = question_table(&["a", "b"], &[row]);
        assert!(table.contains("ANSWERS DIFFER: status") && table.contains("0.20000"), "{table}");
    }
}
