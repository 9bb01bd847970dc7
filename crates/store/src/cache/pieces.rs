//! A list without gaps that grows in pieces, so that no push moves more than one of them. Knows nothing of what it holds.

/// Items in a piece.
const PIECE: usize = 1_024;

/// See the module.
pub(super) struct Pieces<T> {
    pieces: Vec<Vec<T>>,
    len: usize,
}

impl<T> Pieces<T> {
    /// An empty list, without memory.
    pub(super) fn new() -> Pieces<T> {
        Pieces { pieces: Vec::new(), len: 0 }
    }

    /// Items.
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Memory of the list itself, in bytes.
    pub(super) fn allocation_bytes(&self) -> usize {
        let last = self.pieces.last().map_or(0, Vec::capacity);
        let whole = self.pieces.len().saturating_sub(1) * PIECE;
        size_of::<T>() * (whole + last) + size_of::<Vec<T>>() * self.pieces.capacity()
    }

    #[inline]
    pub(super) fn get(&self, at: usize) -> &T {
        &self.pieces[at / PIECE][at % PIECE]
    }

    #[inline]
    pub(super) fn get_mut(&mut self, at: usize) -> &mut T {
        &mut self.pieces[at / PIECE][at % PIECE]
    }

    pub(super) fn push(&mut self, item: T) {
        match self.pieces.last_mut() {
            Some(last) if last.len() < PIECE => {
                if last.len() == last.capacity() {
                    last.reserve_exact(last.len().clamp(4, PIECE - last.len()));
                }
                last.push(item);
            }
            first => {
                let mut piece = if first.is_some() { Vec::with_capacity(PIECE) } else { Vec::new() };
                piece.push(item);
                self.pieces.push(piece);
            }
        }
        self.len += 1;
    }

    /// Removes the last one.
    pub(super) fn pop(&mut self) -> Option<T> {
        let piece = self.pieces.last_mut()?;
        let last = piece.pop();
        if piece.is_empty() {
            self.pieces.pop();
            if self.pieces.is_empty() {
                self.pieces = Vec::new();
            }
        }
        self.len -= usize::from(last.is_some());
        last
    }
}
