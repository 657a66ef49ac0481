//! `ip("…")`: addresses inside text (specification 4.7.4).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// One address, a prefix or a range of addresses.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum IpPattern {
    One(IpAddr),
    /// First and last address; a prefix becomes the range it spans.
    Span(IpAddr, IpAddr),
    /// Valid to upstream, and never found: an address with a zone.
    Nothing,
}

impl IpPattern {
    /// Reads `address`, `address/bits` or `first-last`.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        parse(text).ok_or_else(|| format!("ip: invalid pattern: {}", loptr_model::go_quote(text)))
    }

    fn contains(&self, found: IpAddr) -> bool {
        match (self, found) {
            (Self::One(one), found) => *one == found,
            (Self::Span(IpAddr::V4(first), IpAddr::V4(last)), IpAddr::V4(found)) => (first..=last).contains(&&found),
            (Self::Span(IpAddr::V6(first), IpAddr::V6(last)), IpAddr::V6(found)) => (first..=last).contains(&&found),
            _ => false,
        }
    }

    /// Whether `text` holds a matching address. Upstream's scan, with its blind spots: see the specification.
    pub(crate) fn is_match(&self, text: &[u8]) -> bool {
        let mut at = 0;
        while at < text.len() {
            let rest = &text[at..];
            let run = if v4_hint(rest) {
                run_of(rest, |b| b.is_ascii_digit() || b == b'.')
            } else if v6_hint(rest) {
                run_of(rest, |b| b.is_ascii_hexdigit() || b == b':' || b == b'.')
            } else {
                at += 1;
                continue;
            };
            let found = std::str::from_utf8(&rest[..run]).ok().and_then(|text| text.parse::<IpAddr>().ok());
            if found.is_some_and(|ip| self.contains(ip)) {
                return true;
            }
            at += run + 1;
        }
        false
    }
}

fn run_of(text: &[u8], accept: impl Fn(u8) -> bool) -> usize {
    text.iter().position(|&b| !accept(b)).unwrap_or(text.len())
}

fn v4_hint(rest: &[u8]) -> bool {
    matches!(rest, [a, b, c, d, ..] if a.is_ascii_digit() && [b, c, d].iter().any(|&&x| x == b'.'))
}

fn v6_hint(rest: &[u8]) -> bool {
    let Some(head) = rest.first_chunk::<5>() else { return false };
    if head[..2] == *b"::" {
        return head[2].is_ascii_hexdigit();
    }
    let digits = head.iter().take_while(|b| b.is_ascii_hexdigit()).count();
    (1..=4).contains(&digits) && head[digits] == b':'
}

fn parse(text: &str) -> Option<IpPattern> {
    if let Ok(one) = text.parse() {
        return Some(IpPattern::One(one));
    }
    if let Some((address, zone)) = text.split_once('%') {
        return (address.parse::<Ipv6Addr>().is_ok() && !zone.is_empty()).then_some(IpPattern::Nothing);
    }
    if let Some((address, bits)) = text.rsplit_once('/') {
        return prefix(address.parse().ok()?, bits);
    }
    let (first, last) = text.split_once('-')?;
    let (first, last) = (first.parse::<IpAddr>().ok()?, last.parse::<IpAddr>().ok()?);
    (first.is_ipv4() == last.is_ipv4() && first <= last).then_some(IpPattern::Span(first, last))
}

fn prefix(address: IpAddr, bits: &str) -> Option<IpPattern> {
    let leading_zero = bits.len() > 1 && bits.starts_with('0');
    if leading_zero || !bits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let bits: u32 = bits.parse().ok()?;
    match address {
        IpAddr::V4(ip) => {
            let host = u32::MAX.checked_shr(bits).unwrap_or(0);
            let first = u32::from(ip) & !host;
            (bits <= 32).then(|| IpPattern::Span(Ipv4Addr::from(first).into(), Ipv4Addr::from(first | host).into()))
        }
        IpAddr::V6(ip) => {
            let host = u128::MAX.checked_shr(bits).unwrap_or(0);
            let first = u128::from(ip) & !host;
            (bits <= 128).then(|| IpPattern::Span(Ipv6Addr::from(first).into(), Ipv6Addr::from(first | host).into()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hits(pattern: &str, text: &str) -> bool {
        IpPattern::parse(pattern).expect("valid pattern").is_match(text.as_bytes())
    }

    #[test]
    fn finds_addresses_where_upstream_does() {
        assert!(hits("192.168.4.5", "x192.168.4.5y"));
        assert!(hits("192.168.4.5", "192.168.4.5:8080"));
        assert!(!hits("192.168.4.5", "192.168.4.5."));
        assert!(!hits("192.168.4.5", "dead:192.168.4.5"));
        assert!(hits("192.168.0.0/16", "from 192.168.200.1"));
        assert!(!hits("192.168.0.0/16", "from 192.169.0.1"));
        assert!(hits("192.168.4.1-192.168.4.9", "a 10.0.0.1 b 192.168.4.9"));
        assert!(hits("::1", "at ::1 there") && !hits("::1", "::1"));
        assert!(hits("2001:db8::/32", "[2001:db8::7]:80"));
        assert!(!hits("::ffff:1.2.3.4", "1.2.3.4 it is"));
        assert!(hits("0.0.0.0/0", "1.2.3.4") && hits("10.0.0.1/32", "10.0.0.1 "));
    }

    #[test]
    fn refuses_what_is_no_pattern() {
        for bad in ["zz", "", "1.2.3.4 - 1.2.3.5", "1.2.3.9-1.2.3.1", "1.2.3.4-::1", "1.2.3.4/33", "1.2.3.4/08"] {
            assert_eq!(IpPattern::parse(bad), Err(format!("ip: invalid pattern: \"{bad}\"")));
        }
    }
}
