use super::Random;

/// Letters of a sequence: codes below this.
const LETTERS: usize = 8;

/// Another sequence with the same first and last letter and the same counts of neighbouring pairs, each such
/// sequence as likely as any other (Altschul and Erickson 1985). The last steps out of each letter are
/// a random tree towards the last letter (Wilson 1996), the others come in any order.
///
/// # Panics
/// When a code is above 7.
pub fn shuffle_keeping_pairs(codes: &[u8], random: &mut Random) -> Vec<u8> {
    let Some((&first, &last)) = codes.first().zip(codes.last()) else {
        return Vec::new();
    };
    // Of each letter, the letters that follow it.
    let mut next: [Vec<u8>; LETTERS] = Default::default();
    for pair in codes.windows(2) {
        next[usize::from(pair[0])].push(pair[1]);
    }
    // Walks until the tree is met; where a walk comes by again, its later step counts.
    let mut in_tree = [false; LETTERS];
    in_tree[usize::from(last)] = true;
    let mut step = [0; LETTERS];
    for from in 0..LETTERS {
        if next[from].is_empty() {
            continue;
        }
        let mut at = from;
        while !in_tree[at] {
            step[at] = random.below(next[at].len() as u64) as usize;
            at = usize::from(next[at][step[at]]);
        }
        let mut at = from;
        while !in_tree[at] {
            in_tree[at] = true;
            at = usize::from(next[at][step[at]]);
        }
    }
    for (letter, steps) in next.iter_mut().enumerate() {
        if letter == usize::from(last) {
            random.shuffle(steps);
        } else if let Some(end) = steps.len().checked_sub(1) {
            steps.swap(step[letter], end);
            random.shuffle(&mut steps[..end]);
        }
        // Taken from the back.
        steps.reverse();
    }
    let mut out = Vec::with_capacity(codes.len());
    out.push(first);
    while let Some(following) = next[usize::from(out[out.len() - 1])].pop() {
        out.push(following);
    }
    out
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;

    fn pairs(codes: &[u8]) -> BTreeMap<[u8; 2], u32> {
        let mut pairs = BTreeMap::new();
        for pair in codes.windows(2) {
            *pairs.entry([pair[0], pair[1]]).or_default() += 1;
        }
        pairs
    }

    #[test]
    fn pairs_and_ends_are_kept() {
        let mut random = Random::new(1, 2, 3);
        for length in 0..200u64 {
            let letters = 1 + length % 5;
            let codes: Vec<u8> = (0..length).map(|_| random.below(letters) as u8).collect();
            let shuffled = shuffle_keeping_pairs(&codes, &mut random);
            assert_eq!(pairs(&codes), pairs(&shuffled));
            assert_eq!(codes.len(), shuffled.len());
            assert_eq!(codes.first(), shuffled.first());
        }
    }

    /// Beside all sequences of 9 letters with the pairs of one.
    #[test]
    fn all_are_as_likely() {
        let codes = [0, 1, 2, 0, 0, 2, 1, 0, 1];
        let mut all = BTreeSet::new();
        for n in 0..3usize.pow(9) {
            let word: Vec<u8> = (0..9).map(|i| (n / 3usize.pow(i) % 3) as u8).collect();
            if word[0] == codes[0] && pairs(&word) == pairs(&codes) {
                all.insert(word);
            }
        }
        let mut random = Random::new(5, 0, 0);
        let draws = 4000 * all.len();
        let mut counts: BTreeMap<Vec<u8>, f64> = BTreeMap::new();
        for _ in 0..draws {
            *counts
                .entry(shuffle_keeping_pairs(&codes, &mut random))
                .or_default() += 1.0;
        }
        assert_eq!(counts.keys().cloned().collect::<BTreeSet<_>>(), all);
        // Five standard deviations of a count.
        for count in counts.values() {
            assert!((count - 4000.0).abs() < 5.0 * 4000f64.sqrt(), "{counts:?}");
        }
    }
}
