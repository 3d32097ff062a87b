//! Who gets how many frames: a policy.

/// What the decision is made from.
#[derive(Clone, Copy, Debug)]
pub struct Asking {
    /// Frames that the process asks for, beyond its quota.
    pub wanted: usize,
    /// Frames that it is charged for.
    pub used: usize,
    /// Frames that `unixd` could give.
    pub available: usize,
}

/// Decides.
pub trait Admission {
    /// How many frames a process is granted; fewer than it asks for is a refusal.
    fn grant(&self, asking: Asking) -> usize;
}

/// The small may take what the large may not: the last part of memory is kept for processes that use little, so that one that takes
/// all it can get does not take the others with it.
#[derive(Debug, Default)]
pub struct SmallFirst;

/// Frames kept for processes that use little.
const RESERVE: usize = 4096;
/// What "little" is, in frames.
const LITTLE: usize = 2048;
/// What is granted at least, so that a process that grows does not ask for every page.
const LEAST: usize = 64;

impl Admission for SmallFirst {
    fn grant(&self, asking: Asking) -> usize {
        let reserve = if asking.used.saturating_add(asking.wanted) > LITTLE { RESERVE } else { 0 };
        let available = asking.available.saturating_sub(reserve);
        if asking.wanted > available {
            return 0;
        }
        asking.wanted.max(asking.used / 4).max(LEAST).min(available)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_uses_much_leaves_a_rest() {
        let grant = |wanted, used, available| SmallFirst.grant(Asking { wanted, used, available });
        assert_eq!(grant(1, 100_000, RESERVE), 0);
        assert_eq!(grant(1, 100, RESERVE), LEAST);
        assert_eq!(grant(1, 100, 8), 8);
        assert_eq!(grant(9, 100, 8), 0);
        assert_eq!(grant(usize::MAX, 100, 8), 0);
        assert_eq!(grant(1, 1000, 100_000), 250);
    }
}
