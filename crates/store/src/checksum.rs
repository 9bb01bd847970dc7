//! CRC-32C over bytes and the place they belong to, so that bytes of another file, of another place in the
//! file or of the file's earlier life are never taken for good. Does not know any format.

/// The checksum of `bytes` at `place` of the thing named `owner` (a segment, a table, a meta record).
pub(crate) fn bound(owner: u64, place: u64, bytes: &[u8]) -> u32 {
    let mut prefix = [0; 16];
    prefix[..8].copy_from_slice(&owner.to_le_bytes());
    prefix[8..].copy_from_slice(&place.to_le_bytes());
    crc32c::crc32c_append(crc32c::crc32c(&prefix), bytes)
}
