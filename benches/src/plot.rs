//! A question's figures as bars, in SVG.

use std::fmt::Write;

use crate::measure::megabytes;
use crate::questions::Question;
use crate::suite::Measured;

const COLOURS: [&str; 2] = ["#2f6f9f", "#c8783c"];
const BAR_WIDTH: f64 = 420.0;

/// Four groups of bars, each scaled to its longest: CPU, wall one at a time, wall at once, memory.
pub(crate) fn svg(question: &Question, names: &[String], measured: &[Measured], at_once: u32) -> String {
    let mut out = String::from(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"760\" height=\"320\" font-family=\"sans-serif\" \
         font-size=\"13\">\n<rect width=\"760\" height=\"320\" fill=\"white\"/>\n",
    );
    let _ = writeln!(out, "<text x=\"16\" y=\"26\" font-size=\"17\">{}</text>", escape(question.name));
    let _ = writeln!(out, "<text x=\"16\" y=\"46\" fill=\"#555\">{}</text>", escape(question.about));
    let groups = [
        ("CPU s a query".to_owned(), measured.iter().map(|it| Some(it.asked.cpu_secs_per_run())).collect()),
        ("wall s, one at a time".to_owned(), measured.iter().map(|it| Some(it.asked.wall_secs_per_run())).collect()),
        (format!("wall s, {at_once} at once"), measured.iter().map(|it| it.crowded_wall_secs).collect()),
        ("peak memory, MB".to_owned(), measured.iter().map(|it| Some(megabytes(it.peak_bytes))).collect::<Vec<_>>()),
    ];
    let mut y = 66.0;
    for (label, figures) in groups {
        let figures: Option<Vec<f64>> = figures.into_iter().collect();
        let Some(figures) = figures else { continue };
        let longest = figures.iter().copied().fold(f64::MIN_POSITIVE, f64::max);
        let _ = writeln!(out, "<text x=\"16\" y=\"{:.0}\">{}</text>", y + 24.0, escape(&label));
        for (figure, colour) in figures.iter().zip(COLOURS) {
            let width = (figure / longest * BAR_WIDTH).max(1.0);
            let _ = writeln!(
                out,
                "<rect x=\"190\" y=\"{y:.0}\" width=\"{width:.1}\" height=\"18\" fill=\"{colour}\"/>\
                 <text x=\"{:.0}\" y=\"{:.0}\">{}</text>",
                198.0 + width,
                y + 14.0,
                crate::report::figure_text(*figure)
            );
            y += 22.0;
        }
        y += 14.0;
    }
    for (at, (name, colour)) in names.iter().zip(COLOURS).enumerate() {
        let x = if at == 0 { 440 } else { 600 };
        let _ = writeln!(
            out,
            "<rect x=\"{x}\" y=\"14\" width=\"14\" height=\"14\" fill=\"{colour}\"/><text x=\"{}\" y=\"26\">{}</text>",
            x + 20,
            escape(name)
        );
    }
    out.push_str("</svg>\n");
    out
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use loptr_conformance::http::Answer;

    use super::*;
    use crate::measure::Asked;

    #[test]
    fn bars_are_drawn_to_scale_and_what_is_unknown_is_left_out() {
        let answer = Answer { status: 200, content_type: String::new(), body: Vec::new() };
        let asked = |cpu_secs| Asked { first_cpu_secs: 0.1, cpu_secs, wall_secs: 1.0, runs: 1, answer: answer.clone() };
        let one = |cpu_secs| Measured { asked: asked(cpu_secs), crowded_wall_secs: None, peak_bytes: 1_000_000 };
        let question = crate::questions::chosen(Some("newest")).unwrap()[0];
        let names = ["a<b".to_owned(), "c".to_owned()];
        let svg = svg(&question, &names, &[one(1.0), one(4.0)], 16);
        assert!(svg.contains("width=\"105.0\"") && svg.contains("width=\"420.0\""), "{svg}");
        assert!(svg.contains("a&lt;b") && !svg.contains("at once") && svg.ends_with("</svg>\n"));
    }
}
