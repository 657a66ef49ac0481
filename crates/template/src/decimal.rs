//! Decimal numbers of any length, for `addf`, `subf`, `mulf` and `divf`.
//!
//! Upstream computes these on decimals made from the shortest text of each float64, so `addf 0.1 0.2` is 0.3. Sums,
//! differences and products are exact; a quotient has sixteen digits behind the point, half rounded away from zero.

use std::cmp::Ordering;

/// Digits of a limb, and what they count to.
const LIMB_DIGITS: usize = 9;
const LIMB: u64 = 1_000_000_000;

/// Digits behind the point of a quotient.
const QUOTIENT_DIGITS: i64 = 16;

/// A whole number without sign: limbs of nine decimal digits, the lowest first, none that is zero at the top.
type Limbs = Vec<u32>;

/// A whole number times a power of ten.
#[derive(Clone, Debug)]
pub(crate) struct Decimal {
    negative: bool,
    limbs: Limbs,
    exponent: i64,
}

impl Decimal {
    /// The shortest decimal that reads as `value`; none if that is not finite.
    pub(crate) fn new(value: f64) -> Option<Decimal> {
        if !value.is_finite() {
            return None;
        }
        let text = format!("{:e}", value.abs());
        let (mantissa, exponent) = text.split_once('e')?;
        let (whole, part) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let digits: u64 = format!("{whole}{part}").parse().ok()?;
        let exponent = exponent.parse::<i64>().ok()? - part.len() as i64;
        let mut limbs = vec![(digits % LIMB) as u32, (digits / LIMB % LIMB) as u32, (digits / LIMB / LIMB) as u32];
        trim(&mut limbs);
        Some(Decimal { negative: value < 0.0, limbs, exponent })
    }

    /// The nearest float64.
    pub(crate) fn to_f64(&self) -> f64 {
        let mut text = String::with_capacity(self.limbs.len() * LIMB_DIGITS + 8);
        if self.negative && !self.limbs.is_empty() {
            text.push('-');
        }
        for limb in self.limbs.iter().rev() {
            text.push_str(&format!("{limb:09}"));
        }
        text.push_str(&format!("0e{}", self.exponent - 1));
        text.parse().unwrap_or(0.0)
    }

    /// How much memory it takes, as a measure of what an operation on it costs.
    pub(crate) fn size(&self) -> usize {
        self.limbs.len()
    }

    pub(crate) fn is_zero(&self) -> bool {
        self.limbs.is_empty()
    }

    pub(crate) fn negate(mut self) -> Decimal {
        self.negative = !self.negative;
        self
    }

    pub(crate) fn add(&self, other: &Decimal) -> Decimal {
        let exponent = self.exponent.min(other.exponent);
        let a = shifted(&self.limbs, self.exponent - exponent);
        let b = shifted(&other.limbs, other.exponent - exponent);
        let (negative, limbs) = match (self.negative == other.negative, compare(&a, &b)) {
            (true, _) => (self.negative, sum(&a, &b)),
            (false, Ordering::Less) => (other.negative, difference(&b, &a)),
            (false, _) => (self.negative, difference(&a, &b)),
        };
        Decimal { negative, limbs, exponent }
    }

    pub(crate) fn mul(&self, other: &Decimal) -> Decimal {
        Decimal {
            negative: self.negative != other.negative,
            limbs: product(&self.limbs, &other.limbs),
            exponent: self.exponent + other.exponent,
        }
    }

    /// The quotient; `other` is not zero.
    pub(crate) fn div(&self, other: &Decimal) -> Decimal {
        let shift = self.exponent - other.exponent + QUOTIENT_DIGITS;
        let above = shifted(&self.limbs, shift.max(0));
        let below = shifted(&other.limbs, (-shift).max(0));
        let (mut quotient, rest) = divide(above, &below);
        if compare(&sum(&rest, &rest), &below).is_ge() {
            quotient = sum(&quotient, &[1]);
        }
        Decimal { negative: self.negative != other.negative, limbs: quotient, exponent: -QUOTIENT_DIGITS }
    }
}

fn trim(limbs: &mut Limbs) {
    while limbs.last() == Some(&0) {
        limbs.pop();
    }
}

/// `limbs` times ten to the `digits`.
fn shifted(limbs: &[u32], digits: i64) -> Limbs {
    let digits = usize::try_from(digits).unwrap_or(0);
    if limbs.is_empty() {
        return Limbs::new();
    }
    let mut out = vec![0; digits / LIMB_DIGITS];
    let factor = 10_u64.pow((digits % LIMB_DIGITS) as u32);
    let mut carry = 0;
    for &limb in limbs {
        let value = u64::from(limb) * factor + carry;
        out.push((value % LIMB) as u32);
        carry = value / LIMB;
    }
    out.push(carry as u32);
    trim(&mut out);
    out
}

fn compare(a: &[u32], b: &[u32]) -> Ordering {
    a.len().cmp(&b.len()).then_with(|| a.iter().rev().cmp(b.iter().rev()))
}

fn sum(a: &[u32], b: &[u32]) -> Limbs {
    let mut out = Limbs::with_capacity(a.len().max(b.len()) + 1);
    let mut carry = 0;
    for at in 0..a.len().max(b.len()) {
        let value = carry + u64::from(*a.get(at).unwrap_or(&0)) + u64::from(*b.get(at).unwrap_or(&0));
        out.push((value % LIMB) as u32);
        carry = value / LIMB;
    }
    out.push(carry as u32);
    trim(&mut out);
    out
}

/// `a - b`, of which `a` is not smaller.
fn difference(a: &[u32], b: &[u32]) -> Limbs {
    let mut out = Limbs::with_capacity(a.len());
    let mut borrow = 0;
    for (at, &limb) in a.iter().enumerate() {
        let value = i64::from(limb) - i64::from(*b.get(at).unwrap_or(&0)) - borrow;
        borrow = i64::from(value < 0);
        out.push((value + borrow * LIMB as i64) as u32);
    }
    trim(&mut out);
    out
}

fn product(a: &[u32], b: &[u32]) -> Limbs {
    let mut out = vec![0; a.len() + b.len()];
    for (i, &x) in a.iter().enumerate() {
        let mut carry = 0;
        for (j, &y) in b.iter().enumerate() {
            let value = u64::from(out[i + j]) + u64::from(x) * u64::from(y) + carry;
            out[i + j] = (value % LIMB) as u32;
            carry = value / LIMB;
        }
        out[i + b.len()] = carry as u32;
    }
    trim(&mut out);
    out
}

/// Quotient and rest, by long division (Knuth's algorithm D).
fn divide(above: Limbs, below: &[u32]) -> (Limbs, Limbs) {
    if compare(&above, below).is_lt() {
        return (Limbs::new(), above);
    }
    if let [single] = below {
        let mut quotient = vec![0; above.len()];
        let mut rest = 0;
        for (at, &limb) in above.iter().enumerate().rev() {
            let value = rest * LIMB + u64::from(limb);
            quotient[at] = (value / u64::from(*single)) as u32;
            rest = value % u64::from(*single);
        }
        let mut rest = vec![rest as u32];
        trim(&mut quotient);
        trim(&mut rest);
        return (quotient, rest);
    }
    // Scaled so that the divisor's top limb is at least half of what a limb holds: guesses are then off by two at most.
    let scale = (LIMB / (u64::from(below[below.len() - 1]) + 1)) as u32;
    let mut rest = product(&above, &[scale]);
    rest.resize(above.len() + 1, 0);
    let divisor = product(below, &[scale]);
    let n = divisor.len();
    let (top, next) = (u64::from(divisor[n - 1]), u64::from(divisor[n - 2]));
    let mut quotient = vec![0; rest.len() - n];
    for at in (0..quotient.len()).rev() {
        let head = u64::from(rest[at + n]) * LIMB + u64::from(rest[at + n - 1]);
        let (mut guess, mut left) = (head / top, head % top);
        while guess >= LIMB || guess * next > left * LIMB + u64::from(rest[at + n - 2]) {
            guess -= 1;
            left += top;
            if left >= LIMB {
                break;
            }
        }
        let mut borrow = 0_i64;
        for (j, &limb) in divisor.iter().enumerate() {
            let value = i64::from(rest[at + j]) - borrow - (guess * u64::from(limb)) as i64;
            rest[at + j] = value.rem_euclid(LIMB as i64) as u32;
            borrow = -value.div_euclid(LIMB as i64);
        }
        let value = i64::from(rest[at + n]) - borrow;
        rest[at + n] = value.rem_euclid(LIMB as i64) as u32;
        if value < 0 {
            // One too many: give it back.
            guess -= 1;
            let mut carry = 0;
            for (j, &limb) in divisor.iter().enumerate() {
                let value = u64::from(rest[at + j]) + u64::from(limb) + carry;
                rest[at + j] = (value % LIMB) as u32;
                carry = value / LIMB;
            }
            rest[at + n] = ((u64::from(rest[at + n]) + carry) % LIMB) as u32;
        }
        quotient[at] = guess as u32;
    }
    trim(&mut quotient);
    trim(&mut rest);
    let (rest, _) = divide(rest, &[scale]);
    (quotient, rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(value: f64) -> Decimal {
        Decimal::new(value).unwrap()
    }

    #[test]
    fn arithmetic() {
        assert_eq!(of(0.1).add(&of(0.2)).to_f64(), 0.3);
        assert_eq!(of(1.5).add(&of(-2.25)).to_f64(), -0.75);
        assert_eq!(of(1e300).add(&of(-1e300)).to_f64(), 0.0);
        assert_eq!(of(1e300).mul(&of(1e300)).to_f64(), f64::INFINITY);
        assert_eq!(of(-1.1).mul(&of(1.1)).to_f64(), -1.21);
        assert_eq!(of(2.0).div(&of(3.0)).to_f64(), 0.6666666666666667);
        assert_eq!(of(-1.0).div(&of(3e16)).to_f64(), 0.0);
        assert_eq!(of(1.0).div(&of(2e16)).to_f64(), 1e-16);
        assert!(Decimal::new(f64::NAN).is_none());
    }

    /// Long numbers: what was multiplied divides again without rest.
    #[test]
    fn division_undoes_multiplication() {
        let mut state = 1_u64;
        let mut random = |len: usize| -> Limbs {
            let mut limbs: Limbs = (0..len)
                .map(|_| {
                    state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                    let value = (state >> 33) % LIMB;
                    // Many limbs at the edges, where guesses go wrong.
                    (if value.is_multiple_of(3) { LIMB - 1 - value % 2 } else { value }) as u32
                })
                .collect();
            limbs.push(1 + (state >> 40) as u32 % 999_999_999);
            limbs
        };
        for round in 0..2000 {
            let (a, b) = (random(round % 7), random(round % 5));
            let mut rest = random(round % 5);
            if compare(&rest, &b).is_ge() {
                rest = Limbs::new();
            }
            assert_eq!(divide(sum(&product(&a, &b), &rest), &b), (a, rest));
        }
    }
}
