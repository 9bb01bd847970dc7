//! Values with keys that are never mistaken for one another: an index with a generation.
//!
//! A key of a removed value finds nothing, also when its place was taken again. This room knows nothing of what
//! is kept in it.

/// Names a value in one [`Arena`]; fits in a `u64`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Key(u64);

impl Key {
    /// As a number, to travel inside a [`clockwise_core::request::Ticket`].
    pub(crate) fn number(self) -> u64 {
        self.0
    }

    /// From [`Key::number`].
    pub(crate) fn from_number(number: u64) -> Key {
        Key(number)
    }

    fn index(self) -> usize {
        (self.0 & 0xffff_ffff) as usize
    }

    fn generation(self) -> u32 {
        (self.0 >> 32) as u32
    }
}

#[derive(Debug)]
struct Place<T> {
    generation: u32,
    value: Option<T>,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Arena<T> {
    places: Vec<Place<T>>,
    free: Vec<u32>,
}

impl<T> Arena<T> {
    pub(crate) fn new() -> Arena<T> {
        Arena { places: Vec::new(), free: Vec::new() }
    }

    /// Values in it.
    pub(crate) fn len(&self) -> usize {
        self.places.len() - self.free.len()
    }

    pub(crate) fn insert(&mut self, value: T) -> Key {
        let index = match self.free.pop() {
            Some(index) => index,
            None => {
                self.places.push(Place { generation: 0, value: None });
                u32::try_from(self.places.len() - 1)
                    .expect("operations and connections are capped far below 2^32")
            }
        };
        let place = &mut self.places[index as usize];
        place.value = Some(value);
        Key(u64::from(place.generation) << 32 | u64::from(index))
    }

    pub(crate) fn get(&self, key: Key) -> Option<&T> {
        let place = self.places.get(key.index())?;
        if place.generation == key.generation() { place.value.as_ref() } else { None }
    }

    pub(crate) fn get_mut(&mut self, key: Key) -> Option<&mut T> {
        let place = self.places.get_mut(key.index())?;
        if place.generation == key.generation() { place.value.as_mut() } else { None }
    }

    pub(crate) fn remove(&mut self, key: Key) -> Option<T> {
        let place = self.places.get_mut(key.index())?;
        if place.generation != key.generation() {
            return None;
        }
        let value = place.value.take()?;
        place.generation = place.generation.wrapping_add(1);
        self.free.push(key.index() as u32);
        Some(value)
    }

    /// All keys, in no useful order.
    pub(crate) fn keys(&self) -> Vec<Key> {
        let occupied = self.places.iter().enumerate().filter(|(_, place)| place.value.is_some());
        occupied.map(|(index, place)| Key(u64::from(place.generation) << 32 | index as u64)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::Arena;

    #[test]
    fn a_key_of_a_removed_value_finds_nothing_in_its_successor() {
        let mut arena = Arena::new();
        let first = arena.insert("first");
        assert_eq!(arena.remove(first), Some("first"));
        let second = arena.insert("second");
        assert_ne!(first, second);
        assert_eq!(arena.get(first), None);
        assert_eq!(arena.remove(first), None);
        assert_eq!(arena.get(second), Some(&"second"));
        assert_eq!((arena.len(), arena.keys()), (1, vec![second]));
    }
}
