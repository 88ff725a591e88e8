//! Lists in records: bounded before they are read, and where they rise, strictly.

use alloc::vec::Vec;

use vigil_base::cbor::{DecodeError, Decoder, Fault};

/// Reads a list of at most so many items.
pub(crate) fn decode_list<'a, T>(
    decoder: &mut Decoder<'a>,
    most: usize,
    mut read: impl FnMut(&mut Decoder<'a>) -> Result<T, DecodeError>,
) -> Result<Vec<T>, DecodeError> {
    let at = decoder.offset();
    let count = decoder.array()?;
    if count > most {
        return decoder.fault(at, Fault::Range);
    }
    let mut list = Vec::with_capacity(count);
    for _ in 0..count {
        list.push(read(decoder)?);
    }
    Ok(list)
}

/// Reads a list of at most so many items that rises strictly, so that one list has one encoding.
pub(crate) fn decode_rising<'a, T: Ord + Clone>(
    decoder: &mut Decoder<'a>,
    most: usize,
    mut read: impl FnMut(&mut Decoder<'a>) -> Result<T, DecodeError>,
) -> Result<Vec<T>, DecodeError> {
    let mut last: Option<T> = None;
    decode_list(decoder, most, |decoder| {
        let at = decoder.offset();
        let item = read(decoder)?;
        if last.as_ref().is_some_and(|last| *last >= item) {
            return decoder.fault(at, Fault::KeyOrder);
        }
        last = Some(item.clone());
        Ok(item)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use vigil_base::cbor::Encoder;

    /// Bytes: the head of the array, then one for each number below 24.
    fn encode(numbers: &[u64]) -> Vec<u8> {
        let mut encoder = Encoder::new();
        encoder.array(numbers.len());
        numbers.iter().for_each(|number| encoder.unsigned(*number));
        encoder.finish()
    }

    #[track_caller]
    fn check(
        read: impl Fn(&mut Decoder<'_>) -> Result<Vec<u64>, DecodeError>,
        numbers: &[u64],
        want: Result<(), (usize, Fault)>,
    ) {
        let bytes = encode(numbers);
        let found = read(&mut Decoder::new(&bytes).expect("short"));
        let want = want.map_err(|(offset, fault)| DecodeError { offset, fault });
        assert_eq!(found, want.map(|()| numbers.to_vec()));
    }

    #[test]
    fn a_list_has_at_most_so_many_items_in_any_order() {
        let read = |decoder: &mut Decoder<'_>| decode_list(decoder, 3, |d| d.unsigned());
        check(read, &[], Ok(()));
        check(read, &[3, 1, 1], Ok(()));
        check(read, &[1, 2, 3, 4], Err((0, Fault::Range)));
    }

    #[test]
    fn a_rising_list_is_refused_at_the_first_item_that_does_not_rise() {
        let read = |decoder: &mut Decoder<'_>| decode_rising(decoder, 3, |d| d.unsigned());
        check(read, &[], Ok(()));
        check(read, &[1, 2, 5], Ok(()));
        check(read, &[1, 1, 5], Err((2, Fault::KeyOrder)));
        check(read, &[1, 5, 2], Err((3, Fault::KeyOrder)));
        check(read, &[1, 2, 3, 4], Err((0, Fault::Range)));
    }
}
