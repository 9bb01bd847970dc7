//! Tables from outside: every form that they can have, against an ordered map, and damaged in every place. The
//! fixture is a table of version 1, which opens for ever.

use bytes::Bytes;
use clockwise_core::{ids::Lsn, slot::Slot, storage::LoadError};
use clockwise_store::{
    Compression, Disk, SimDisk,
    table::{
        self, Builder, BuilderOptions, Guess, KeyRef, Merge, Merged, Place, Span, Table, TableInfo, Value,
    },
};
use fastrand::Rng;
use std::{collections::BTreeMap, path::Path, sync::Arc};

const CELL: u16 = 3;

type Entries = BTreeMap<Vec<u8>, Option<Vec<u8>>>;
type Found = Vec<(Vec<u8>, Value)>;

fn stored(slot: u16, key: &str) -> Vec<u8> {
    let mut out = Vec::new();
    KeyRef { slot: Slot::new(slot).expect("below 16384"), key: key.as_bytes() }.store(&mut out);
    out
}

fn parse(stored: &[u8]) -> KeyRef<'_> {
    KeyRef::parse(stored).expect("it has a slot")
}

fn entries(rng: &mut Rng, count: u32) -> Entries {
    let entry = |_| {
        let number = rng.u32(..10 * count);
        let key = match number % 3 {
            0 => format!("user:{number:06}"),
            1 => format!("session:{number:x}"),
            _ => number.to_string(),
        };
        let value = format!("value {number} ").repeat(rng.usize(..8)).into_bytes();
        let slot = CELL + 16 * (number % 23) as u16;
        (stored(slot, &key), (rng.u32(..6) > 0).then_some(value))
    };
    (0..count).map(entry).collect()
}

fn options(compression: Compression, flat_index_bytes: usize) -> BuilderOptions {
    BuilderOptions { compression, block_bytes: 256, bloom_bits_per_key: 10, flat_index_bytes }
}

fn disk() -> SimDisk {
    let disk = SimDisk::new(1);
    disk.create_dir("cells").expect("no fault");
    disk
}

fn write(disk: &SimDisk, number: u64, entries: &Entries, options: BuilderOptions) -> Arc<Table> {
    let mut builder = Builder::new(disk, CELL, number, entries.len() as u64, options).expect("no fault");
    for (at, (key, value)) in (1..).zip(entries) {
        builder.add(key, value.as_deref()).expect("no fault");
        builder.note_time(1_000 + at);
    }
    let span = Span { oldest: Lsn(10), newest: Lsn(20), times: Some((1_500, 1_600)) };
    Arc::new(builder.finish(span).expect("no fault"))
}

fn reopen(disk: &SimDisk, info: &TableInfo) -> Arc<Table> {
    Arc::new(table::open(disk, CELL, info.clone()).expect("no fault"))
}

fn value_of(entry: &Option<Vec<u8>>) -> Value {
    entry.as_ref().map_or(Value::Forgotten, |record| Value::Record(Bytes::copy_from_slice(record)))
}

fn find(table: &Table, stored: &[u8]) -> Result<Option<Value>, LoadError> {
    let key = parse(stored);
    let hash = table::hash(key);
    let block = match table.guess(key, hash) {
        Guess::Absent => return Ok(None),
        Guess::Broken => return Err(LoadError::Damaged),
        Guess::Block(block) => block,
        Guess::Partition(partition) => table.locate(partition, &table.read_block(partition)?, key)?,
    };
    Table::find(&table.read_block(block)?, key, hash)
}

/// All entries from a key on, and how the stream ended.
fn stream(table: &Arc<Table>, from: Option<&[u8]>) -> (Found, Result<(), LoadError>) {
    let mut stream = from.map_or_else(|| table.stream(), |from| table.stream_from(parse(from)));
    let (mut key, mut found) = (Vec::new(), Vec::new());
    loop {
        match stream.next(&mut key) {
            Ok(Some(value)) => found.push((key.clone(), value)),
            Ok(None) => return (found, Ok(())),
            Err(error) => return (found, Err(error)),
        }
    }
}

fn expected(entries: &Entries, from: &[u8]) -> Found {
    entries.range(from.to_vec()..).map(|(key, value)| (key.clone(), value_of(value))).collect()
}

fn forms() -> Vec<BuilderOptions> {
    let kinds = [Compression::None, Compression::Lz4, Compression::Zstd { level: 3 }];
    kinds.into_iter().flat_map(|kind| [options(kind, 1 << 20), options(kind, 100)]).collect()
}

#[test]
fn every_form_behaves_like_a_map() {
    let mut rng = Rng::with_seed(1);
    for (round, options) in forms().into_iter().enumerate() {
        let (disk, entries) = (disk(), entries(&mut rng, 4_000));
        let written = write(&disk, 1, &entries, options);
        let opened = reopen(&disk, written.info());
        for table in [&written, &opened] {
            assert_eq!(table.properties(), written.properties());
            assert_eq!(stream(table, None), (expected(&entries, &[]), Ok(())), "form {round}");
            table.verify().expect("sound");
            assert_eq!(table.damage(), []);
            for (key, value) in entries.iter().filter(|_| rng.u32(..4) == 0) {
                assert_eq!(find(table, key), Ok(Some(value_of(value))));
            }
            for _ in 0..100 {
                // Mostly keys that are not there, some before the first and behind the last.
                let from = stored(CELL + 16 * rng.u16(..25), &format!("user:{:06}", rng.u32(..45_000)));
                assert_eq!(stream(table, Some(&from)), (expected(&entries, &from), Ok(())));
                assert_eq!(find(table, &from), Ok(entries.get(&from).map(value_of)));
            }
            let last = entries.keys().next_back().expect("many");
            assert_eq!(stream(table, Some(last)).0.len(), 1);
        }
        let file = disk.bytes(written.path()).expect("written");
        assert_eq!(file.len() as u64, written.info().file_bytes);
    }
}

#[test]
fn a_table_knows_what_is_in_it() {
    let mut rng = Rng::with_seed(2);
    let (disk, entries) = (disk(), entries(&mut rng, 3_000));
    let table = write(&disk, 1, &entries, options(Compression::Zstd { level: 5 }, 500));
    let table = reopen(&disk, table.info());
    let (info, properties) = (table.info(), table.properties().expect("of today"));
    assert_eq!(info.entries, entries.len() as u64);
    assert_eq!(info.forgotten, entries.values().filter(|value| value.is_none()).count() as u64);
    assert_eq!((properties.oldest, info.newest), (Lsn(10), Lsn(20)));
    // The writer's own times are 1001 to 1000 and the number of entries.
    assert_eq!(properties.times, Some((1_001, 1_000 + info.entries)));
    assert_eq!(table.span(), Span { oldest: Lsn(10), newest: Lsn(20), times: properties.times });
    assert!(properties.blocks > 300 && properties.partitions > 1, "{properties:?}");
    assert!(properties.block_bytes > properties.stored_bytes && properties.stored_bytes < info.file_bytes);
    assert!(properties.kinds & 1 << 2 != 0 && properties.kinds & 1 << 1 == 0, "zstd and plain, no LZ4");
    let mut slots = BTreeMap::new();
    for (key, value) in &entries {
        let count: &mut (u64, u64) = slots.entry(parse(key).slot).or_default();
        count.0 += 1;
        count.1 += (key.len() + value.as_ref().map_or(0, Vec::len)) as u64;
    }
    let found: Vec<_> =
        properties.slots().map(|count| (count.slot, (count.entries, count.raw_bytes))).collect();
    assert_eq!(found, slots.into_iter().collect::<Vec<_>>());
}

#[test]
fn a_large_index_stays_on_the_disk() {
    let mut rng = Rng::with_seed(3);
    let (disk, entries) = (disk(), entries(&mut rng, 20_000));
    let flat = write(&disk, 1, &entries, options(Compression::Lz4, 1 << 20));
    let cut = write(&disk, 2, &entries, options(Compression::Lz4, 1 << 12));
    let filter = entries.len() * 10 / 8;
    let (flat_bytes, cut_bytes) = (flat.memory_bytes() - filter, cut.memory_bytes() - filter);
    assert!(flat_bytes > 60_000 && cut_bytes < flat_bytes / 20, "{flat_bytes} and {cut_bytes}");
    // Opening takes as much as building left.
    for table in [flat, cut] {
        let opened = reopen(&disk, table.info()).memory_bytes();
        let built = table.memory_bytes();
        assert!(built.abs_diff(opened) < built / 20, "{built} and {opened}");
    }
}

#[test]
fn merges_show_the_newest_from_any_key_on() {
    let mut rng = Rng::with_seed(4);
    let disk = disk();
    let layers: Vec<Entries> = (0..4).map(|_| entries(&mut rng, 700)).collect();
    let forms = forms();
    let tables: Vec<_> = (1..)
        .zip(&layers)
        .map(|(number, layer)| write(&disk, number, layer, forms[number as usize]))
        .collect();
    let mut merged = Entries::new();
    layers.iter().rev().for_each(|layer| merged.extend(layer.clone()));
    for round in 0..60 {
        let from = stored(CELL + 16 * rng.u16(..24), &format!("s{}", rng.u32(..)));
        let from = if round == 0 { Vec::new() } else { from };
        let stream = |table: &Arc<Table>| match round {
            0 => table.stream(),
            _ => table.stream_from(parse(&from)),
        };
        let mut merge = Merge::new(tables.iter().map(stream)).expect("sound");
        let mut found = Vec::new();
        while let Some(merged) = merge.next_entry().expect("sound") {
            found.push((merged.key.to_vec(), merged.value));
        }
        assert_eq!(found, expected(&merged, &from));
    }
}

/// What a damaged table may answer: the truth, or that it is damaged; and the damage covers what it hides.
fn check_damaged(table: &Arc<Table>, entries: &Entries, probes: &[&Vec<u8>], what: &str) -> bool {
    let mut hidden = Vec::new();
    for key in probes {
        match find(table, key) {
            Ok(found) => assert_eq!(found, Some(value_of(&entries[*key])), "{what}"),
            Err(error) => {
                assert_eq!(error, LoadError::Damaged, "{what}");
                hidden.push(parse(key).slot);
            }
        }
    }
    let damage = table.damage();
    let covered = |slot: &Slot| damage.iter().any(|damage| damage.first <= *slot && *slot <= damage.last);
    assert!(hidden.iter().all(covered), "{what}: {hidden:?} are not in {damage:?}");
    let (found, end) = stream(table, None);
    let all = expected(entries, &[]);
    assert_eq!(found[..], all[..found.len()], "{what}");
    assert_eq!(end.is_ok(), found.len() == all.len() && damage.is_empty(), "{what}");
    let from = probes[probes.len() / 2];
    let (found, end) = stream(table, Some(from));
    let rest = expected(entries, from);
    assert!(found[..] == rest[..found.len()] && (end.is_err() || found.len() == rest.len()), "{what}");
    !damage.is_empty()
}

fn damage_everywhere(disk: &SimDisk, info: &TableInfo, entries: &Entries, what: &str) {
    let path = table::path(CELL, info.number);
    let sound = disk.bytes(&path).expect("written");
    let probes: Vec<&Vec<u8>> = entries.keys().step_by(7).collect();
    let mut damaged = 0;
    for at in 0..sound.len() {
        disk.bit_flip(&path, at as u64, (at % 8) as u8);
        match table::open(disk, CELL, info.clone()) {
            Ok(table) => {
                damaged += usize::from(check_damaged(
                    &Arc::new(table),
                    entries,
                    &probes,
                    &format!("{what}, byte {at}"),
                ));
            }
            // The version is bound by a checksum: a flipped one is damage, not a newer format.
            Err(error) => panic!("{what}, byte {at}: {error}"),
        }
        disk.bit_flip(&path, at as u64, (at % 8) as u8);
    }
    // What is not damage is the filter, and the few bytes of it that cannot be wrong are none.
    let filter = entries.len() * 10 / 8 + 200;
    assert!(damaged >= sound.len() - filter, "{what}: {damaged} of {} bytes", sound.len());
    for cut in 0..sound.len() {
        disk.put(&path, &sound[..cut]);
        let table = reopen(disk, info);
        assert!(table.is_broken(), "{what}, cut to {cut}");
        assert_eq!(find(&table, probes[0]), Err(LoadError::Damaged));
        assert_eq!(table.damage().len(), 1);
    }
    // Cut behind its back, while it is open.
    disk.put(&path, &sound);
    let table = reopen(disk, info);
    disk.truncate(&path, sound.len() as u64 / 3);
    assert!(check_damaged(&table, entries, &probes, &format!("{what}, cut while open")));
    disk.put(&path, &sound);
    assert!(!check_damaged(&reopen(disk, info), entries, &probes, what));
}

#[test]
fn damage_anywhere_shows_nothing_wrong() {
    let mut rng = Rng::with_seed(5);
    for options in [options(Compression::Lz4, 1 << 20), options(Compression::Zstd { level: 1 }, 40)] {
        let (disk, entries) = (disk(), entries(&mut rng, 90));
        let table = write(&disk, 4, &entries, options);
        damage_everywhere(&disk, table.info(), &entries, &format!("{options:?}"));
    }
}

/// The fixture's table, its entry in the manifest, and what was written to it.
fn fixture() -> (SimDisk, TableInfo, Entries) {
    let mut entries = Entries::new();
    for n in 0..160u32 {
        let key = match n % 4 {
            0 => format!("user:{n:06}"),
            1 => format!("session:{n:x}"),
            2 => "long".repeat(n as usize),
            _ => n.to_string(),
        };
        let value = match n % 7 {
            0 => None,
            1 => Some(Vec::new()),
            _ => Some(format!("value {n} ").repeat(if n == 87 { 300 } else { n as usize % 13 }).into_bytes()),
        };
        entries.insert(stored(CELL + 16 * (n % 9) as u16, &key), value);
    }
    let info = TableInfo {
        number: 7,
        file_bytes: 5239,
        entries: 160,
        forgotten: 23,
        raw_bytes: 22889,
        first: stored(3, "135").into(),
        last: stored(131, "user:000152").into(),
        newest: Lsn(4711),
    };
    let disk = disk();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/sstable.v1.sst");
    disk.put(&table::path(CELL, 7), &std::fs::read(path).expect("it is in the repository"));
    (disk, info, entries)
}

#[test]
fn version_1_opens_for_ever() {
    let (disk, info, entries) = fixture();
    let table = reopen(&disk, &info);
    assert!(!table.is_broken() && table.properties().is_none());
    assert_eq!(stream(&table, None), (expected(&entries, &[]), Ok(())));
    for (key, value) in &entries {
        assert_eq!(find(&table, key), Ok(Some(value_of(value))));
        assert_eq!(stream(&table, Some(key)), (expected(&entries, key), Ok(())));
    }
    assert_eq!(find(&table, &stored(19, "absent")), Ok(None));
    // Merged with a table of today it becomes one.
    let newer = Entries::from([(stored(19, "newer"), Some(b"of today".to_vec()))]);
    let newer_table = write(&disk, 8, &newer, options(Compression::Lz4, 1 << 20));
    let span = newer_table.span().join(table.span());
    assert_eq!((span.oldest, span.newest), (Lsn(0), Lsn(4711)), "version 1 does not say how old it is");
    let same = BuilderOptions { block_bytes: 512, ..options(Compression::Lz4, 1 << 20) };
    let mut builder = Builder::new(&disk, CELL, 9, 161, same).expect("no fault");
    let mut merge = Merge::new([newer_table.stream(), table.stream()]).expect("sound");
    while let Some(Merged { key, value, .. }) = merge.next_entry().expect("sound") {
        let record = if let Value::Record(record) = &value { Some(&record[..]) } else { None };
        builder.add(key, record).expect("no fault");
    }
    let merged = Arc::new(builder.finish(span).expect("no fault"));
    let mut all = entries;
    all.extend(newer);
    assert_eq!(stream(&merged, None).0, expected(&all, &[]));
    assert!(
        merged.info().file_bytes < info.file_bytes,
        "shared beginnings and properties: {:?}",
        merged.info()
    );
}

#[test]
fn damage_anywhere_in_version_1_shows_nothing_wrong() {
    let (disk, info, entries) = fixture();
    damage_everywhere(&disk, &info, &entries, "version 1");
}

#[test]
fn a_disk_error_is_no_damage() {
    let mut rng = Rng::with_seed(6);
    let (disk, entries) = (disk(), entries(&mut rng, 300));
    let written = write(&disk, 1, &entries, options(Compression::Lz4, 100));
    let table = reopen(&disk, written.info());
    for operations in 0..4 {
        disk.fail_after(operations);
        let mut stream = table.stream_from(parse(entries.keys().nth(150).expect("there are 300")));
        let (mut key, mut seen, mut errors) = (Vec::new(), Vec::new(), 0);
        loop {
            match stream.next(&mut key) {
                Ok(Some(_)) => seen.push(key.clone()),
                Ok(None) => break,
                Err(error) => {
                    assert_eq!(error, LoadError::Io);
                    errors += 1;
                    break;
                }
            }
        }
        assert!(entries.keys().skip(150).zip(&seen).all(|(left, right)| left == right));
        assert!(errors == 1 || seen.len() == entries.len() - 150);
    }
}

const _: () = assert!(Place::PARTITION == 1 << 31);
