//! What was measured, as a table for a reader and as JSON for the record.

use std::fmt::Write;

use crate::measure::{Asked, Pushed, megabytes};
use crate::suite::{self, Measured};

/// One question as both servers of a suite answered it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct SuiteRow {
    pub(crate) name: &'static str,
    pub(crate) measured: [Measured; 2],
    /// What differs between the answers.
    pub(crate) difference: Option<String>,
}

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

/// The table of a suite: a line for each question, and what all of it comes to.
pub(crate) fn suite_table(rows: &[SuiteRow], at_once: u32) -> String {
    let mut table = String::new();
    let many = format!("wall, {at_once} at once");
    let _ = writeln!(
        table,
        "\n{:<18}{:>24}{:>9}{:>24}{:>9}{:>24}{:>9}{:>16}",
        "", "CPU s a query: A, B", "", "wall s: A, B", "", many, "", "peak MB: A, B"
    );
    let ratio = |a: f64, b: f64| if a > 0.0 && b > 0.0 { format!("{:.2}x", b / a) } else { String::new() };
    for row in rows {
        let [a, b] = &row.measured;
        let _ = write!(table, "{:<18}", row.name);
        let crowded = a.crowded_wall_secs.zip(b.crowded_wall_secs);
        let pairs = [
            Some((a.asked.cpu_secs_per_run(), b.asked.cpu_secs_per_run())),
            Some((a.asked.wall_secs_per_run(), b.asked.wall_secs_per_run())),
            crowded,
        ];
        for pair in pairs {
            let Some((a, b)) = pair else {
                let _ = write!(table, "{:>33}", "");
                continue;
            };
            let _ = write!(table, "{:>13}{:>11}{:>9}", figure_text(a), figure_text(b), ratio(a, b));
        }
        let _ = write!(table, "{:>9}{:>7}", figure_text(megabytes(a.peak_bytes)), figure_text(megabytes(b.peak_bytes)));
        let told = row.difference.as_ref().map_or(String::new(), |text| format!("  ANSWERS DIFFER: {text}"));
        let _ = writeln!(table, "{told}");
    }
    let mean = |pair: &dyn Fn(&SuiteRow) -> Option<(f64, f64)>| {
        suite::mean_ratio(rows.iter().filter_map(pair)).map_or(String::new(), |mean| format!("{mean:.2}x"))
    };
    let cpu = |row: &SuiteRow| {
        let [a, b] = &row.measured;
        Some((a.asked.cpu_secs_per_run(), b.asked.cpu_secs_per_run()))
    };
    let wall = |row: &SuiteRow| {
        let [a, b] = &row.measured;
        Some((a.asked.wall_secs_per_run(), b.asked.wall_secs_per_run()))
    };
    let crowded = |row: &SuiteRow| row.measured[0].crowded_wall_secs.zip(row.measured[1].crowded_wall_secs);
    let _ = writeln!(table, "{:<18}{:>33}{:>33}{:>33}", "geometric mean", mean(&cpu), mean(&wall), mean(&crowded));
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

pub(crate) fn figure_text(figure: f64) -> String {
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

    #[test]
    fn a_suite_has_a_mean() {
        let answer = Answer { status: 200, content_type: String::new(), body: Vec::new() };
        let asked = |cpu_secs| Asked { first_cpu_secs: 0.1, cpu_secs, wall_secs: 1.0, runs: 1, answer: answer.clone() };
        let one = |cpu_secs| Measured { asked: asked(cpu_secs), crowded_wall_secs: None, peak_bytes: 1_000_000 };
        let row = |name, b| SuiteRow { name, measured: [one(1.0), one(b)], difference: None };
        let table = suite_table(&[row("x", 2.0), row("y", 8.0)], 16);
        assert!(table.contains("8.00x") && table.contains("geometric mean") && table.contains("4.00x"), "{table}");
    }
}
