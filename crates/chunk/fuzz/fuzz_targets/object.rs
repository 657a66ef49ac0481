//! Any bytes as a stored object, and its text as keys.
#![no_main]

use libfuzzer_sys::fuzz_target;
use loptr_chunk::{
    Chunk, Object, SchemaVersion, encode_object, external_key, parse_external_key, parse_filesystem_name,
};
use loptr_model::TenantId;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(text) = std::str::from_utf8(bytes) {
        let _ = parse_filesystem_name(text);
        if let Ok((tenant, chunk)) = parse_external_key(text) {
            let again = external_key(SchemaVersion::V13, &tenant, &chunk);
            assert_eq!(parse_external_key(&again).expect("our own"), (tenant, chunk));
        }
    }
    let Ok(object) = Object::decode(bytes.to_vec().into()) else { return };
    let _ = Chunk::parse(object.memchunk.clone());
    let Ok(tenant) = TenantId::parse(&object.tenant) else { return };
    let again = encode_object(&tenant, &object.labels, &object.chunk, &object.memchunk).expect("fits");
    let again = Object::decode(again).expect("our own");
    assert_eq!((again.labels, again.memchunk, again.tenant), (object.labels, object.memchunk, object.tenant));
    assert_eq!((again.chunk.from, again.chunk.through), (object.chunk.from, object.chunk.through));
});
