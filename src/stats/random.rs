/// Random numbers that depend on nothing but their seeds (SplitMix64, Steele et al. 2014).
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// A stream for a seed and two numbers, such as a replicate and a block.
    pub fn new(seed: u64, a: u64, b: u64) -> Self {
        let mut mixed = Self(seed);
        let first = mixed.next();
        mixed.0 = first ^ a.wrapping_mul(0xd1b5_4a32_d192_ed03);
        let second = mixed.next();
        mixed.0 = second ^ b.wrapping_mul(0x8cb9_2ba7_2f3d_8dd7);
        mixed
    }

    /// A stream for a seed and a place of use (epoch, step, example, ...). A run that is taken up again
    /// therefore needs no generator state.
    pub fn at(seed: u64, place: &[u64]) -> Self {
        let mut random = Self(seed);
        for &part in place {
            random.0 = random.next().wrapping_add(part);
        }
        random.next();
        random
    }

    /// The next 64 bits.
    #[allow(clippy::should_implement_trait, reason = "no iterator: it never ends")]
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `n` (which is not 0); the bias of at most n / 2^64 does not matter here.
    pub fn below(&mut self, n: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(n)) >> 64) as u64
    }

    /// Uniform in 0..1, 1 excluded.
    pub fn uniform(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Uniform among `0..n`, by the remainder: training has drawn so since its first models.
    ///
    /// # Panics
    /// When `n` is 0.
    pub fn index(&mut self, n: usize) -> usize {
        // The bias of the remainder is below 2^-40 for every n that fits in memory here.
        (self.next() % n as u64) as usize
    }

    /// Standard normal (Box and Muller 1958).
    pub fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform()).cos()
    }

    /// Puts items into random order (Fisher and Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.index(last + 1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_numbers_are_spread() {
        let mut r = Random::new(1, 2, 3);
        let mut counts = [0u32; 10];
        for _ in 0..100_000 {
            counts[r.below(10) as usize] += 1;
        }
        // Six standard deviations of a binomial(1e5, 0.1): 570.
        assert!(
            counts.iter().all(|c| c.abs_diff(10_000) < 570),
            "{counts:?}"
        );
        assert_ne!(Random::new(1, 2, 3).next(), Random::new(1, 3, 2).next());
    }

    #[test]
    fn places_differ_and_repeat() {
        let mut a = Random::at(1, &[2, 3]);
        let mut b = Random::at(1, &[2, 3]);
        let mut c = Random::at(1, &[3, 2]);
        let (x, y, z) = (a.next(), b.next(), c.next());
        assert_eq!(x, y);
        assert_ne!(x, z);
    }

    #[test]
    fn moments() {
        let mut random = Random::at(7, &[]);
        let n = 20_000;
        let values: Vec<f64> = (0..n).map(|_| random.normal()).collect();
        let mean = values.iter().sum::<f64>() / n as f64;
        let variance = values.iter().map(|v| v * v).sum::<f64>() / n as f64;
        // Five standard errors of the mean and of the variance.
        assert!(mean.abs() < 5.0 / (n as f64).sqrt(), "{mean}");
        assert!(
            (variance - 1.0).abs() < 5.0 * (2.0 / n as f64).sqrt(),
            "{variance}"
        );
        let mut items: Vec<u32> = (0..100).collect();
        random.shuffle(&mut items);
        assert_ne!(items, (0..100).collect::<Vec<u32>>());
        items.sort_unstable();
        assert_eq!(items, (0..100).collect::<Vec<u32>>());
    }
}
