// SPDX-License-Identifier: GPL-2.0

//! Random numbers that a seed determines, on every machine and in every version of this program.

/// A generator of such numbers: SplitMix64, which is a mixing function applied to a counter.
#[derive(Clone, Debug)]
pub(crate) struct Random {
    counter: u64,
}

impl Random {
    /// The generator for `seed`. Every seed is as good as another.
    pub(crate) fn new(seed: u64) -> Random {
        Random { counter: seed }
    }

    /// The next number, any of 64 bits.
    fn next(&mut self) -> u64 {
        self.counter = self.counter.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.counter ^ (self.counter >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// The next number from `-limit` to `limit`, which is not negative.
    pub(crate) fn within(&mut self, limit: i64) -> i64 {
        let count = u128::from(limit.unsigned_abs()) * 2 + 1;
        // CAST: below `count`, that is at most 2^64.
        let index = ((u128::from(self.next()) * count) >> 64) as i128;
        // CAST: from -limit to limit.
        (index - i128::from(limit)) as i64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_known_generator() {
        let mut random = Random::new(1_234_567);
        assert_eq!(random.next(), 6_457_827_717_110_365_317);
        assert_eq!(random.next(), 3_203_168_211_198_807_973);
    }

    #[test]
    fn every_number_of_the_range_comes_about_as_often() {
        let mut random = Random::new(0);
        let mut counts = [0u32; 7];
        for _ in 0..7_000 {
            let index = usize::try_from(random.within(3) + 3).unwrap();
            counts[index] += 1;
        }
        assert!(
            counts.iter().all(|count| (850..1150).contains(count)),
            "{counts:?}"
        );
        assert_eq!(random.within(0), 0);
        assert!(random.within(i64::MAX) != random.within(i64::MAX));
    }
}
