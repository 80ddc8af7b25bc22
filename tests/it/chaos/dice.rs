//! Random numbers with a seed, so that a failed run can be repeated.

use std::{env, ops::RangeInclusive, time::Duration};

use super::report;

/// Random numbers, good enough for a test (`SplitMix64`).
pub struct Dice(u64);

impl Dice {
    /// With the seed that `CHAOS_SEED` names, or a new one. Says which.
    pub fn new() -> Self {
        let given = env::var("CHAOS_SEED").ok().map(|seed| seed.parse().expect("CHAOS_SEED is a number"));
        let seed = given.unwrap_or_else(|| getrandom::u64().expect("the system has random numbers"));
        report(&format!("CHAOS_SEED={seed}"));
        Self(seed)
    }

    /// A number from 0 to `n` - 1.
    pub fn below(&mut self, n: usize) -> usize {
        usize::try_from(self.throw() % u64::try_from(n).unwrap()).unwrap()
    }

    /// A time of so many milliseconds.
    pub fn millis(&mut self, range: RangeInclusive<u64>) -> Duration {
        let (least, most) = range.into_inner();
        Duration::from_millis(least + self.throw() % (most - least + 1))
    }

    fn throw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }
}
