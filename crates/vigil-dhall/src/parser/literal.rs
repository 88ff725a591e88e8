//! Numbers and byte strings.

use std::sync::Arc;

use super::{Parse, Parser};
use crate::expr::{Expr, ExprKind};
use crate::number::{Integer, Natural};

impl Parser<'_> {
    /// A literal that begins with a digit or a sign.
    pub(super) fn number(&mut self) -> Parse<Expr> {
        let start = self.position;
        if let Some(temporal) = self.temporal()? {
            return Ok(temporal);
        }
        if let Some(double) = self.double()? {
            return Ok(Expr::at(self.span_from(start), ExprKind::Double(double)));
        }
        if self.looking_at("0x\"") {
            return self.bytes();
        }
        let kind = match self.peek() {
            Some(sign @ (b'+' | b'-')) => {
                self.position += 1;
                ExprKind::Integer(Integer::new(sign == b'-', self.natural()?))
            }
            _ => ExprKind::Natural(self.natural()?),
        };
        Ok(Expr::at(self.span_from(start), kind))
    }

    pub(super) fn natural(&mut self) -> Parse<Natural> {
        let (prefix, radix) = match (self.peek(), self.peek_at(1)) {
            (Some(b'0'), Some(b'x')) => (2, 16),
            (Some(b'0'), Some(b'b')) => (2, 2),
            (Some(b'0'), _) => {
                self.position += 1;
                return Ok(Natural::ZERO);
            }
            _ => (0, 10),
        };
        let before = self.position;
        self.position += prefix;
        let digits = self.take_while(|byte| char::from(byte).is_digit(radix));
        match Natural::parse(digits, radix) {
            Some(natural) if !digits.is_empty() => Ok(natural),
            _ if prefix > 0 => {
                // `0` is a number of its own; what follows it is not.
                self.position = before + 1;
                self.fail("digits")
            }
            _ => self.fail("a number"),
        }
    }

    fn double(&mut self) -> Parse<Option<f64>> {
        let start = self.position;
        if self.looking_at("-Infinity") {
            self.position += 1;
            if self.eat_keyword("Infinity") {
                return Ok(Some(f64::NEG_INFINITY));
            }
            self.position = start;
        }
        if matches!(self.peek(), Some(b'+' | b'-')) {
            self.position += 1;
        }
        let whole = self.take_while(|byte| byte.is_ascii_digit());
        let mut is_double = false;
        if !whole.is_empty() {
            if self.peek() == Some(b'.') && self.peek_at(1).is_some_and(|b| b.is_ascii_digit()) {
                self.position += 1;
                self.take_while(|byte| byte.is_ascii_digit());
                is_double = true;
            }
            is_double |= self.exponent();
        }
        if !is_double {
            self.position = start;
            return Ok(None);
        }
        match self.source[start..self.position].parse::<f64>() {
            Ok(double) if double.is_finite() => Ok(Some(double)),
            _ => self.invalid(start, "this number is too large for a `Double`"),
        }
    }

    fn exponent(&mut self) -> bool {
        let start = self.position;
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.position += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.position += 1;
            }
            if !self.take_while(|byte| byte.is_ascii_digit()).is_empty() {
                return true;
            }
        }
        self.position = start;
        false
    }

    fn bytes(&mut self) -> Parse<Expr> {
        let start = self.position;
        self.position += "0x\"".len();
        let digits = self.take_while(|byte| byte.is_ascii_hexdigit());
        if !digits.len().is_multiple_of(2) {
            return self.fail("another hexadecimal digit");
        }
        self.expect("\"")?;
        let value = |digit: u8| char::from(digit).to_digit(16).unwrap_or(0) as u8;
        let bytes: Arc<[u8]> =
            digits.as_bytes().chunks(2).map(|pair| value(pair[0]) * 16 + value(pair[1])).collect();
        Ok(Expr::at(self.span_from(start), ExprKind::Bytes(bytes)))
    }
}
