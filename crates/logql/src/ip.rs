//! Which texts `ip("…")` takes: an address, a prefix (`10.0.0.0/8`) or a range (`10.0.0.1-10.0.0.9`).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Whether Go's `net/netip` reads it as one of the three.
pub(crate) fn is_pattern(text: &str) -> bool {
    address(text).is_some() || is_prefix(text) || is_range(text)
}

/// An address; an IPv6 address may carry a zone.
fn address(text: &str) -> Option<IpAddr> {
    if let Ok(v4) = text.parse::<Ipv4Addr>() {
        return Some(v4.into());
    }
    let plain = match text.split_once('%') {
        Some((_, "")) => return None,
        Some((plain, _)) => plain,
        None => text,
    };
    plain.parse::<Ipv6Addr>().ok().map(IpAddr::from)
}

fn is_prefix(text: &str) -> bool {
    let Some((ip, bits)) = text.rsplit_once('/') else { return false };
    let Some(ip) = address(ip).filter(|_| !ip.contains('%')) else { return false };
    let is_plain = bits == "0" || (!bits.starts_with('0') && bits.bytes().all(|b| b.is_ascii_digit()));
    let most = if ip.is_ipv4() { 32 } else { 128 };
    is_plain && bits.parse::<u8>().is_ok_and(|bits| bits <= most)
}

fn is_range(text: &str) -> bool {
    let Some((from, to)) = text.split_once('-') else { return false };
    match (address(from), address(to)) {
        (Some(IpAddr::V4(from)), Some(IpAddr::V4(to))) => from <= to,
        (Some(IpAddr::V6(from)), Some(IpAddr::V6(to))) => from <= to,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        for ok in ["1.1.1.1", "::1", "fe80::1%eth0", "10.0.0.0/8", "::/0", "1.1.1.1-1.1.1.2", "::1-::2"] {
            assert!(is_pattern(ok), "{ok}");
        }
        for bad in ["", "x", "1.1.1", "01.1.1.1", "1.1.1.1/33", "1.1.1.1/08", "1.1.1.1/", "1.1.1.1 - 1.1.1.2"] {
            assert!(!is_pattern(bad), "{bad}");
        }
        assert!(!is_pattern("1.1.1.2-1.1.1.1"));
        assert!(!is_pattern("1.1.1.1-::1"));
    }
}
