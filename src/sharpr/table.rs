use super::SharprError;
use crate::counts::{Names, TileLayout};

/// The geometry of a tiled design.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Design {
    tile: usize,
    step: usize,
    tiles: usize,
}

impl Design {
    /// Tiles of `tile` bases, `tiles` a region, each `step` bases after the one before it.
    ///
    /// # Errors
    /// [`SharprError::Design`] when a number is 0 or the step does not divide the tile, so that no
    /// whole number of intervals makes a tile.
    pub fn new(tile: usize, step: usize, tiles: usize) -> Result<Self, SharprError> {
        // Far above any synthesised library; keeps tables of any number of regions in memory.
        const LONGEST: usize = 100_000;
        const MOST: usize = 10_000;
        let problem = if tile == 0 || step == 0 || tiles == 0 {
            Some("all three must be at least 1")
        } else if tile > LONGEST || tiles > MOST {
            Some("at most 100,000 bases a tile and 10,000 tiles a region")
        } else if !tile.is_multiple_of(step) {
            Some("the step does not divide the tile")
        } else {
            None
        };
        match problem {
            Some(problem) => Err(SharprError::Design {
                tile,
                step,
                tiles,
                problem,
            }),
            None => Ok(Self { tile, step, tiles }),
        }
    }

    /// Bases of a tile.
    pub fn tile(&self) -> usize {
        self.tile
    }

    /// Bases from one tile's start to the next's, and of an interval.
    pub fn step(&self) -> usize {
        self.step
    }

    /// Tiles a region.
    pub fn tiles(&self) -> usize {
        self.tiles
    }

    /// Intervals that a tile covers.
    pub fn intervals_per_tile(&self) -> usize {
        self.tile / self.step
    }

    /// Intervals of a region.
    pub fn intervals(&self) -> usize {
        self.intervals_per_tile() + self.tiles - 1
    }

    /// Bases of a region.
    pub fn region_len(&self) -> usize {
        self.intervals() * self.step
    }
}

/// One row a region: tile values, interval activities or base scores. A missing value is NaN.
#[derive(Clone, Debug, PartialEq)]
pub struct RegionTable {
    /// The regions.
    pub regions: Names,
    /// Values a region.
    pub columns: usize,
    /// Values, `[region][column]`.
    pub values: Vec<f64>,
}

impl RegionTable {
    /// The rows.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = &[f64]> + DoubleEndedIterator {
        // A table without columns has no rows either: `chunks` must not be given 0.
        self.values.chunks(self.columns.max(1))
    }

    /// Arranges tile values by region and position. A position without a row, or whose value is
    /// NaN, is missing.
    pub fn from_tiles(layout: &TileLayout, values: &[f64], tiles: usize) -> Self {
        let mut table = vec![f64::NAN; layout.regions.len() * tiles];
        for ((&region, &tile), &value) in layout.region.iter().zip(&layout.tile).zip(values) {
            table[region as usize * tiles + tile as usize] = value;
        }
        Self {
            regions: layout.regions.clone(),
            columns: tiles,
            values: table,
        }
    }

    /// Mean and population variance of the values present, and how many they are; `None` when
    /// there are none.
    pub fn moments(&self) -> Option<(f64, f64, usize)> {
        let present = || self.values.iter().filter(|v| !v.is_nan());
        let count = present().count();
        if count == 0 {
            return None;
        }
        let mean = present().sum::<f64>() / count as f64;
        let variance = present().map(|v| (v - mean) * (v - mean)).sum::<f64>() / count as f64;
        Some((mean, variance, count))
    }
}

/// What is subtracted from a tile table before inference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Recentre {
    /// Nothing.
    #[default]
    None,
    /// The mean of all values of the table.
    Mean,
    /// The mean of all values at the first and at the last tile position: the flanks of a region
    /// centred on its element stand for no activity.
    Ends,
}

/// Subtracts what `how` says from every value; returns what that was.
///
/// # Errors
/// [`SharprError::NoValues`] when there is no value to take the mean of.
pub fn recentre(table: &mut RegionTable, how: Recentre) -> Result<f64, SharprError> {
    let (sum, count) = {
        let ends: Vec<usize> = match how {
            Recentre::None => return Ok(0.0),
            Recentre::Mean => (0..table.columns).collect(),
            // One tile a region is first and last at once, and counts twice; the mean is the same.
            Recentre::Ends => vec![0, table.columns - 1],
        };
        let chosen = table.rows().flat_map(|row| ends.iter().map(|&c| row[c]));
        chosen
            .filter(|v| !v.is_nan())
            .fold((0.0, 0usize), |(sum, count), v| (sum + v, count + 1))
    };
    if count == 0 {
        return Err(SharprError::NoValues(
            "the tile table, at the positions that --recentre averages".into(),
        ));
    }
    let centre = sum / count as f64;
    for value in &mut table.values {
        *value -= centre;
    }
    Ok(centre)
}
