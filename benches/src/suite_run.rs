//! The command `suite`: pushes once, asks all questions, prints and keeps what came out.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::measure::{self, Limits, Pushed, Server};
use crate::report::{self, SuiteRow};
use crate::suite::{self, Recipe};
use crate::{Options, logs, plot, questions};

fn recipe(options: &Options, name: &'static str, prefix: &str) -> Result<Recipe, String> {
    let text = |key: &str| options.text(&format!("{prefix}{key}")).map(str::to_owned);
    let wanted = |key: &str| text(key).ok_or_else(|| format!("--{prefix}{key} is missing"));
    Ok(Recipe {
        name,
        url: wanted("url")?,
        tenant: options.text("tenant").map(str::to_owned),
        command: wanted("run")?,
        folder: text("data-dir").map(PathBuf::from),
        clear: text("clear").map(PathBuf::from),
    })
}

pub(crate) fn run(options: &Options) -> Result<bool, String> {
    let recipes = [recipe(options, "A", "")?, recipe(options, "B", "vs-")?];
    let questions = questions::chosen(Some(options.text("questions").unwrap_or("all")))?;
    let (end_secs, at_once) = (options.end_secs()?, options.number("at-once", 16)?);
    crate::say(&format!("24 hours to {end_secs} (give this as --end with --skip-push)"));
    let (mut passes, mut builds) = (Vec::new(), Vec::new());
    let mut running = recipes.iter().map(Recipe::start).collect::<Result<Vec<_>, _>>()?;
    for one in &mut running {
        builds.push(one.server.build());
    }
    let mut servers: Vec<&mut Server> = running.iter_mut().map(|one| &mut one.server).collect();
    if !options.has("skip-push") {
        let pushed = crate::push_all(&mut servers, options, 1)?;
        crate::say(&format!("\npushing{}", report::push_table(&["A", "B"], &pushed)));
        passes.push(pushed);
    }
    running.into_iter().try_for_each(suite::Running::stop)?;

    let mut trace_id = String::new();
    logs::trace_id(&mut trace_id, options.number("seed", 1)?, 500);
    let limits = Limits { cpu_secs: options.number("cpu", 2.0)?, runs: options.number("runs", 200)? };
    let mut rows = Vec::new();
    for question in &questions {
        let ask = |recipe| suite::measure(recipe, question, end_secs, &trace_id, limits, at_once);
        let measured = [ask(&recipes[0])?, ask(&recipes[1])?];
        let difference = measure::differs(question, &measured[0].asked.answer, &measured[1].asked.answer);
        crate::say(&format!("asked {}", question.name));
        rows.push(SuiteRow { name: question.name, measured, difference });
    }
    crate::say(&report::suite_table(&rows, at_once));
    if options.has("save") {
        let folder = Path::new(options.text("results").unwrap_or("benches/results"));
        let path = crate::save(folder, &suite_record(options, end_secs, &builds, &passes, &rows)?)?;
        let plots = path.with_extension("");
        let failed = |error: io::Error| format!("keep plots in {}: {error}", plots.display());
        std::fs::create_dir_all(&plots).map_err(failed)?;
        let names = [("name", "A"), ("vs-name", "B")];
        let names = names.map(|(key, default)| options.text(key).unwrap_or(default).to_owned());
        for (at, (question, row)) in questions.iter().zip(&rows).enumerate() {
            let svg = plot::svg(question, &names, &row.measured, at_once);
            let file = plots.join(format!("{:02}-{}.svg", at + 1, question.name));
            std::fs::write(file, svg).map_err(failed)?;
        }
        crate::say(&format!("kept in {} and {}", path.display(), plots.display()));
    }
    Ok(rows.iter().all(|row| row.difference.is_none()))
}

fn suite_record(
    options: &Options,
    end_secs: i64,
    builds: &[Value],
    passes: &[Vec<Pushed>],
    rows: &[SuiteRow],
) -> Result<Value, String> {
    let servers: Vec<Value> = (0..2)
        .map(|at| {
            let pushes: Vec<Value> = passes.iter().filter_map(|pass| pass.get(at)).map(|it| it.to_json()).collect();
            let asked: BTreeMap<&str, Value> = rows
                .iter()
                .map(|row| {
                    let mut figures = row.measured[at].asked.to_json();
                    figures["crowded_wall_secs"] = json!(row.measured[at].crowded_wall_secs);
                    figures["peak_bytes"] = json!(row.measured[at].peak_bytes);
                    (row.name, figures)
                })
                .collect();
            let name = if at == 0 { "A" } else { "B" };
            json!({"name": name, "build": builds.get(at), "pushes": pushes, "questions": asked})
        })
        .collect();
    let differences: BTreeMap<&str, &str> =
        rows.iter().filter_map(|row| Some((row.name, row.difference.as_deref()?))).collect();
    let cpu = rows.iter().map(|row| {
        let [a, b] = &row.measured;
        (a.asked.cpu_secs_per_run(), b.asked.cpu_secs_per_run())
    });
    let mut record = crate::circumstances(options, end_secs)?;
    record["servers"] = json!(servers);
    record["differences"] = json!(differences);
    record["geometric_mean_of_cpu_ratios"] = json!(suite::mean_ratio(cpu));
    Ok(record)
}
