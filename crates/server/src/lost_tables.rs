//! At start the schema is held against the bucket: index tables that no period reaches stop it, or are named.

use loptr_storage::{IndexStore, LostTable};

/// Index tables that no period reaches.
#[derive(Debug, thiserror::Error)]
#[error("start refused: {}", text(.0))]
pub struct LostTables(Vec<LostTable>);

/// The first of them, and what to do.
fn text(lost: &[LostTable]) -> String {
    const SHOWN: usize = 5;
    let shown: Vec<String> = lost.iter().take(SHOWN).map(|table| format!("{} ({})", table.key, table.why)).collect();
    let more = lost.len().saturating_sub(SHOWN);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!(
        "schema_config does not reach index tables of the bucket: {}{more}. Periods whose days were written are not to be changed: a change begins a period of its own. \
         loptr.lost_index_tables: warn starts without their lines",
        shown.join(", ")
    )
}

/// Looks for index tables that the schema does not reach. A store that does not answer does not stop the start.
pub(crate) async fn check_tables(index: &IndexStore, refuse: bool) -> Result<(), LostTables> {
    match index.lost_tables().await {
        Ok(lost) if lost.is_empty() => {}
        Ok(lost) if refuse => return Err(LostTables(lost)),
        Ok(lost) => {
            for LostTable { key, why } in lost {
                tracing::warn!(table = %key, "an index table is out of reach, answers lack what it indexes: {why}");
            }
        }
        Err(error) => tracing::warn!(%error, "index tables could not be held against the schema"),
    }
    Ok(())
}
