//! How much the machine has to do: the times of the CPU and the load averages that `/proc` tells.
//!
//! Nobody wakes up every five seconds to count, as Linux does: what was so on average since somebody last asked is taken for the steps in
//! between.

/// From one step of the averages to the next, in nanoseconds.
const STEP_NS: u64 = 5_000_000_000;
/// Fraction bits of an average.
const FRACTION: u32 = 11;
const ONE: u64 = 1 << FRACTION;
/// What is left of an average after a step: `e` to the -5/60, -5/300 and -5/900, as Linux rounds them.
const DECAY: [u64; 3] = [1884, 2014, 2037];
/// After so many steps nothing is left of what was before.
const STEPS_MOST: u64 = 4096;

/// See the module.
#[derive(Debug, Default)]
pub struct Load {
    /// Nanoseconds that processes ran that are gone.
    gone_ns: u64,
    averages: [u64; 3],
    /// When it was last looked at, and how long processes had run then.
    seen: (u64, u64),
}

impl Load {
    /// A process ended that ran so long.
    pub fn note_end(&mut self, ran_ns: u64) {
        self.gone_ns += ran_ns;
    }

    /// Nanoseconds that all processes ran, if those that there are ran so long.
    #[must_use]
    pub fn ran_ns(&self, alive_ns: u64) -> u64 {
        self.gone_ns + alive_ns
    }

    /// The averages in hundredths, at a time at which all processes have run so long.
    pub fn averages(&mut self, now_ns: u64, ran_ns: u64) -> [u64; 3] {
        let (seen_ns, ran_before) = self.seen;
        let steps = now_ns.saturating_sub(seen_ns) / STEP_NS;
        if steps > 0 {
            let busy = (ran_ns.saturating_sub(ran_before) as u128 * ONE as u128 / (now_ns - seen_ns) as u128) as u64;
            for (average, decay) in self.averages.iter_mut().zip(DECAY) {
                for _ in 0..steps.min(STEPS_MOST) {
                    // Rounded towards where it goes, so that it arrives there.
                    let towards = if busy >= *average { ONE - 1 } else { 0 };
                    *average = (*average * decay + busy * (ONE - decay) + towards) / ONE;
                }
            }
            self.seen = (now_ns, ran_ns);
        }
        self.averages.map(|average| average * 100 / ONE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: u64 = 60_000_000_000;

    #[test]
    fn a_machine_that_computes_all_the_time_comes_to_a_load_of_one_and_back() {
        let mut load = Load::default();
        assert_eq!(load.averages(0, 0), [0, 0, 0]);
        let after_a_minute = load.averages(MINUTE, MINUTE);
        // 1 - 1/e, and less of the longer ones.
        assert!((60..=64).contains(&after_a_minute[0]) && after_a_minute[1] < 20 && after_a_minute[2] < 8, "{after_a_minute:?}");
        assert!(load.averages(100 * MINUTE, 100 * MINUTE).iter().all(|&average| average >= 95));
        assert_eq!(load.averages(900 * MINUTE, 100 * MINUTE), [0, 0, 0]);
    }

    #[test]
    fn what_the_dead_ran_counts() {
        let mut load = Load::default();
        load.note_end(5);
        load.note_end(6);
        assert_eq!(load.ran_ns(7), 18);
    }
}
