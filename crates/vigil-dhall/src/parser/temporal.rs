//! Dates, times and zones (`temporal-literal`).

use super::{Parse, Parser};
use crate::calendar::{Date, Time, TimeZone};
use crate::expr::{Expr, ExprKind};
use crate::number::Natural;

impl Parser<'_> {
    pub(super) fn temporal(&mut self) -> Parse<Option<Expr>> {
        let start = self.position;
        if matches!(self.peek(), Some(b'+' | b'-')) {
            let zone = self.zone()?;
            return Ok(zone.map(|zone| Expr::at(self.span_from(start), ExprKind::TimeZone(zone))));
        }
        let date = self.date()?;
        let mut parts = Vec::new();
        if let Some(date) = date {
            let after = self.position;
            let span = self.span_from(start);
            let time = if self.eat("T") || self.eat("t") { self.time()? } else { None };
            let Some(time) = time else {
                self.position = after;
                return Ok(Some(Expr::at(span, ExprKind::Date(date))));
            };
            parts.push(("date", ExprKind::Date(date)));
            parts.push(("time", ExprKind::Time(time)));
        } else {
            let Some(time) = self.time()? else {
                return Ok(None);
            };
            parts.push(("time", ExprKind::Time(time)));
        }
        if self.eat("Z") || self.eat("z") {
            parts.push(("timeZone", ExprKind::TimeZone(TimeZone::UTC)));
        } else if let Some(zone) = self.zone()? {
            parts.push(("timeZone", ExprKind::TimeZone(zone)));
        }
        let span = self.span_from(start);
        if parts.len() == 1 {
            return Ok(parts.pop().map(|(_, kind)| Expr::at(span, kind)));
        }
        let fields = parts
            .into_iter()
            .map(|(name, kind)| (self.intern(name), Expr::at(span, kind)))
            .collect();
        Ok(Some(Expr::at(span, ExprKind::Record(fields))))
    }

    /// Takes exactly `count` digits and the separator after them.
    fn digits(&mut self, count: usize, separator: &str) -> Option<u64> {
        let bytes = self.source.as_bytes().get(self.position..self.position + count)?;
        if !bytes.iter().all(u8::is_ascii_digit) {
            return None;
        }
        let value = bytes.iter().fold(0, |sum, digit| sum * 10 + u64::from(digit - b'0'));
        self.position += count;
        self.eat(separator).then_some(value)
    }

    fn date(&mut self) -> Parse<Option<Date>> {
        let start = self.position;
        let mut read = || Some((self.digits(4, "-")?, self.digits(2, "-")?, self.digits(2, "")?));
        let Some((year, month, day)) = read() else {
            self.position = start;
            return Ok(None);
        };
        match Date::new(year, month, day) {
            Some(date) => Ok(Some(date)),
            None => self.invalid(start, "the calendar has no such day"),
        }
    }

    fn time(&mut self) -> Parse<Option<Time>> {
        let start = self.position;
        let mut read = || Some((self.digits(2, ":")?, self.digits(2, ":")?));
        let Some((hour, minute)) = read() else {
            self.position = start;
            return Ok(None);
        };
        let at = self.position;
        if self.digits(2, "").is_none() {
            self.position = start;
            return Ok(None);
        }
        let mut seconds = self.source[at..self.position].to_owned();
        let mut digits = 0;
        if self.peek() == Some(b'.') && self.peek_at(1).is_some_and(|byte| byte.is_ascii_digit()) {
            self.position += 1;
            let fraction = self.take_while(|byte| byte.is_ascii_digit());
            seconds.push_str(fraction);
            digits = u32::try_from(fraction.len()).unwrap_or(u32::MAX);
        }
        let time = Natural::parse(&seconds, 10)
            .and_then(|mantissa| Time::new(hour, minute, mantissa, digits));
        match time {
            Some(time) => Ok(Some(time)),
            None => self.invalid(start, "the day has no such time"),
        }
    }

    fn zone(&mut self) -> Parse<Option<TimeZone>> {
        let start = self.position;
        let negative = self.peek() == Some(b'-');
        let mut read = || {
            if !self.eat("+") && !self.eat("-") {
                return None;
            }
            Some((self.digits(2, ":")?, self.digits(2, "")?))
        };
        let Some((hour, minute)) = read() else {
            self.position = start;
            return Ok(None);
        };
        match TimeZone::new(negative, hour, minute) {
            Some(zone) => Ok(Some(zone)),
            None => self.invalid(start, "there is no such time zone"),
        }
    }
}
