use super::super::PerturbError;
use super::super::items::{self, Item, Windows};
use super::Backgrounds;
use crate::Error;
use crate::job::Cancel;
use crate::stats::{Random, shuffle_keeping_pairs};

/// A window that motifs are put into.
#[derive(Clone, Debug)]
pub(super) struct Background {
    pub name: String,
    pub codes: Vec<u8>,
}

/// Makes the backgrounds; gives the sequences that were read, too.
pub(super) fn make(
    backgrounds: &Backgrounds,
    seed: u64,
    (window, most_unknown): (usize, u32),
    cancel: &Cancel,
) -> Result<(Vec<Background>, Vec<Item>), Error> {
    let (source, count) = match backgrounds {
        Backgrounds::Random { count, gc } => {
            if *count == 0 {
                return Err(PerturbError::Setting("--random is at least 1".into()).into());
            }
            if !(0.0..=1.0).contains(gc) {
                return Err(PerturbError::Setting("--gc is a share, 0 to 1".into()).into());
            }
            let one = |number: usize| Background {
                name: format!("random_{}", number + 1),
                codes: random(window, *gc, &mut Random::new(seed, number as u64, 2)),
            };
            return Ok(((0..*count).map(one).collect(), Vec::new()));
        }
        Backgrounds::Given(source) => (source, None),
        Backgrounds::Shuffled { source, count } => (source, Some(*count)),
    };
    if count == Some(0) {
        return Err(PerturbError::Setting("--random is at least 1".into()).into());
    }
    let items = items::read(source, Windows::Centre, (window, most_unknown), cancel)?;
    let central = |item: &Item| {
        item.starts.first().map(|start| Background {
            name: item.name.clone(),
            codes: item.codes[*start..*start + window].to_vec(),
        })
    };
    let given: Vec<Background> = items.iter().filter_map(central).collect();
    let Some(count) = count else {
        return Ok((given, items));
    };
    let shuffled =
        (given.iter().cycle().take(count).enumerate()).map(|(number, background)| Background {
            name: format!("{}_shuffle_{}", background.name, number / given.len() + 1),
            codes: shuffle_keeping_pairs(
                &background.codes,
                &mut Random::new(seed, number as u64, 1),
            ),
        });
    Ok((shuffled.collect(), items))
}

/// Random bases with this share of G and C.
fn random(length: usize, gc: f64, random: &mut Random) -> Vec<u8> {
    let base = |_| {
        let strong = random.uniform() < gc;
        let which = random.below(2) as u8;
        if strong { 1 + which } else { 3 * which }
    };
    (0..length).map(base).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_bases_have_their_share() {
        for gc in [0.0, 0.3, 0.5, 1.0] {
            let codes = random(40_000, gc, &mut Random::new(1, 0, 2));
            let share = |base: u8| codes.iter().filter(|c| **c == base).count() as f64 / 40_000.0;
            for (base, expected) in [(0, 1.0 - gc), (1, gc), (2, gc), (3, 1.0 - gc)] {
                // Six standard deviations of a share of 40,000: 0.015.
                assert!((share(base) - expected / 2.0).abs() < 0.015, "{gc} {base}");
            }
        }
        let none = Backgrounds::Random { count: 0, gc: 0.5 };
        assert!(make(&none, 1, (5, 0), &Cancel::default()).is_err());
        let odd = Backgrounds::Random { count: 1, gc: 1.5 };
        assert!(make(&odd, 1, (5, 0), &Cancel::default()).is_err());
    }
}
