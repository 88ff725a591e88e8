//! Every codec of the arena's format, over generated values: what is encoded is decoded, what is
//! accepted is encoded to the same bytes, and a flipped bit is refused or means something else that is
//! written just so. The codecs of the index and of names are met through the files that they write.

use proptest::prelude::*;
use vigil_base::Vcid;
use vigil_store::Layout;
use vigil_store::format::{
    ArenaKey, Class, Codec, HEADER_LEN, Header, ITEM_BYTES_MAX, Item, ItemId, ItemKind, Located,
    Location, RecordKind, SEAL_LEN, Seal, SealError, Site, Trailer, decode_directory,
    encode_directory,
};

use crate::index_file;

fn id() -> impl Strategy<Value = ItemId> {
    any::<[u8; 32]>().prop_map(ItemId)
}

fn kind() -> impl Strategy<Value = ItemKind> {
    prop_oneof![Just(ItemKind::Blob), Just(ItemKind::Chunk), Just(ItemKind::Layout)]
}

fn item_len() -> impl Strategy<Value = u32> {
    prop_oneof![0..=ITEM_BYTES_MAX as u32, Just(0), Just(1), Just(ITEM_BYTES_MAX as u32)]
}

fn item() -> impl Strategy<Value = Item> {
    (id(), kind(), item_len()).prop_map(|(id, kind, len)| Item { id, kind, len })
}

fn located() -> impl Strategy<Value = Located> {
    (id(), kind(), any::<(u32, u32, u32)>(), item_len()).prop_map(
        |(id, kind, (arena, trailer, inner), len)| Located {
            id,
            kind,
            at: Location { arena, trailer, inner, len },
        },
    )
}

fn header() -> impl Strategy<Value = Header> {
    let class = "[a-z0-9+-][a-z0-9.+-]{0,63}";
    let class = class.prop_map(|text| Class::new(&text).expect("the pattern makes classes"));
    (any::<[u8; 16]>(), any::<u64>(), any::<u64>(), any::<i64>(), class, any::<[u8; 32]>())
        .prop_map(|(site, serial, capacity, created, class, key)| {
            let (site, key) = (Site(site), ArenaKey(key));
            Header { site, serial, capacity, created, class, key }
        })
}

fn trailer() -> impl Strategy<Value = Trailer> {
    let frame = (any::<bool>(), any::<u32>(), any::<u32>(), 0..1_000_u32, any::<[u8; 16]>());
    let frame = frame.prop_map(|(is_zstd, payload_len, raw_len, items, payload_check)| Trailer {
        kind: RecordKind::Frame,
        codec: if is_zstd { Codec::Zstd } else { Codec::Raw },
        payload_len: payload_len.into(),
        raw_len: if is_zstd { raw_len.into() } else { payload_len.into() },
        directory_len: items * 36,
        payload_check,
    });
    let extent = (any::<u32>(), 0..1_000_u32).prop_map(|(len, items)| Trailer {
        kind: RecordKind::Extent,
        codec: Codec::Raw,
        payload_len: len.into(),
        raw_len: len.into(),
        directory_len: items * 36,
        payload_check: [0; 16],
    });
    prop_oneof![frame, extent]
}

fn seal() -> impl Strategy<Value = Seal> {
    (0..1_u64 << 40, 4096..1_u64 << 40, any::<[u8; 32]>(), any::<[u8; 16]>()).prop_map(
        |(entries, table_at, root, table_check)| Seal {
            entries,
            table_at,
            root: Vcid::from_bytes(root),
            table_check,
        },
    )
}

fn arena_len(seal: &Seal) -> u64 {
    seal.table_at + seal.entries * 48 + SEAL_LEN as u64
}

proptest! {
    #[test]
    fn headers(header in header(), bit in 0..HEADER_LEN * 8) {
        let mut bytes = header.encode();
        prop_assert_eq!(Header::decode(&bytes), Ok(header));
        bytes[bit / 8] ^= 1 << (bit % 8);
        prop_assert!(Header::decode(&bytes).is_err(), "bit {}", bit);
        prop_assert!(Header::decode(&bytes[..bit / 8]).is_err());
    }

    /// With its checksum made right, a header is taken only if it is what would be written.
    #[test]
    fn headers_with_one_spelling(header in header(), at in 0..HEADER_LEN - 16, byte: u8) {
        let mut bytes = header.encode();
        bytes[at] = byte;
        let (fields, check) = bytes.split_at_mut(HEADER_LEN - 16);
        check.copy_from_slice(&vigil_store::format::payload_check(fields));
        if let Ok(header) = Header::decode(&bytes) {
            prop_assert_eq!(header.encode(), bytes);
        }
    }

    #[test]
    fn trailers(
        trailer in trailer(),
        key: [u8; 32],
        block: u32,
        directory in prop::collection::vec(any::<u8>(), 0..200),
        bit in 0..64 * 8_usize,
    ) {
        let (key, at) = (ArenaKey(key), u64::from(block) * 64);
        let mut bytes = trailer.encode(&key, at, &directory);
        prop_assert_eq!(Trailer::decode(&bytes), Ok(trailer));
        prop_assert!(Trailer::is_genuine(&bytes, &key, at, &directory));
        // Somewhere else, under another key, or behind another directory it is nothing.
        prop_assert!(!Trailer::is_genuine(&bytes, &key, at + 64, &directory));
        let mut other = key.0;
        other[bit / 16] ^= 1;
        prop_assert!(!Trailer::is_genuine(&bytes, &ArenaKey(other), at, &directory));
        let longer = [&directory[..], &[0]].concat();
        prop_assert!(!Trailer::is_genuine(&bytes, &key, at, &longer));
        bytes[bit / 8] ^= 1 << (bit % 8);
        prop_assert!(!Trailer::is_genuine(&bytes, &key, at, &directory), "bit {}", bit);
    }

    /// What is accepted encodes to the same fields; the two runs of zeros are kept by the keyed check.
    #[test]
    fn trailers_with_one_spelling(bytes: [u8; 32], tail: [u8; 28]) {
        let mut whole = [0; 64];
        whole[..4].copy_from_slice(b"vrec");
        whole[4..36].copy_from_slice(&bytes);
        whole[36..].copy_from_slice(&tail);
        // Kinds, codecs and lengths that have a chance.
        whole[4] %= 4;
        whole[5] %= 3;
        for at in [12, 20] {
            whole[at..at + 4].fill(0);
        }
        if let Ok(trailer) = Trailer::decode(&whole) {
            let again = trailer.encode(&ArenaKey([0; 32]), 0, b"");
            prop_assert_eq!(&again[..6], &whole[..6]);
            prop_assert_eq!(&again[8..28], &whole[8..28]);
            prop_assert_eq!(&again[32..48], &whole[32..48]);
            prop_assert!(trailer.body_len() >= trailer.payload_len);
        }
    }

    #[test]
    fn directories(items in prop::collection::vec(item(), 0..50), bit: prop::sample::Index) {
        let mut bytes = encode_directory(&items);
        prop_assert_eq!(decode_directory(&bytes), Some(items.clone()));
        for cut in (1..bytes.len()).filter(|cut| cut % 36 != 0) {
            prop_assert_eq!(decode_directory(&bytes[..cut]), None);
        }
        if !bytes.is_empty() {
            let bit = bit.index(bytes.len() * 8);
            bytes[bit / 8] ^= 1 << (bit % 8);
            if let Some(others) = decode_directory(&bytes) {
                prop_assert_ne!(&others, &items);
                prop_assert_eq!(encode_directory(&others), bytes);
            }
        }
    }

    #[test]
    fn table_entries(located in located(), bit in 0..48 * 8_usize) {
        let mut bytes = located.encode();
        prop_assert_eq!(Located::decode(&bytes), Some(located));
        bytes[bit / 8] ^= 1 << (bit % 8);
        if let Some(other) = Located::decode(&bytes) {
            prop_assert_ne!(other, located);
            prop_assert_eq!(other.encode(), bytes);
        }
    }

    #[test]
    fn seals(seal in seal(), key: [u8; 32], bit in 0..SEAL_LEN * 8, by in 1..1_000_u64) {
        let (key, len) = (ArenaKey(key), arena_len(&seal));
        let mut bytes = seal.encode(&key);
        prop_assert_eq!(Seal::decode(&bytes, &key, len), Ok(seal));
        prop_assert_eq!(Seal::decode(&bytes, &key, len + by), Err(SealError::Damaged));
        bytes[bit / 8] ^= 1 << (bit % 8);
        // Also where the bit is one of the magic's: that is damage, and no missing seal.
        prop_assert_eq!(Seal::decode(&bytes, &key, len), Err(SealError::Damaged), "bit {}", bit);
    }

    #[test]
    fn what_is_no_seal_is_absent(bytes in prop::collection::vec(any::<u8>(), SEAL_LEN), len: u64) {
        let bytes: [u8; SEAL_LEN] = bytes.try_into().expect("the length of a seal");
        prop_assert_eq!(Seal::decode(&bytes, &ArenaKey([1; 32]), len), Err(SealError::Absent));
    }

    #[test]
    fn layouts(
        chunks in prop::collection::vec((id(), 1..=ITEM_BYTES_MAX as u32), 1..60),
        bit: prop::sample::Index,
        offset: prop::sample::Index,
    ) {
        let layout = Layout::new(chunks);
        let mut bytes = layout.encode();
        let decoded = Layout::decode(&bytes);
        prop_assert_eq!(decoded.as_ref(), Some(&layout));
        let offset = offset.index(layout.blob_len() as usize) as u64;
        let chunk = layout.chunk_at(offset);
        let len = u64::from(layout.chunks()[chunk].1);
        prop_assert!((layout.start(chunk)..layout.start(chunk) + len).contains(&offset));
        let bit = bit.index(bytes.len() * 8);
        bytes[bit / 8] ^= 1 << (bit % 8);
        if let Some(other) = Layout::decode(&bytes) {
            prop_assert_ne!(&other, &layout);
            prop_assert_eq!(other.encode(), bytes);
        }
    }

    #[test]
    fn decoders_take_any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..5000)) {
        let _ = Header::decode(&bytes);
        let _ = Header::decode(&[b"vigarena", &bytes[..]].concat());
        if let Some(items) = decode_directory(&bytes) {
            prop_assert_eq!(encode_directory(&items), bytes.clone());
        }
        if let Some(layout) = Layout::decode(&bytes) {
            prop_assert_eq!(layout.encode(), bytes);
        }
    }

    /// The second writer of runs, which forges some for other tests, and the second reader agree.
    #[test]
    fn runs(entries in prop::collection::btree_set(located(), 0..400)) {
        let entries: Vec<Located> = entries.into_iter().collect();
        prop_assert_eq!(index_file::run_entries(&index_file::run_of(&entries)), entries);
    }
}
