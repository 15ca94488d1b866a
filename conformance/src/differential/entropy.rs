//! Where made-up things come from.

/// A source of decisions: a seed, or bytes such as a fuzzer's.
///
/// Bytes that are used up go on as zeros, and each decision of the generator for 0 is the plainest one.
#[derive(Clone, Debug)]
pub struct Entropy<'b> {
    source: Source<'b>,
}

#[derive(Clone, Debug)]
enum Source<'b> {
    Seed(u64),
    Bytes(&'b [u8]),
}

impl<'b> Entropy<'b> {
    /// Decisions that depend on the seed alone.
    pub fn seeded(seed: u64) -> Self {
        Self { source: Source::Seed(seed) }
    }

    /// Decisions that are read off the bytes.
    pub fn bytes(bytes: &'b [u8]) -> Self {
        Self { source: Source::Bytes(bytes) }
    }

    /// A number below `n`; 0 where `n` is 0.
    pub fn below(&mut self, n: usize) -> usize {
        if n < 2 {
            return 0;
        }
        let drawn = match &mut self.source {
            Source::Seed(state) => splitmix(state),
            Source::Bytes(bytes) => {
                let width = if n <= 256 { 1 } else { 4 };
                let mut drawn = 0;
                for _ in 0..width {
                    let (byte, rest) = bytes.split_first().map_or((0, *bytes), |(byte, rest)| (*byte, rest));
                    *bytes = rest;
                    drawn = (drawn << 8) | u64::from(byte);
                }
                drawn
            }
        };
        let n = u64::try_from(n).unwrap_or(u64::MAX);
        usize::try_from(drawn % n).unwrap_or(0)
    }

    /// True in that many of a hundred cases.
    pub fn chance(&mut self, percent: usize) -> bool {
        self.below(100) >= 100 - percent.min(100)
    }

    /// One of them.
    pub fn choose<'i, T>(&mut self, items: &'i [T]) -> Option<&'i T> {
        items.get(self.below(items.len()))
    }

    /// One of them.
    pub fn pick<T: Copy + Default>(&mut self, items: &[T]) -> T {
        self.choose(items).copied().unwrap_or_default()
    }

    /// The place of one of the weights, each as likely as its share.
    pub fn weighted(&mut self, weights: &[usize]) -> usize {
        let mut drawn = self.below(weights.iter().sum());
        for (at, weight) in weights.iter().enumerate() {
            if drawn < *weight {
                return at;
            }
            drawn -= weight;
        }
        0
    }
}

/// SplitMix64.
fn splitmix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
