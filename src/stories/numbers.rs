//! Arithmetic on small whole numbers: operations, single calculations, near misses, and which numbers are held out.

use rand::Rng;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::Split;

/// The random numbers of this room: the same on every platform.
pub type Random = ChaCha8Rng;

/// One of the four operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Op {
    /// Sum.
    #[serde(rename = "+")]
    Add,
    /// Difference.
    #[serde(rename = "-")]
    Sub,
    /// Product.
    #[serde(rename = "x")]
    Mul,
    /// Exact quotient.
    #[serde(rename = "/")]
    Div,
}

impl Op {
    /// As it is written.
    pub const fn symbol(self) -> char {
        match self {
            Self::Add => '+',
            Self::Sub => '-',
            Self::Mul => 'x',
            Self::Div => '/',
        }
    }
}

/// `left op right`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Calc {
    /// Left operand.
    pub left: u32,
    /// Operation.
    pub op: Op,
    /// Right operand.
    pub right: u32,
}

impl std::fmt::Display for Calc {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {} {}", self.left, self.op.symbol(), self.right)
    }
}

impl Calc {
    /// The result, if it is a whole number of at least 1.
    pub fn value(self) -> Option<u32> {
        let value = match self.op {
            Op::Add => self.left.checked_add(self.right),
            Op::Sub => self.left.checked_sub(self.right),
            Op::Mul => self.left.checked_mul(self.right),
            Op::Div if self.right > 0 && self.left.is_multiple_of(self.right) => Some(self.left / self.right),
            Op::Div => None,
        };
        value.filter(|v| *v > 0)
    }

    /// The split these numbers belong to: 2 in 20 are kept for the test, 1 in 20 for validation. Sums and products
    /// belong to the same split in both orders.
    pub fn split(self) -> Split {
        let swap = matches!(self.op, Op::Add | Op::Mul) && self.left > self.right;
        let (a, b) = if swap { (self.right, self.left) } else { (self.left, self.right) };
        // SplitMix64's finaliser.
        let mut x = (u64::from(a) << 34) | (u64::from(b) << 4) | self.op as u64;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        match (x ^ (x >> 31)) % 20 {
            0 | 1 => Split::Test,
            2 => Split::Valid,
            _ => Split::Train,
        }
    }
}

/// Which numbers stories use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Numbers {
    /// Up to 999.
    #[default]
    Usual,
    /// 1000 to 9999, larger than any number trained on.
    Large,
}

impl Numbers {
    /// Smallest and largest value of a true running total.
    pub const fn range(self) -> (u32, u32) {
        match self {
            Self::Usual => (1, 999),
            Self::Large => (1000, 9999),
        }
    }

    /// A number a story starts with.
    pub fn start(self, rng: &mut Random) -> u32 {
        match self {
            Self::Usual if rng.random_bool(0.5) => rng.random_range(12..100),
            Self::Usual => rng.random_range(100..1000),
            Self::Large => rng.random_range(1000..10_000),
        }
    }

    /// A number that is added, taken away or packed.
    pub fn operand(self, rng: &mut Random) -> u32 {
        match (self, rng.random_range(0..10)) {
            (Self::Usual, 0..2) => rng.random_range(2..10),
            (Self::Usual, 2..7) => rng.random_range(10..100),
            (Self::Usual, _) => rng.random_range(100..600),
            (Self::Large, 0..4) => rng.random_range(100..1000),
            (Self::Large, _) => rng.random_range(1000..6000),
        }
    }
}

/// A wrong number close to the right one: one or ten off, a digit changed, two digits swapped. Never `value` itself.
pub fn near_miss(rng: &mut Random, value: u32, max: u32) -> Option<u32> {
    for _ in 0..40 {
        let near = match rng.random_range(0..6) {
            0 => value + 1,
            1 => value.saturating_sub(1),
            2 => value + 10,
            3 => value.saturating_sub(10),
            4 => changed_digit(rng, value),
            _ => swapped_digits(rng, value),
        };
        if near != value && (1..=max).contains(&near) {
            return Some(near);
        }
    }
    None
}

fn changed_digit(rng: &mut Random, value: u32) -> u32 {
    let place = 10_u32.pow(rng.random_range(0..value.max(1).ilog10() + 1));
    let digit = value / place % 10;
    value - digit * place + rng.random_range(0..10) * place
}

fn swapped_digits(rng: &mut Random, value: u32) -> u32 {
    let Some(places) = value.max(1).ilog10().checked_sub(1) else { return value };
    let place = 10_u32.pow(rng.random_range(0..=places));
    let (low, high) = (value / place % 10, value / place / 10 % 10);
    value - low * place - high * place * 10 + high * place + low * place * 10
}

/// Exact divisors from 2 to 9, one of them drawn.
pub fn divisor(rng: &mut Random, value: u32) -> Option<u32> {
    let all: Vec<u32> = (2..10).filter(|d| value.is_multiple_of(*d) && value > *d).collect();
    all.choose(rng).copied()
}
