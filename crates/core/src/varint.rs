//! LEB128 unsigned integers and length-prefixed bytes: the alphabet of every format of this crate. Decoding
//! never panics and never allocates by an announced length.

use alloc::vec::Vec;
use bytes::Bytes;

/// The bytes are not what the format says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Malformed;

/// Appends `value` in 1 to 10 bytes.
pub fn put_u64(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Appends a length and the bytes.
pub fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_u64(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Reads from the front of a buffer; byte strings come out as slices that share it.
#[derive(Clone, Debug)]
pub struct Reader {
    bytes: Bytes,
    at: usize,
}

impl Reader {
    /// Starts at the first byte.
    pub fn new(bytes: Bytes) -> Reader {
        Reader { bytes, at: 0 }
    }

    /// How many bytes are left.
    pub fn remaining(&self) -> usize {
        self.bytes.len() - self.at
    }

    /// One byte.
    pub fn u8(&mut self) -> Result<u8, Malformed> {
        let byte = *self.bytes.get(self.at).ok_or(Malformed)?;
        self.at += 1;
        Ok(byte)
    }

    /// A LEB128 integer; an encoding that does not fit 64 bits is malformed.
    pub fn u64(&mut self) -> Result<u64, Malformed> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.u8()?;
            if shift == 63 && byte > 1 {
                return Err(Malformed);
            }
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(Malformed)
    }

    /// A LEB128 integer that must fit 32 bits.
    pub fn u32(&mut self) -> Result<u32, Malformed> {
        u32::try_from(self.u64()?).map_err(|_| Malformed)
    }

    /// `count` bytes, sharing the buffer.
    pub fn take(&mut self, count: usize) -> Result<Bytes, Malformed> {
        if count > self.remaining() {
            return Err(Malformed);
        }
        let taken = self.bytes.slice(self.at..self.at + count);
        self.at += count;
        Ok(taken)
    }

    /// Bytes behind their length.
    pub fn bytes(&mut self) -> Result<Bytes, Malformed> {
        let count = usize::try_from(self.u64()?).map_err(|_| Malformed)?;
        self.take(count)
    }

    /// A fixed number of bytes, copied.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let end = self.at.checked_add(N).ok_or(Malformed)?;
        let slice = self.bytes.get(self.at..end).ok_or(Malformed)?;
        self.at = end;
        slice.try_into().map_err(|_| Malformed)
    }

    /// Nothing may be left.
    pub fn end(&self) -> Result<(), Malformed> {
        if self.remaining() == 0 { Ok(()) } else { Err(Malformed) }
    }
}
