//! Which block could hold a key, and where blocks lie. The index of a small table is a list in memory. That of a
//! large one is cut in partitions, which are blocks of their own behind the data: memory keeps a list of these.
//! Blocks lie one behind the other from the table's header on, so the stored form needs only lengths.

use super::{
    HEADER_BYTES, KeyRef, Place,
    block::{self, BlockBuilder, Malformed, get_varint, put_varint},
    fences::Fences,
};

/// Raw size at which a partition is closed, in bytes.
pub(super) const PARTITION_BYTES: usize = 4096;
/// Memory of a fence beside its bytes, in bytes: number, end, and the block's offset.
const FENCE_BYTES: usize = 20;
/// First byte of the stored form: a list of blocks.
const FLAT: u8 = 0;
/// First byte of the stored form: a list of partitions.
const PARTITIONED: u8 = 1;

/// The index of a table.
pub(super) enum Index {
    /// Everything is here.
    Flat(Flat),
    /// Partitions are here.
    Partitioned(Partitioned),
}

/// A fence before each block, and where the block lies.
pub(super) struct Flat {
    fences: Fences,
    /// Where each block begins, and where the last one ends.
    offsets: Vec<u64>,
}

/// A fence before each partition, and what is in it.
pub(super) struct Partitioned {
    fences: Fences,
    partitions: Vec<Partition>,
    /// How many blocks all of them list.
    blocks: u32,
    /// Where the last partition ends.
    end: u64,
}

#[derive(Clone, Copy)]
struct Partition {
    first_block: u32,
    /// Where its first block lies.
    blocks_at: u64,
    /// Where it lies itself.
    at: u64,
}

impl Flat {
    pub(super) fn new() -> Flat {
        Flat { fences: Fences::default(), offsets: vec![HEADER_BYTES] }
    }

    /// Adds the next block.
    pub(super) fn add(&mut self, fence: &[u8], length: u64) {
        self.fences.push(fence);
        self.offsets.push(self.end() + length);
    }

    /// Where the last block ends.
    pub(super) fn end(&self) -> u64 {
        *self.offsets.last().unwrap_or(&HEADER_BYTES)
    }

    /// Completes it; before this nothing is found.
    pub(super) fn seal(mut self) -> Flat {
        self.fences.seal();
        self.offsets.shrink_to_fit();
        self
    }

    /// The memory that it takes once it is sealed, in bytes.
    pub(super) fn weight(&self) -> usize {
        FENCE_BYTES * self.fences.len() + self.fences.iter().map(<[u8]>::len).sum::<usize>()
    }

    pub(super) fn blocks(&self) -> usize {
        self.fences.len()
    }

    fn place(&self, block: u32) -> Option<Place> {
        let (start, end) = (*self.offsets.get(block as usize)?, *self.offsets.get(block as usize + 1)?);
        Some(Place { number: block, offset: start, length: (end - start) as u32 })
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = vec![FLAT];
        put_varint(&mut out, self.blocks() as u64);
        for (fence, pair) in self.fences.iter().zip(self.offsets.windows(2)) {
            put_varint(&mut out, fence.len() as u64);
            out.extend_from_slice(fence);
            put_varint(&mut out, pair[1] - pair[0]);
        }
        out
    }

    /// Cuts it: hands the raw form of each partition to `write`, which answers how long it is in the file, and
    /// answers the list of them.
    pub(super) fn cut<E>(self, mut write: impl FnMut(&[u8]) -> Result<u64, E>) -> Result<Partitioned, E> {
        let (blocks, end) = (self.blocks() as u32, self.end());
        let mut list = Partitioned { fences: Fences::default(), partitions: Vec::new(), blocks, end };
        let mut builder = BlockBuilder::default();
        let mut value = Vec::new();
        let mut first = 0;
        for block in 0..self.blocks() {
            let fence = KeyRef::parse(self.fences.get(block)).expect("a fence has the slot of a key");
            value.clear();
            put_varint(&mut value, self.offsets[block] - self.offsets[first]);
            put_varint(&mut value, self.offsets[block + 1] - self.offsets[block]);
            builder.add(fence, 0, Some(&value));
            if builder.is_full(PARTITION_BYTES) || block + 1 == self.blocks() {
                list.fences.push(self.fences.get(first));
                list.partitions.push(Partition {
                    first_block: first as u32,
                    blocks_at: self.offsets[first],
                    at: list.end,
                });
                list.end += write(builder.finish())?;
                builder.clear();
                first = block + 1;
            }
        }
        list.fences.seal();
        Ok(list)
    }
}

impl Partitioned {
    pub(super) fn partitions(&self) -> usize {
        self.partitions.len()
    }

    fn place(&self, partition: u32) -> Option<Place> {
        let start = self.partitions.get(partition as usize)?.at;
        let end = self.partitions.get(partition as usize + 1).map_or(self.end, |next| next.at);
        Some(Place { number: partition | Place::PARTITION, offset: start, length: (end - start) as u32 })
    }

    /// The place of a block of a partition, from what the partition says about it.
    fn block(&self, partition: u32, entry: usize, value: &[u8]) -> Result<Place, Malformed> {
        let partition = self.partitions.get(partition as usize).ok_or(Malformed)?;
        let mut at = 0;
        let offset = partition.blocks_at.checked_add(get_varint(value, &mut at)?).ok_or(Malformed)?;
        let length = u32::try_from(get_varint(value, &mut at)?).map_err(|_| Malformed)?;
        let number = partition.first_block.checked_add(entry as u32).ok_or(Malformed)?;
        if at != value.len() || number & Place::PARTITION != 0 {
            return Err(Malformed);
        }
        Ok(Place { number, offset, length })
    }

    /// Which of a partition's blocks could hold a key.
    pub(super) fn locate(&self, partition: u32, raw: &[u8], key: KeyRef<'_>) -> Result<Place, Malformed> {
        let (entry, value) = block::floor(raw, key)?.ok_or(Malformed)?;
        self.block(partition, entry, value)
    }

    /// All blocks of a partition with the fence before each.
    pub(super) fn blocks(
        &self,
        partition: u32,
        raw: &bytes::Bytes,
    ) -> Result<Vec<(Vec<u8>, Place)>, Malformed> {
        let mut blocks = Vec::with_capacity(block::count(raw)?);
        let mut fence = Vec::new();
        while let Some(value) = block::entry(raw, blocks.len(), &mut fence)? {
            let block::Value::Record(value) = value else { return Err(Malformed) };
            blocks.push((fence.clone(), self.block(partition, blocks.len(), &value)?));
        }
        Ok(blocks)
    }

    /// The fence before a partition.
    pub(super) fn fence(&self, partition: u32) -> &[u8] {
        self.fences.get(partition as usize)
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = vec![PARTITIONED];
        put_varint(&mut out, self.partitions.len() as u64);
        for (at, (partition, fence)) in self.partitions.iter().zip(self.fences.iter()).enumerate() {
            let next = self.partitions.get(at + 1);
            // Only lengths: the first partition lies behind the last block.
            let blocks_end = next.map_or_else(|| self.partitions[0].at, |next| next.blocks_at);
            put_varint(&mut out, fence.len() as u64);
            out.extend_from_slice(fence);
            let blocks = next.map_or(self.blocks, |next| next.first_block) - partition.first_block;
            put_varint(&mut out, u64::from(blocks));
            put_varint(&mut out, blocks_end - partition.blocks_at);
            put_varint(&mut out, next.map_or(self.end, |next| next.at) - partition.at);
        }
        out
    }
}

impl Index {
    pub(super) fn memory_bytes(&self) -> usize {
        match self {
            Index::Flat(flat) => flat.fences.memory_bytes() + 8 * flat.offsets.capacity(),
            Index::Partitioned(list) => {
                list.fences.memory_bytes() + size_of::<Partition>() * list.partitions.capacity()
            }
        }
    }

    /// The block that could hold a key, or the partition that knows it. There is one, as no table is empty.
    #[inline]
    pub(super) fn find(&self, key: KeyRef<'_>) -> Option<Place> {
        match self {
            Index::Flat(flat) => flat.place(flat.fences.floor(key) as u32),
            Index::Partitioned(list) => list.place(list.fences.floor(key) as u32),
        }
    }

    /// The block or partition of this number in order; `None` behind the last.
    pub(super) fn place(&self, number: u32) -> Option<Place> {
        match self {
            Index::Flat(flat) => flat.place(number),
            Index::Partitioned(list) => list.place(number),
        }
    }

    /// The fence before the block or partition of this number, which must be there.
    pub(super) fn fence(&self, number: u32) -> &[u8] {
        match self {
            Index::Flat(flat) => flat.fences.get(number as usize),
            Index::Partitioned(list) => list.fence(number),
        }
    }

    /// Reads the stored form; what it lists must end at `end`.
    pub(super) fn decode(bytes: &[u8], end: u64) -> Result<Index, Malformed> {
        match bytes.first() {
            Some(&FLAT) => decode_flat(&bytes[1..], end).map(Index::Flat),
            Some(&PARTITIONED) => decode_partitioned(&bytes[1..], end).map(Index::Partitioned),
            _ => Err(Malformed),
        }
    }
}

/// A length and that many bytes.
pub(super) fn get_bytes<'a>(bytes: &'a [u8], at: &mut usize) -> Result<&'a [u8], Malformed> {
    let length = get_varint(bytes, at)? as usize;
    let end = at.checked_add(length).filter(|&end| end <= bytes.len()).ok_or(Malformed)?;
    let taken = &bytes[*at..end];
    *at = end;
    Ok(taken)
}

/// Fences rise and have the slot.
fn check(fences: &Fences, next: &[u8]) -> Result<(), Malformed> {
    let rises = fences.len() == 0 || fences.get(fences.len() - 1) < next;
    if rises && KeyRef::parse(next).is_some() { Ok(()) } else { Err(Malformed) }
}

/// A length of something that must lie before `end`.
fn get_length(bytes: &[u8], at: &mut usize, start: u64, end: u64) -> Result<u64, Malformed> {
    let length = get_varint(bytes, at)?;
    let fits =
        length > 0 && length <= u64::from(u32::MAX) && start.checked_add(length).is_some_and(|to| to <= end);
    if fits { Ok(length) } else { Err(Malformed) }
}

fn decode_flat(bytes: &[u8], end: u64) -> Result<Flat, Malformed> {
    let mut at = 0;
    let mut flat = Flat::new();
    for _ in 0..get_varint(bytes, &mut at)? {
        let fence = get_bytes(bytes, &mut at)?;
        check(&flat.fences, fence)?;
        let length = get_length(bytes, &mut at, flat.end(), end)?;
        flat.add(fence, length);
    }
    if at == bytes.len() && flat.end() == end && flat.blocks() > 0 { Ok(flat.seal()) } else { Err(Malformed) }
}

fn decode_partitioned(bytes: &[u8], end: u64) -> Result<Partitioned, Malformed> {
    let mut at = 0;
    let mut list = Partitioned { fences: Fences::default(), partitions: Vec::new(), blocks: 0, end };
    // Partitions lie behind the blocks, so their own places are known only when all were seen.
    let (mut blocks_end, mut length) = (HEADER_BYTES, 0u64);
    for _ in 0..get_varint(bytes, &mut at)? {
        let fence = get_bytes(bytes, &mut at)?;
        check(&list.fences, fence)?;
        list.fences.push(fence);
        list.partitions.push(Partition { first_block: list.blocks, blocks_at: blocks_end, at: length });
        let blocks = u32::try_from(get_varint(bytes, &mut at)?).map_err(|_| Malformed)?;
        let sum = list.blocks.checked_add(blocks).filter(|sum| sum & Place::PARTITION == 0);
        list.blocks = sum.ok_or(Malformed)?;
        let more = get_varint(bytes, &mut at)?;
        blocks_end = blocks_end.checked_add(more).filter(|&to| to <= end).ok_or(Malformed)?;
        length += get_length(bytes, &mut at, length, end)?;
    }
    if at != bytes.len() || list.partitions.is_empty() || blocks_end.checked_add(length) != Some(end) {
        return Err(Malformed);
    }
    for partition in &mut list.partitions {
        partition.at += blocks_end;
    }
    list.partitions.shrink_to_fit();
    list.fences.seal();
    Ok(list)
}
