//! Arithmetic.

use super::cast::{to_float, to_int};
use super::{Env, Fault, Func, int, make};
use crate::decimal::Decimal;
use crate::value::{Type, Value};

use Type::{Any, Float, Int};

pub(super) static FUNCTIONS: &[Func] = &[
    make("add", &[Any], |_, args| Ok(Value::Int64(args.iter().fold(0, |sum, arg| sum.wrapping_add(to_int(arg))))))
        .variadic(),
    make("mul", &[Any, Any], |_, args| Ok(fold(args, i64::wrapping_mul))).variadic(),
    make("max", &[Any, Any], |_, args| Ok(fold(args, i64::max))).variadic(),
    make("min", &[Any, Any], |_, args| Ok(fold(args, i64::min))).variadic(),
    make("sub", &[Any, Any], |_, args| Ok(Value::Int64(to_int(&args[0]).wrapping_sub(to_int(&args[1]))))),
    make("div", &[Any, Any], |_, args| divide(args, i64::wrapping_div)),
    make("mod", &[Any, Any], |_, args| divide(args, i64::wrapping_rem)),
    make("addf", &[Any], |env, args| {
        let zero = Value::Float(0.0);
        decimals(env, &zero, args, |a, b| Ok(a.add(b)))
    })
    .variadic(),
    make("subf", &[Any, Any], |env, args| decimals(env, &args[0], &args[1..], |a, b| Ok(a.add(&b.clone().negate()))))
        .variadic(),
    make("mulf", &[Any, Any], |env, args| decimals(env, &args[0], &args[1..], |a, b| Ok(a.mul(b)))).variadic(),
    make("divf", &[Any, Any], |env, args| {
        decimals(env, &args[0], &args[1..], |a, b| {
            if b.is_zero() { Err("decimal division by 0".to_owned()) } else { Ok(a.div(b)) }
        })
    })
    .variadic(),
    make("maxf", &[Any, Any], |_, args| Ok(foldf(args, max))).variadic(),
    make("minf", &[Any, Any], |_, args| Ok(foldf(args, min))).variadic(),
    make("ceil", &[Any], |_, args| Ok(Value::Float(to_float(&args[0]).ceil()))),
    make("floor", &[Any], |_, args| Ok(Value::Float(to_float(&args[0]).floor()))),
    make("round", &[Any, Int, Float], |_, args| {
        let on = match args.get(2) {
            Some(Value::Float(on)) => *on,
            _ => 0.5,
        };
        Ok(Value::Float(round(to_float(&args[0]), int(args, 1), on)))
    })
    .variadic(),
];

fn fold<'a>(args: &[Value<'a>], step: fn(i64, i64) -> i64) -> Value<'a> {
    Value::Int64(args.iter().map(to_int).reduce(step).unwrap_or(0))
}

fn foldf<'a>(args: &[Value<'a>], step: fn(f64, f64) -> f64) -> Value<'a> {
    Value::Float(args.iter().map(to_float).reduce(step).unwrap_or(0.0))
}

fn divide<'a>(args: &[Value<'a>], step: fn(i64, i64) -> i64) -> Result<Value<'a>, Fault> {
    match to_int(&args[1]) {
        0 => Err("runtime error: integer divide by zero".to_owned()),
        divisor => Ok(Value::Int64(step(to_int(&args[0]), divisor))),
    }
}

/// Applies `step` to decimals one after the other.
fn decimals<'a>(
    env: &mut Env<'a>,
    first: &Value<'a>,
    others: &[Value<'a>],
    step: fn(&Decimal, &Decimal) -> Result<Decimal, Fault>,
) -> Result<Value<'a>, Fault> {
    let decimal = |value: &Value<'_>| {
        let value = to_float(value);
        Decimal::new(value).ok_or_else(|| {
            let shown = crate::fmt::format_float(value, b'g', None);
            format!("Cannot create a Decimal from {shown}")
        })
    };
    let mut result = decimal(first)?;
    for other in others {
        let other = decimal(other)?;
        // A division costs about the product of the lengths; none is much longer than what float64 needs.
        env.charge(result.size() * (other.size() + 4) / 16)?;
        result = step(&result, &other)?;
    }
    Ok(Value::Float(result.to_f64()))
}

/// `math.Max`: NaN if one is, and 0 above -0.
fn max(a: f64, b: f64) -> f64 {
    if a == f64::INFINITY || b == f64::INFINITY {
        return f64::INFINITY;
    }
    if a.is_nan() || b.is_nan() {
        return f64::NAN;
    }
    if a == 0.0 && b == 0.0 {
        return if a.is_sign_negative() { b } else { a };
    }
    a.max(b)
}

/// `math.Min`
fn min(a: f64, b: f64) -> f64 {
    -max(-a, -b)
}

/// Rounds to `places`; up if the rest is at least `on`.
fn round(value: f64, places: i64, on: f64) -> f64 {
    let power = power_of_ten(places);
    let digit = power * value;
    // Infinity has no fraction in Go.
    let fraction = if digit.is_infinite() { f64::NAN } else { digit.fract() };
    let rounded = if fraction >= on { digit.ceil() } else { digit.floor() };
    rounded / power
}

/// `math.Pow(10, n)` by squaring, with the roundings Go's has.
fn power_of_ten(n: i64) -> f64 {
    match n {
        0 => return 1.0,
        400.. => return f64::INFINITY,
        ..-400 => return 0.0,
        _ => {}
    }
    // Ten is 0.625 times two to the fourth.
    let (mut mantissa, mut exponent) = (1.0_f64, 0_i32);
    let (mut factor, mut step) = (0.625_f64, 4_i32);
    let mut rest = n.unsigned_abs();
    while rest != 0 {
        if rest & 1 == 1 {
            mantissa *= factor;
            exponent += step;
        }
        factor *= factor;
        step <<= 1;
        if factor < 0.5 {
            factor += factor;
            step -= 1;
        }
        rest >>= 1;
    }
    if n < 0 {
        (mantissa, exponent) = (1.0 / mantissa, -exponent);
    }
    // In two steps, as a power of two below the smallest normal number would lose the mantissa.
    let half = exponent / 2;
    mantissa * 2_f64.powi(half) * 2_f64.powi(exponent - half)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounding() {
        assert_eq!(round(-2.5, 0, 0.5), -3.0);
        assert_eq!(round(2.5, 0, 0.5), 3.0);
        assert_eq!(round(123.5555, 3, 0.5), 123.556);
        assert_eq!(round(123.5555, 3, 0.6), 123.555);
        assert_eq!(round(1234.0, -2, 0.5), 1200.0);
        assert!(round(1.0, 400, 0.5).is_nan());
    }

    /// FNV over the powers from -420 to 420, as a Go program computed it with `math.Pow`.
    #[test]
    fn powers_are_gos() {
        assert_eq!(power_of_ten(-3), 0.001);
        assert_eq!(power_of_ten(308), 1.0000000000000006e308);
        let hash = (-420..=420).fold(0xcbf2_9ce4_8422_2325_u64, |hash, n| {
            (hash ^ power_of_ten(n).to_bits()).wrapping_mul(0x100_0000_01b3)
        });
        assert_eq!(hash, 0xe1ef_c13b_50d5_c014);
    }

    #[test]
    fn extremes() {
        assert_eq!(max(f64::NAN, f64::INFINITY), f64::INFINITY);
        assert!(max(f64::NAN, 1.0).is_nan());
        assert!(max(-0.0, 0.0).is_sign_positive());
        assert!(min(-0.0, 0.0).is_sign_negative());
    }
}
