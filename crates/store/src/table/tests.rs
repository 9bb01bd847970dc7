//! The parts of a table against models, and what they make of nonsense.

use super::{
    HEADER_BYTES, KeyRef, Place, Properties, TableInfo,
    block::{self, BlockBuilder, Value},
    compress::{self, Compressor},
    fences::{Fences, between},
    hash,
    index::{Flat, Index},
    properties::SlotCounter,
};
use crate::options::Compression;
use bytes::Bytes;
use clockwise_core::{ids::Lsn, slot::Slot};
use fastrand::Rng;
use std::collections::BTreeMap;

fn stored(slot: u16, key: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    KeyRef { slot: Slot::new(slot).expect("below 16384"), key }.store(&mut out);
    out
}

fn parse(stored: &[u8]) -> KeyRef<'_> {
    KeyRef::parse(stored).expect("it has a slot")
}

/// Keys of cell 5 as applications name them, with the odd ones out.
fn random_key(rng: &mut Rng, slots: u16) -> Vec<u8> {
    let slot = 5 + 16 * rng.u16(..slots);
    let key = match rng.u32(..8) {
        0 => format!("session:{:x}", rng.u32(..9_000)).into_bytes(),
        1 => (0..rng.usize(..9)).map(|_| rng.u8(..4)).collect(),
        2 => vec![b'x'; rng.usize(..600)],
        _ => format!("user:{:08}", rng.u32(..9_000)).into_bytes(),
    };
    stored(slot, &key)
}

type Entries = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

fn random_entries(rng: &mut Rng, count: usize) -> Entries {
    let slots = rng.u16(1..30);
    let value = |rng: &mut Rng| match rng.u32(..5) {
        0 => None,
        1 => Some(Vec::new()),
        _ => Some((0..rng.usize(..90)).map(|_| rng.u8(..)).collect()),
    };
    (0..count).map(|_| (random_key(rng, slots), value(rng))).collect()
}

fn build(entries: &Entries) -> Bytes {
    let mut builder = BlockBuilder::default();
    for (key, value) in entries {
        builder.add(parse(key), hash(parse(key)), value.as_deref());
    }
    Bytes::copy_from_slice(builder.finish())
}

fn value_of(entry: &Option<Vec<u8>>) -> Value {
    entry.as_ref().map_or(Value::Forgotten, |record| Value::Record(Bytes::copy_from_slice(record)))
}

#[test]
fn a_block_behaves_like_a_map() {
    let mut rng = Rng::with_seed(1);
    for round in 0..300 {
        let entries = random_entries(&mut rng, 1 + round % 60);
        let block = build(&entries);
        assert_eq!(block::count(&block), Ok(entries.len()));
        let (mut key, mut number) = (Vec::new(), 0);
        for (wanted, value) in &entries {
            assert_eq!(block::entry(&block, number, &mut key), Ok(Some(value_of(value))));
            assert_eq!(&key, wanted);
            assert_eq!(block::find(&block, parse(wanted), hash(parse(wanted))), Ok(Some(value_of(value))));
            number += 1;
        }
        assert_eq!(block::entry(&block, number, &mut key), Ok(None));
        for _ in 0..60 {
            let other = random_key(&mut rng, 30);
            let expected = entries.get(&other).map(value_of);
            assert_eq!(block::find(&block, parse(&other), hash(parse(&other))), Ok(expected));
            let before = entries.range(..other.clone()).count();
            assert_eq!(block::lower_bound(&block, parse(&other)), Ok(before));
            let floor = entries.range(..=other.clone()).next_back().map(|(_, value)| value);
            let found = block::floor(&block, parse(&other)).expect("sound");
            assert_eq!(
                found.map(|(_, record)| record),
                floor.map(|value| value.as_deref().unwrap_or_default())
            );
        }
    }
}

#[test]
fn keys_with_one_tag_are_told_apart() {
    for count in 1..12 {
        let keys: Vec<Vec<u8>> = (0..count).map(|at| stored(5, format!("key {at:02}").as_bytes())).collect();
        let mut builder = BlockBuilder::default();
        for key in &keys {
            builder.add(parse(key), 7 << 48, Some(key));
        }
        let block = Bytes::copy_from_slice(builder.finish());
        for key in &keys {
            let expected = Value::Record(Bytes::copy_from_slice(key));
            assert_eq!(block::find(&block, parse(key), 7 << 48), Ok(Some(expected)));
            // A tag beside the wanted one, by one in the lowest bit or in the next lane's.
            assert_eq!(block::find(&block, parse(key), 8 << 48), Ok(None));
        }
    }
}

#[test]
fn what_keys_share_is_kept_once() {
    let mut builder = BlockBuilder::default();
    let mut plain = 0;
    for slot in 0..20 {
        for (kind, number) in
            [("session:", slot * 7), ("user:profile:", slot * 3), ("user:profile:", 900 + slot)]
        {
            let key = stored(5 + 16 * slot, format!("{kind}{number:06}").as_bytes());
            plain += key.len();
            builder.add(parse(&key), hash(parse(&key)), Some(b""));
        }
    }
    // First byte, slot, length, start and tag of 60 entries, and about 4 bytes of each key.
    let length = builder.finish().len();
    assert!(
        length < 60 * (1 + 2 + 1 + 4) + 60 * 5 + 60 && length < plain,
        "{length} bytes for {plain} of keys"
    );
}

#[test]
fn a_block_of_nonsense_is_no_panic() {
    let mut rng = Rng::with_seed(2);
    for _ in 0..40 {
        let entries = random_entries(&mut rng, 12);
        let sound = build(&entries);
        for round in 0..400 {
            let mut bytes = sound.to_vec();
            match round % 3 {
                0 => bytes.truncate(rng.usize(..bytes.len())),
                1 => (0..rng.usize(1..4)).for_each(|_| {
                    let at = rng.usize(..bytes.len());
                    bytes[at] = rng.u8(..);
                }),
                _ => {
                    let at = bytes.len() - 1 - rng.usize(..8);
                    bytes[at] = rng.u8(..);
                }
            }
            let block = Bytes::from(bytes);
            let mut key = Vec::new();
            for wanted in entries.keys() {
                let wanted = parse(wanted);
                let _any = block::find(&block, wanted, hash(wanted));
                let _any = (block::lower_bound(&block, wanted), block::floor(&block, wanted).is_ok());
                let _any = super::v1::block(&block);
            }
            (0..20).for_each(|number| drop(block::entry(&block, number, &mut key)));
        }
    }
}

fn model_floor(fences: &[Vec<u8>], key: &[u8]) -> usize {
    fences.iter().rposition(|fence| &fence[..] <= key).unwrap_or(0)
}

#[test]
fn the_last_fence_before_a_key_is_found() {
    let mut rng = Rng::with_seed(3);
    for round in 0..60 {
        // Few and many, in few and many slots, with and without a common beginning.
        let (count, slots) = (rng.usize(1..900), rng.u16(1..1024));
        let mut keys: Vec<Vec<u8>> = (0..2 * count)
            .map(|number| match round % 3 {
                0 => random_key(&mut rng, slots),
                1 => stored(5 + 16 * rng.u16(..slots), format!("object:{number:07}").as_bytes()),
                _ => stored(5 + 16 * rng.u16(..slots), &rng.u16(..).to_le_bytes()),
            })
            .collect();
        keys.sort();
        keys.dedup();
        let mut list = Fences::default();
        let mut fences: Vec<Vec<u8>> = vec![between(&[], &keys[0]).to_vec()];
        for pair in keys.windows(2).filter(|_| rng.bool()) {
            let fence = between(&pair[0], &pair[1]);
            assert!(pair[0][..] < *fence && *fence <= pair[1][..], "{pair:?} {fence:?}");
            fences.push(fence.to_vec());
        }
        fences.iter().for_each(|fence| list.push(fence));
        list.seal();
        for key in &keys {
            assert_eq!(list.floor(parse(key)), model_floor(&fences, key), "{key:?}");
        }
        for _ in 0..300 {
            let key = random_key(&mut rng, 1024);
            assert_eq!(list.floor(parse(&key)), model_floor(&fences, &key), "{key:?}");
        }
    }
}

/// An index of so many blocks of 1000 bytes and more.
fn flat(blocks: u32) -> Flat {
    let mut index = Flat::new();
    for block in 0..blocks {
        let fence = stored(5 + 16 * (block / 50) as u16, format!("{:04}", block % 50).as_bytes());
        index.add(&fence, 1000 + u64::from(block));
    }
    index.seal()
}

#[test]
fn an_index_is_read_as_it_was_written_or_not_at_all() {
    let mut rng = Rng::with_seed(4);
    let end = flat(700).end();
    let mut partitions = Vec::new();
    let cut = flat(700).cut(|raw| -> Result<u64, ()> {
        partitions.push(Bytes::copy_from_slice(raw));
        Ok(raw.len() as u64 + 16)
    });
    let cut = cut.expect("nothing fails");
    let cut_end = end + partitions.iter().map(|raw| raw.len() as u64 + 16).sum::<u64>();
    assert!(partitions.len() > 2 && cut.partitions() == partitions.len());
    let key = stored(5 + 16 * 7, b"0021x");
    for (encoded, end) in [(flat(700).encode(), end), (cut.encode(), cut_end)] {
        let index = Index::decode(&encoded, end).expect("sound");
        let mut place = index.find(parse(&key)).expect("never empty");
        if let Index::Partitioned(list) = &index {
            let partition = place.number & !Place::PARTITION;
            place = list.locate(partition, &partitions[partition as usize], parse(&key)).expect("sound");
            let all: Vec<_> =
                (0..).zip(&partitions).flat_map(|(at, raw)| list.blocks(at, raw).expect("sound")).collect();
            assert_eq!(all.len(), 700);
            assert_eq!(all[371].1, place);
        }
        let before = (0..371).map(|block| 1000 + block).sum::<u64>();
        assert_eq!(place, Place { number: 371, offset: HEADER_BYTES + before, length: 1371 });
        for wrong in [end - 1, end + 1] {
            assert!(Index::decode(&encoded, wrong).is_err());
        }
        for _ in 0..3_000 {
            let mut bytes = encoded.clone();
            if rng.bool() {
                bytes.truncate(rng.usize(..bytes.len()));
            } else {
                let at = rng.usize(..bytes.len());
                bytes[at] ^= 1 << rng.u8(..8);
            }
            if let Ok(index) = Index::decode(&bytes, end) {
                let _any = index.find(parse(&key));
            }
        }
    }
}

#[test]
fn properties_are_read_as_they_were_written_or_not_at_all() {
    let mut counter = SlotCounter::default();
    let mut expected = Vec::new();
    let (mut entries, mut raw_bytes) = (0, 0);
    for (slot, count) in [(5, 3), (21, 1), (37, 200), (5 + 16 * 99, 2), (5 + 16 * 101, 1)] {
        let slot = Slot::new(slot).expect("below 16384");
        (0..count).for_each(|_| counter.add(slot, 70));
        expected.push((slot, count, 70 * count));
        (entries, raw_bytes) = (entries + count, raw_bytes + 70 * count);
    }
    let info = TableInfo { number: 9, entries, raw_bytes, newest: Lsn(88), ..TableInfo::default() };
    let mut properties = counter.finish(Properties::default());
    (properties.oldest, properties.times, properties.blocks) = (Lsn(44), Some((3, 1 << 40)), 17);
    let found: Vec<_> =
        properties.slots().map(|count| (count.slot, count.entries, count.raw_bytes)).collect();
    assert_eq!(found, expected);
    assert_eq!(properties.slot(expected[2].0).entries, 200);
    assert_eq!(properties.slot(Slot::new(53).expect("below 16384")).entries, 0);
    let mut bytes = Vec::new();
    properties.encode(&info, &mut bytes);
    assert_eq!(Properties::decode(Bytes::from(bytes.clone())), Ok((info.clone(), properties.clone())));
    for at in 0..bytes.len() {
        let cut = Bytes::copy_from_slice(&bytes[..at]);
        assert!(Properties::decode(cut).is_err(), "cut to {at}");
        for bit in 0..8 {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1 << bit;
            if let Ok((_, found)) = Properties::decode(Bytes::from(flipped)) {
                assert!(found.slots().count() <= 1024);
            }
        }
    }
}

#[test]
fn what_is_compressed_comes_back() {
    let mut rng = Rng::with_seed(5);
    let kinds = [
        Compression::None,
        Compression::Lz4,
        Compression::Zstd { level: 1 },
        Compression::Zstd { level: 19 },
    ];
    for compression in kinds {
        let mut compressor = Compressor::new(compression);
        let mut seen = [0; 3];
        for round in 0..200 {
            let length = rng.usize(..9_000);
            let raw: Vec<u8> =
                (0..length).map(|_| if round % 2 == 0 { rng.u8(..) } else { rng.u8(b'a'..b'e') }).collect();
            let mut out = b"before".to_vec();
            let kind = compressor.append(&raw, &mut out);
            seen[usize::from(kind)] += 1;
            let body = &out[6..];
            if kind == compress::PLAIN {
                assert_eq!(body, raw);
                continue;
            }
            assert!(body.len() <= raw.len() - raw.len() / 8);
            assert_eq!(compress::decompress(kind, body, raw.len()).as_deref(), Some(&raw[..]));
            assert_eq!(compress::decompress(kind, body, raw.len() + 1), None);
            assert_eq!(compress::decompress(kind, body, raw.len() - 1), None);
            for _ in 0..20 {
                let mut wrong = body.to_vec();
                let at = rng.usize(..wrong.len());
                wrong[at] ^= 1 << rng.u8(..8);
                let _any = compress::decompress(kind, &wrong, raw.len());
            }
        }
        let expected = match compression {
            Compression::None => 0,
            Compression::Lz4 => 1,
            Compression::Zstd { .. } => 2,
        };
        assert!(seen[expected] > 50 && seen.iter().filter(|&&count| count > 0).count() <= 2, "{seen:?}");
    }
}
