//! Opens any bytes as a bbolt database of boltdb-shipper and makes an index of it; what opens is merged with itself. The
//! checksums of meta pages are not verified in fuzzing builds. Start from the inflated file of `testdata/`:
//!
//! ```text
//! mkdir -p corpus/boltdb && gunzip -c ../testdata/boltdb-v11.gz > corpus/boltdb/v11
//! cargo fuzz run boltdb
//! ```
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use loptr_index::bolt::{BoltFile, merge, to_index};
use loptr_index::{IndexError, IndexFile};
use loptr_model::TenantId;

/// Names of a tenant's labels.
fn names(file: &IndexFile) -> Result<Vec<String>, IndexError> {
    let tenant = TenantId::single();
    let names = file.tenant_view(&tenant).label_names(&[])?;
    Ok(names.into_iter().map(str::to_owned).collect())
}

fuzz_target!(|data: &[u8]| {
    let bytes = Bytes::copy_from_slice(data);
    let Ok(file) = BoltFile::open(bytes.clone()) else { return };
    // Errors are what damaged files are expected to give; a panic or endless memory is not.
    let Ok((index, _)) = to_index(&file, None) else { return };
    to_index(&file, Some(&TenantId::single())).expect("as much as for all tenants, or less");
    let merged = merge(&[bytes.clone(), bytes], |_| true);
    if let Ok(Some(merged)) = merged {
        let (again, _) = to_index(&BoltFile::open(merged.into()).expect("our own"), None).expect("our own");
        assert!(names(&index).is_ok() && names(&again).is_ok());
    }
});
