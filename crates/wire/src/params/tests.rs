use loptr_model::{Millis, Nanos};

use super::*;

const NOW: Nanos = Nanos(1_795_100_000_000_000_000);

fn form(pairs: &[(&str, &str)]) -> Params {
    pairs.iter().copied().collect()
}

fn range_error(pairs: &[(&str, &str)]) -> String {
    RangeParams::parse(&form(pairs), NOW).expect_err("refused").to_string()
}

#[test]
fn texts_are_upstreams() {
    let bounds = [("start", "1795082400"), ("end", "1795083600")];
    for (more, expected) in [
        (("limit", "0"), "limit must be a positive value"),
        (("limit", "-3"), "limit must be a positive value"),
        (("limit", "abc"), "strconv.Atoi: parsing \"abc\": invalid syntax"),
        (("limit", "99999999999999999999"), "strconv.Atoi: parsing \"99999999999999999999\": value out of range"),
        (("direction", "x"), "invalid direction 'x'"),
        (("since", "bad"), "could not parse 'since' parameter: not a valid duration string: \"bad\""),
        (("step", "0"), "zero or negative query resolution step widths are not accepted. Try a positive integer"),
        (("step", "-5"), "zero or negative query resolution step widths are not accepted. Try a positive integer"),
        (("step", "bad"), "cannot parse \"bad\" to a valid duration"),
        (("step", "1e30"), "cannot parse \"1e30\" to a valid duration. It overflows int64"),
        (("step", "inf"), "cannot parse \"inf\" to a valid duration. It overflows int64"),
        (
            ("step", "10ms"),
            "exceeded maximum resolution of 11,000 points per time series. Try increasing the value of the step parameter",
        ),
        (("interval", "-1"), "interval must be >= 0"),
        (("interval", "x"), "cannot parse \"x\" to a valid duration"),
    ] {
        let pairs: Vec<_> = bounds.into_iter().chain([more]).collect();
        assert_eq!(range_error(&pairs), expected, "{more:?}");
    }
    assert_eq!(
        range_error(&[("end", "bad")]),
        "could not parse 'end' parameter: strconv.ParseInt: parsing \"bad\": invalid syntax"
    );
    assert_eq!(
        range_error(&[("start", "1.5x")]),
        "could not parse 'start' parameter: strconv.ParseInt: parsing \"1.5x\": invalid syntax"
    );
    assert_eq!(
        range_error(&[("start", "2026-11-19T11:00:00Z"), ("end", "2026-11-19T10:00:00Z")]),
        "end timestamp must not be before or equal to start time"
    );
    let time = InstantParams::parse(&form(&[("time", "bad")]), NOW).expect_err("refused");
    assert_eq!(time.to_string(), "strconv.ParseInt: parsing \"bad\": invalid syntax");
}

#[test]
fn the_first_fault_in_upstreams_order_is_told() {
    let faults = [
        ("since", "x", "could not parse 'since'"),
        ("end", "x", "could not parse 'end'"),
        ("start", "x", "could not parse 'start'"),
        ("limit", "x", "strconv.Atoi"),
        ("direction", "x", "invalid direction"),
        ("step", "x", "cannot parse \"x\""),
        ("interval", "y", "cannot parse \"y\""),
    ];
    for first in 0..faults.len() {
        let pairs: Vec<_> = faults[first..].iter().map(|(name, value, _)| (*name, *value)).collect();
        assert!(range_error(&pairs).starts_with(faults[first].2), "{}", faults[first].0);
    }
    let instant = |pairs: &[(&str, &str)]| InstantParams::parse(&form(pairs), NOW).expect_err("refused").to_string();
    assert!(instant(&[("limit", "x"), ("time", "x"), ("direction", "x")]).starts_with("strconv.Atoi"));
    assert!(instant(&[("time", "x"), ("direction", "x")]).starts_with("strconv.ParseInt"));
}

#[test]
fn defaults() {
    let range = RangeParams::parse(&Params::default(), NOW).expect("defaults");
    let hour = 3_600_000_000_000;
    assert_eq!((range.start, range.end), (NOW.saturating_sub(hour), NOW));
    assert_eq!((range.limit, range.direction, range.interval_ns), (100, Direction::Backward, 0));
    assert_eq!(range.step_ns, 14_000_000_000);

    let future = RangeParams::parse(&form(&[("end", "1795200000"), ("since", "2h")]), NOW).expect("valid");
    assert_eq!(future.start, NOW.saturating_sub(2 * hour));
    let past = RangeParams::parse(&form(&[("end", "1795000000"), ("since", "2h")]), NOW).expect("valid");
    assert_eq!(past.start.0, 1_795_000_000_000_000_000 - 2 * hour);
    assert_eq!(InstantParams::parse(&Params::default(), NOW).expect("defaults").time, NOW);
}

#[test]
fn times() {
    for (text, nanos) in [
        ("1700000000", 1_700_000_000_000_000_000),
        ("17000000000", 17_000_000_000),
        ("1700000000000", 1_700_000_000_000),
        ("1700000000.5", 1_700_000_000_500_000_000),
        ("1700000000.1234", 1_700_000_000_123_000_000),
        ("-1.5", -1_500_000_000),
        ("0", 0),
        ("2026-11-19T10:00:00Z", 1_795_082_400_000_000_000),
        ("2026-11-19T11:00:00.25+01:00", 1_795_082_400_250_000_000),
        ("9999999999", i64::MAX),
    ] {
        assert_eq!(parse_timestamp(text), Ok(Some(Nanos(nanos))), "{text}");
    }
    assert_eq!(parse_timestamp(""), Ok(None));
    for bad in ["1e9", "x", "1.2.3", "2026-11-19", "99999999999999999999"] {
        assert!(parse_timestamp(bad).is_err(), "{bad}");
    }
}

#[test]
fn steps() {
    for (text, nanos) in
        [("1", 1_000_000_000), ("0.5", 500_000_000), ("1e1", 10_000_000_000), ("5m", 300_000_000_000), ("0", 0)]
    {
        assert_eq!(parse_step(text), Ok(nanos), "{text}");
    }
    assert_eq!(parse_step("NaN"), Ok(i64::MIN));
    let tiny = form(&[("start", "1700000000"), ("end", "1700000000"), ("step", "0.0001")]);
    assert_eq!(RangeParams::parse(&tiny, NOW), Err(ParamError::StepNotPositive));
}

#[test]
fn index_requests_round_outwards() {
    let pairs = [("start", "1700000000000000001"), ("end", "1700000000000000001")];
    let range = RangeParams::parse(&form(&pairs), NOW).expect("valid");
    assert_eq!(range.millis(), (Millis(1_700_000_000_000), Millis(1_700_000_000_001)));
    let shards = |size: &str| IndexShardsParams::parse(&form(&[("targetBytesPerShard", size)]), NOW);
    assert_eq!(shards("600MB").expect("valid").target_bytes, 600 << 20);
    for bad in ["", "0", "x"] {
        assert_eq!(shards(bad).expect_err(bad).to_string(), "targetBytesPerShard must be a positive value");
    }
}

#[test]
fn series_matchers_are_united() {
    let groups = |pairs: &[(&str, &str)]| SeriesParams::parse(&form(pairs), NOW).expect("valid").groups;
    assert_eq!(groups(&[("match[]", "b"), ("match", "a"), ("match[]", "a")]), ["a", "b"]);
    assert_eq!(groups(&[("match", " { } ")]), [] as [&str; 0]);
    assert_eq!(groups(&[]), [] as [&str; 0]);
    assert_eq!(groups(&[("match", "{}"), ("match", "a")]), ["a", "{}"]);
}

#[test]
fn volumes() {
    let parse = |pairs: &[(&str, &str)], span| VolumeParams::parse(&form(pairs), span, NOW);
    let volume = parse(&[("limit", "0"), ("targetLabels", "a,b"), ("aggregateBy", "labels")], VolumeSpan::Instant);
    let volume = volume.expect("valid");
    assert_eq!((volume.limit, volume.step_ns, volume.aggregate_by), (100, 0, AggregateBy::Labels));
    assert_eq!(volume.target_labels, ["a", "b"]);
    assert_eq!(volume.end, NOW);
    let ranged = parse(&[("limit", "7"), ("step", "1m")], VolumeSpan::Range).expect("valid");
    assert_eq!((ranged.limit, ranged.step_ns, ranged.target_labels.len()), (7, 60_000_000_000, 0));
    for (pairs, span, text) in [
        (&[("limit", "-1")][..], VolumeSpan::Instant, "limit must be a positive value"),
        (&[("limit", "x")], VolumeSpan::Range, "strconv.Atoi: parsing \"x\": invalid syntax"),
        (&[("aggregateBy", "x"), ("start", "x")], VolumeSpan::Instant, "invalid aggregation option"),
        (&[("step", "bad"), ("aggregateBy", "x")], VolumeSpan::Range, "cannot parse \"bad\" to a valid duration"),
        (
            &[("start", "1795000001"), ("end", "1795000000")],
            VolumeSpan::Instant,
            "end timestamp must not be before or equal to start time",
        ),
    ] {
        assert_eq!(parse(pairs, span).expect_err(text).to_string(), text);
    }
}

#[test]
fn detected_patterns_and_tail() {
    let fields = |pairs: &[(&str, &str)]| DetectedFieldsParams::parse(&form(pairs), NOW);
    let found = fields(&[("field_limit", "5")]).expect("valid");
    assert_eq!((found.limit, found.line_limit), (5, 100));
    assert_eq!(fields(&[("limit", "7"), ("field_limit", "5")]).expect("valid").limit, 7);
    assert_eq!(fields(&[]).expect("valid").limit, 1000);
    assert_eq!(fields(&[("line_limit", "0")]), Err(ParamError::Limit));
    assert_eq!(fields(&[("step", "0.0005")]), Err(ParamError::StepNotPositive));

    // Patterns do not compare start and end.
    let patterns = PatternsParams::parse(&form(&[("start", "1795000001"), ("end", "1795000000")]), NOW);
    assert_eq!(patterns.expect("valid").step_ns, 1_000_000_000);
    assert!(DetectedLabelsParams::parse(&form(&[("start", "1795000001"), ("end", "1795000000")]), NOW).is_err());
    assert!(LabelParams::parse(&form(&[("start", "1795000001"), ("end", "1795000000")]), NOW).is_ok());

    let tail = |delay: &str| TailParams::parse(&form(&[("delay_for", delay)]), NOW);
    assert_eq!(tail("5").expect("valid").delay_secs, 5);
    for bad in ["6", "-1"] {
        assert_eq!(tail(bad).expect_err(bad).to_string(), "delay_for can't be greater than 5");
    }
}

#[test]
fn forms() {
    let params = Params::from_form("a=1&b=x%20y+z&a=2&c", Some(b"a=0&d=%C3%A9&=v&&")).expect("valid");
    assert_eq!(params.all("a").collect::<Vec<_>>(), ["0", "1", "2"]);
    assert_eq!((params.get("b"), params.get("c"), params.get("d"), params.get("")), ("x y z", "", "é", "v"));
    assert_eq!(params.get("none"), "");
    for (query, text) in [
        ("a=%zz", "invalid URL escape \"%zz\""),
        ("a=%4", "invalid URL escape \"%4\""),
        ("a=1;b=2", "invalid semicolon separator in query"),
    ] {
        assert_eq!(Params::from_form(query, None).expect_err(query).to_string(), text);
    }
}
