//! Sums worked out digit by digit in writing, units first, and two numbers compared digit by digit.
//!
//! `67 + 45`: `7 + 5 = 12, 6 + 4 + 1 = 11`; `123 - 45`: `13 - 5 = 8, 12 - 4 - 1 = 7, 1 - 0 - 1 = 0`; `23 x 4`:
//! `3 x 4 = 12, 2 x 4 + 1 = 9`; `92 / 4`: `9 / 4 = 2 left 1, 12 / 4 = 3`. A small model learns these one-digit acts
//! where it only copies the answer's result otherwise.

use super::numbers::{Calc, Op};

/// Digits, units first.
fn digits(mut value: u32) -> Vec<u32> {
    let mut digits = vec![value % 10];
    while value > 9 {
        value /= 10;
        digits.push(value % 10);
    }
    digits
}

/// The digits of two numbers side by side, units first, padded with 0.
fn pairs(a: u32, b: u32) -> Vec<(u32, u32)> {
    let (a, b) = (digits(a), digits(b));
    let at = |digits: &[u32], place: usize| digits.get(place).copied().unwrap_or(0);
    (0..a.len().max(b.len())).map(|place| (at(&a, place), at(&b, place))).collect()
}

/// The written work of a calculation, without the result.
pub fn columns(calc: Calc) -> String {
    let mut parts = Vec::with_capacity(4);
    let mut carry = 0;
    match calc.op {
        Op::Add => {
            for (a, b) in pairs(calc.left, calc.right) {
                let sum = a + b + carry;
                parts.push(if carry > 0 {
                    format!("{a} + {b} + 1 = {sum}")
                } else {
                    format!("{a} + {b} = {sum}")
                });
                carry = sum / 10;
            }
        }
        Op::Sub => {
            for (a, b) in pairs(calc.left, calc.right) {
                let borrow = u32::from(a < b + carry);
                let top = a + 10 * borrow;
                let rest = top.saturating_sub(b + carry);
                parts.push(if carry > 0 {
                    format!("{top} - {b} - 1 = {rest}")
                } else {
                    format!("{top} - {b} = {rest}")
                });
                carry = borrow;
            }
        }
        Op::Mul => {
            for digit in digits(calc.left) {
                let product = digit * calc.right + carry;
                let right = calc.right;
                parts.push(if carry > 0 {
                    format!("{digit} x {right} + {carry} = {product}")
                } else {
                    format!("{digit} x {right} = {product}")
                });
                carry = product / 10;
            }
        }
        Op::Div => {
            let by = calc.right.max(1);
            for digit in digits(calc.left).into_iter().rev() {
                let part = carry * 10 + digit;
                carry = part % by;
                let quotient = part / by;
                parts.push(if carry > 0 {
                    format!("{part} / {by} = {quotient} left {carry}")
                } else {
                    format!("{part} / {by} = {quotient}")
                });
            }
        }
    }
    parts.join(", ")
}

/// Two numbers digit by digit, units first, up to the first difference: `4 = 4, 5 ≠ 6`.
pub fn comparison(truth: u32, said: u32) -> String {
    let mut parts = Vec::with_capacity(4);
    for (a, b) in pairs(truth, said) {
        if a == b {
            parts.push(format!("{a} = {b}"));
        } else {
            parts.push(format!("{a} ≠ {b}"));
            break;
        }
    }
    parts.join(", ")
}
