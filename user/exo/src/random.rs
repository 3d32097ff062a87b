//! Reproducible numbers.

/// A xorshift generator (Marsaglia, "Xorshift RNGs", 2003, the triple 13, 7, 17).
#[derive(Clone, Copy, Debug)]
pub struct Random(u64);

impl Random {
    /// From a seed, which is not 0.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        assert!(seed != 0);
        Random(seed)
    }

    /// The next number.
    pub fn word(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// A number below `bound`.
    pub fn below(&mut self, bound: usize) -> usize {
        (self.word() >> 16) as usize % bound
    }

    /// One of these.
    pub fn of<T: Copy>(&mut self, values: &[T]) -> T {
        values[self.below(values.len())]
    }
}
