//! The scripts that `loptr-eval` runs in memory, over HTTP: from memory, then from flushed chunks.

use std::fs;
use std::time::Duration;

use loptr_conformance::http::Client;
use loptr_conformance::replay;
use loptr_conformance::script::{Script, over_http};

use crate::support::process::Home;

/// Nothing is added to what is pushed, and no step is moved.
const CONFIG: &str = "limits_config: {reject_old_samples: false, discover_service_name: [], discover_log_levels: false, \
                      enable_multi_variant_queries: true, \
                      split_queries_by_interval: 0}\n";

#[test]
fn scripts_answer_over_http_as_in_memory() {
    let home = Home::edited(CONFIG, &[("auth_enabled: false", "auth_enabled: true")]);
    let loptr = home.start();
    let url = format!("http://{}", loptr.api().address);
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../eval/testdata");
    let mut scripts = Vec::new();
    for file in fs::read_dir(folder).expect("the scripts are in the repository") {
        let path = file.expect("a file").path();
        if path.extension().is_some_and(|extension| extension == "test") {
            let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
            let script = Script::parse(&fs::read_to_string(&path).expect("a text"));
            scripts.push((name, script.unwrap_or_else(|fault| panic!("{}: {fault}", path.display()))));
        }
    }
    assert!(scripts.len() >= 9, "{}", scripts.len());
    let mut clients = Vec::new();
    for (name, script) in &scripts {
        let mut client = Client::new(&url, Some(name)).expect("an address");
        over_http::load(&mut client, script).unwrap_or_else(|fault| panic!("{name}: {fault}"));
        clients.push(client);
    }
    for from in ["memory", "chunks"] {
        for ((name, script), client) in scripts.iter().zip(&mut clients) {
            for eval in &script.evals {
                let place = format!("{name}:{} from {from}: {}", eval.line, eval.query);
                over_http::ask(client, eval).unwrap_or_else(|fault| panic!("{place}\n{fault}"));
            }
        }
        replay::flush(&mut clients[0], Duration::from_secs(20)).expect("a flush");
    }
}
