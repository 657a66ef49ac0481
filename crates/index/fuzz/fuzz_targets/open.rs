//! Opens any bytes as an index file and asks it everything. Checksums are not verified in fuzzing builds, so that
//! changed bytes get past them. Start from the inflated files of `testdata/`:
//!
//! ```text
//! mkdir -p corpus/open && for f in ../testdata/*.gz; do gunzip -c $f > corpus/open/$(basename $f .gz); done
//! cargo fuzz run open
//! ```
#![no_main]

use std::ops::ControlFlow;

use libfuzzer_sys::fuzz_target;
use loptr_index::{IndexBuilder, IndexError, IndexFile, IndexView, Predicate, Shard, Test};
use loptr_model::{Millis, TenantId};

fn ask(view: &IndexView<'_>) -> Result<(), IndexError> {
    let (from, through) = (Millis(1_795_082_500_000), Millis(1_795_084_000_000));
    let accepts = |value: &str| value.len() != 3;
    for test in [Test::OneOf(&["dup", ""]), Test::NoneOf(&["dup"]), Test::Accepts(&accepts)] {
        let asked = [Predicate { name: "app", test }, Predicate { name: "env", test: Test::Accepts(&accepts) }];
        view.stats(&asked, Some(Shard::of(0, 2)?), from, through)?;
        view.label_names(&asked)?;
        view.label_values("service_name", &asked)?;
    }
    view.select(&[], None, |series| {
        series.chunks(from, through)?.try_for_each(|chunk| chunk.map(|_| ()))?;
        series.all_chunks()?.try_for_each(|chunk| chunk.map(|_| ()))?;
        assert_eq!(series.to_labels().len(), series.labels().count());
        Ok(ControlFlow::Continue(()))
    })?;
    let mut builder = IndexBuilder::new(view.file().version());
    builder.add_view(view, &[])?;
    IndexFile::open(builder.build()?.into()).map(|_| ())
}

fuzz_target!(|data: &[u8]| {
    let Ok(file) = IndexFile::open(data.to_vec().into()) else { return };
    let tenant = TenantId::parse("tenant-a").expect("a legal tenant");
    // Errors are what damaged files are expected to give; a panic or endless memory is not.
    let _ = ask(&file.tenant_view(&tenant));
    let _ = ask(&file.view());
});
