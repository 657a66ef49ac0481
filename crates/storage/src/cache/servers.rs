//! Which of several servers has a key, as upstream chooses: so that both look in the same place.

use std::cmp::Ordering;

/// How keys are spread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spread {
    /// Jump hash of XXH64 over the servers in natural order: few keys move when one is added at the end.
    Consistent,
    /// CRC-32 modulo their number, in order of their names.
    Modulo,
}

impl Spread {
    /// Brings servers into the order that counts.
    pub(super) fn sort(self, servers: &mut [String]) {
        match self {
            Self::Consistent => servers.sort_by(|one, other| natural(one, other)),
            Self::Modulo => servers.sort(),
        }
    }

    /// The place of the server that has `key` among `count`, which is not zero.
    pub(super) fn place(self, key: &str, count: usize) -> usize {
        match self {
            _ if count <= 1 => 0,
            Self::Consistent => jump(xxhash_rust::xxh64::xxh64(key.as_bytes(), 0), count),
            Self::Modulo => crc32(key.as_bytes()) as usize % count,
        }
    }
}

/// Lamping and Veach, "A Fast, Minimal Memory, Consistent Hash Algorithm".
fn jump(mut key: u64, buckets: usize) -> usize {
    let (mut bucket, mut next) = (0i64, 0i64);
    while next < buckets as i64 {
        bucket = next;
        key = key.wrapping_mul(2_862_933_555_777_941_757).wrapping_add(1);
        next = ((bucket + 1) as f64 * ((1i64 << 31) as f64 / ((key >> 33) + 1) as f64)) as i64;
    }
    bucket as usize
}

/// CRC-32 of IEEE 802.3. Keys are short.
fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32, byte: &u8| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 })
    };
    !bytes.iter().fold(u32::MAX, step)
}

/// Runs of digits compare as numbers: `cache-9` before `cache-10`.
fn natural(one: &str, other: &str) -> Ordering {
    let pair = (split(one), split(other));
    for at in 0.. {
        let (a, b) = match (pair.0.get(at), pair.1.get(at)) {
            (Some(a), Some(b)) => (*a, *b),
            (a, b) => return a.is_some().cmp(&b.is_some()),
        };
        let order = match (a.parse::<u128>(), b.parse::<u128>()) {
            (Ok(a), Ok(b)) => a.cmp(&b),
            _ => a.cmp(b),
        };
        if order != Ordering::Equal {
            return order;
        }
    }
    Ordering::Equal
}

/// Runs of digits and of others.
fn split(text: &str) -> Vec<&str> {
    let mut runs = Vec::new();
    let mut start = 0;
    let bytes = text.as_bytes();
    for at in 1..=bytes.len() {
        if at == bytes.len() || bytes[at].is_ascii_digit() != bytes[at - 1].is_ascii_digit() {
            runs.extend(text.get(start..at));
            start = at;
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_the_known_ones() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
        // From the algorithm's paper and its usual implementation.
        let known =
            [(1u64, 1usize, 0usize), (42, 57, 43), (0xdead_10cc, 1, 0), (0xdead_10cc, 666, 361), (256, 1024, 520)];
        for (key, buckets, bucket) in known {
            assert_eq!(jump(key, buckets), bucket, "{key} of {buckets}");
        }
    }

    #[test]
    fn one_server_more_moves_few_keys() {
        let moved = (0..1000).filter(|key| {
            let key = format!("fake/{key}");
            Spread::Consistent.place(&key, 9) != Spread::Consistent.place(&key, 10)
        });
        let moved = moved.count();
        assert!((50..150).contains(&moved), "{moved}");
        assert!((0..100).all(|key| Spread::Modulo.place(&key.to_string(), 7) < 7));
    }

    #[test]
    fn servers_are_in_natural_order() {
        let mut servers = ["c-10:11211", "c-9:11211", "c-9:11210", "b:1", "c"].map(str::to_owned);
        Spread::Consistent.sort(&mut servers);
        assert_eq!(servers, ["b:1", "c", "c-9:11210", "c-9:11211", "c-10:11211"]);
        Spread::Modulo.sort(&mut servers);
        assert_eq!(servers, ["b:1", "c", "c-10:11211", "c-9:11210", "c-9:11211"]);
    }
}
