mod tables;

use std::path::Path;

use super::*;
use crate::Error;
use crate::counts::{Names, lay_out};
use crate::job::Cancel;

fn run(config: &Config) -> Result<Summary, Error> {
    super::run(config, &Cancel::default())
}

/// A small generator of numbers from 0 to 1, so that tests need no crate and never vary.
struct Random(u64);

impl Random {
    fn unit(&mut self) -> f64 {
        self.0 = self
            .0
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        (self.0 >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Sum of twelve uniforms: near enough to a standard normal.
    fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.unit()).sum::<f64>() - 6.0
    }
}

fn names(count: usize) -> Names {
    let names: Vec<String> = (0..count).map(|i| format!("r{i}")).collect();
    names.iter().map(String::as_str).collect()
}

fn random_table(regions: usize, tiles: usize, missing: f64, seed: u64) -> RegionTable {
    let mut random = Random(seed);
    let values = (0..regions * tiles)
        .map(|_| {
            let value = 2.0 * random.normal() - 0.5;
            if random.unit() < missing {
                f64::NAN
            } else {
                value
            }
        })
        .collect();
    RegionTable {
        regions: names(regions),
        columns: tiles,
        values,
    }
}

/// Solves a dense system by Gauss-Jordan elimination with pivoting.
fn solve(mut a: Vec<Vec<f64>>, mut b: Vec<f64>) -> Vec<f64> {
    let n = b.len();
    for c in 0..n {
        let pivot = (c..n)
            .max_by(|&i, &j| a[i][c].abs().total_cmp(&a[j][c].abs()))
            .unwrap();
        a.swap(c, pivot);
        b.swap(c, pivot);
        for i in 0..n {
            if i != c {
                let factor = a[i][c] / a[c][c];
                let row = a[c].clone();
                a[i].iter_mut()
                    .zip(&row)
                    .for_each(|(x, y)| *x -= factor * y);
                b[i] -= factor * b[c];
            }
        }
    }
    (0..n).map(|i| b[i] / a[i][i]).collect()
}

/// The brute-force twin: the posterior mean from the joint density written as a precision matrix over
/// the hidden activities, `(I/v + W'W/s2) (A - mu) = W'(y - mu)/s2`, W the present tiles' averages.
/// It shares neither formula nor solver with `posterior_means`, which conditions in the space of tiles.
fn brute_force(table: &RegionTable, design: Design, v: f64) -> Vec<f64> {
    let present: Vec<f64> = table
        .values
        .iter()
        .copied()
        .filter(|v| !v.is_nan())
        .collect();
    let n = present.len() as f64;
    let mu = present.iter().sum::<f64>() / n;
    let s2 = present.iter().map(|y| (y - mu).powi(2)).sum::<f64>() / n;
    let (k, intervals) = (design.intervals_per_tile(), design.intervals());
    let mut all = Vec::new();
    for row in table.rows() {
        let mut precision = vec![vec![0.0; intervals]; intervals];
        let mut right = vec![0.0; intervals];
        for (j, line) in precision.iter_mut().enumerate() {
            line[j] = 1.0 / v;
        }
        for (tile, y) in row.iter().enumerate().filter(|(_, y)| !y.is_nan()) {
            for i in tile..tile + k {
                for entry in &mut precision[i][tile..tile + k] {
                    *entry += 1.0 / (k * k) as f64 / s2;
                }
                right[i] += (y - mu) / k as f64 / s2;
            }
        }
        all.extend(solve(precision, right).into_iter().map(|a| a + mu));
    }
    all
}

fn close(a: &[f64], b: &[f64], tolerance: f64) {
    assert_eq!(a.len(), b.len());
    for (i, (a, b)) in a.iter().zip(b).enumerate() {
        assert!((a - b).abs() <= tolerance, "at {i}: {a} and {b}");
    }
}

#[test]
fn posterior_means_are_those_of_dense_conditioning() {
    for (tile, step, tiles, missing) in [
        (145, 5, 31, 0.5),
        (145, 5, 31, 0.0),
        (20, 5, 7, 0.3),
        (6, 6, 5, 0.3),
        (12, 3, 1, 0.2),
        (7, 1, 12, 0.9),
    ] {
        let design = Design::new(tile, step, tiles).unwrap();
        let table = random_table(12, tiles, missing, 11);
        for v in [1.0, 50.0] {
            let found = posterior_means(&table, design, v, "t").unwrap();
            assert_eq!(found.columns, design.intervals());
            close(&found.values, &brute_force(&table, design, v), 1e-9);
        }
    }
}

#[test]
fn one_tile_has_a_closed_form() {
    // Regions of one tile: K = s2 + v / k, A_j = mu + v / k * (y - mu) / K.
    let design = Design::new(10, 5, 1).unwrap();
    let table = RegionTable {
        regions: names(3),
        columns: 1,
        values: vec![1.0, 5.0, f64::NAN],
    };
    let found = posterior_means(&table, design, 3.0, "t").unwrap();
    let shrink = 1.5 / (4.0 + 1.5);
    let (low, high) = (3.0 - 2.0 * shrink, 3.0 + 2.0 * shrink);
    // The third region has no tile: mu.
    close(&found.values, &[low, low, high, high, 3.0, 3.0], 1e-14);
}

#[test]
fn inference_is_linear_reversible_and_regardless_of_order() {
    let design = Design::new(30, 5, 8).unwrap();
    let table = random_table(20, 8, 0.4, 5);
    let found = infer(&table, design, 50.0, "t").unwrap();
    let (mean, variance, _) = found.moments().unwrap();
    assert!(mean.abs() < 1e-12 && (variance - 1.0).abs() < 1e-12);

    // Linear: a shift of the data shifts the posterior means, a factor c scales them when the prior
    // variance is scaled by c^2 as s2 is. Standardised scores change in neither case.
    let mut other = table.clone();
    other.values.iter_mut().for_each(|v| *v = 3.0 * *v - 7.0);
    let raw = posterior_means(&table, design, 2.0, "t").unwrap();
    let scaled = posterior_means(&other, design, 18.0, "t").unwrap();
    let expected: Vec<f64> = raw.values.iter().map(|a| 3.0 * a - 7.0).collect();
    close(&scaled.values, &expected, 1e-10);

    // Linear also as a sum: y1, y2 and y1 + y2 in one table, with their negatives so that mu is 0.
    let mut sums = Vec::new();
    for (y1, y2) in table.rows().zip(table.rows().skip(1)) {
        let sum: Vec<f64> = y1.iter().zip(y2).map(|(a, b)| a + b).collect();
        // All three with the pattern of the sum.
        let fit =
            |y: &[f64]| -> Vec<f64> { y.iter().zip(&sum).map(|(y, s)| y + 0.0 * s).collect() };
        for sign in [1.0, -1.0] {
            for y in [fit(y1), fit(y2), sum.clone()] {
                sums.extend(y.iter().map(|y| sign * y));
            }
        }
    }
    let summed = RegionTable {
        regions: names(sums.len() / 8),
        columns: 8,
        values: sums,
    };
    let means = posterior_means(&summed, design, 2.0, "t").unwrap();
    let rows: Vec<&[f64]> = means.rows().collect();
    for three in rows.chunks(3) {
        let sum: Vec<f64> = three[0].iter().zip(three[1]).map(|(a, b)| a + b).collect();
        close(&sum, three[2], 1e-12);
    }

    let mut reversed = table.clone();
    for row in reversed.values.chunks_mut(8) {
        row.reverse();
    }
    let mut back = infer(&reversed, design, 50.0, "t").unwrap();
    for row in back.values.chunks_mut(design.intervals()) {
        row.reverse();
    }
    close(&back.values, &found.values, 1e-10);

    let mut upside_down = table.clone();
    upside_down.values = table.rows().rev().flatten().copied().collect();
    let turned = infer(&upside_down, design, 50.0, "t").unwrap();
    let back: Vec<f64> = turned.rows().rev().flatten().copied().collect();
    close(&back, &found.values, 1e-11);
}

#[test]
fn planted_activities_are_recovered() {
    let design = Design::new(145, 5, 31).unwrap();
    let (k, intervals) = (design.intervals_per_tile(), design.intervals());
    let mut random = Random(3);
    let mut table = random_table(300, 31, 0.0, 1);
    let mut planted = Vec::new();
    for row in table.values.chunks_mut(31) {
        // Smooth bumps, as binding sites are wider than a step.
        let mut hidden = vec![0.0; intervals];
        for _ in 0..3 {
            let (centre, height) = (random.unit() * 59.0, 4.0 * random.normal());
            for (j, a) in hidden.iter_mut().enumerate() {
                *a += height * (-((j as f64 - centre) / 4.0).powi(2)).exp();
            }
        }
        for (tile, value) in row.iter_mut().enumerate() {
            let mean = hidden[tile..tile + k].iter().sum::<f64>() / k as f64;
            *value = mean + 0.1 * random.normal();
        }
        planted.extend(hidden);
    }
    let scores = [1.0, 50.0].map(|v| infer(&table, design, v, "t").unwrap());
    let combined = combine(&scores[0], &scores[1]).unwrap();
    let r = crate::stats::pearson(&combined.values, &planted);
    assert!(r > 0.6, "{r}");
}

#[test]
fn tables_without_information_are_errors() {
    let design = Design::new(10, 5, 2).unwrap();
    let with = |values: Vec<f64>| RegionTable {
        regions: names(values.len() / 2),
        columns: 2,
        values,
    };
    let error = infer(&with(vec![f64::NAN; 4]), design, 1.0, "x").unwrap_err();
    assert!(matches!(error, SharprError::NoValues(_)), "{error}");
    for value in [1.0, 0.1] {
        let error = infer(&with(vec![value; 6]), design, 1.0, "x").unwrap_err();
        assert!(matches!(error, SharprError::NoVariance(_)), "{error}");
    }
    for v in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        let error = infer(&with(vec![1.0, 2.0]), design, v, "x").unwrap_err();
        assert!(matches!(error, SharprError::Setting(_)), "{error}");
    }
    let mut empty = with(vec![f64::NAN; 4]);
    assert!(recentre(&mut empty, Recentre::Mean).is_err());
    assert_eq!(recentre(&mut empty, Recentre::None).unwrap(), 0.0);
    for (tile, step, tiles, part) in [
        (145, 30, 9, "the step does not divide the tile"),
        (10, 20, 3, "the step does not divide the tile"),
        (145, 0, 9, "at least 1"),
        (0, 5, 9, "at least 1"),
        (145, 5, 0, "at least 1"),
        (145, 5, 2_000_000, "at most 100,000 bases"),
    ] {
        let error = Design::new(tile, step, tiles).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    }
}

#[test]
fn tile_tables_and_recentring() {
    let ids: Names = ["a_0", "a_2", "b_1", "b_0", "b_2"].into_iter().collect();
    let layout = lay_out(Path::new("t"), &ids, 1, 3).unwrap();
    let mut table = RegionTable::from_tiles(&layout, &[1.0, 2.0, 4.0, f64::NAN, 6.0], 3);
    let shown = |t: &RegionTable| format!("{:?}", t.values);
    assert_eq!(shown(&table), "[1.0, NaN, 2.0, NaN, 4.0, 6.0]");
    // Mean of all: 13 / 4; of the first and last positions: 9 / 3.
    assert_eq!(recentre(&mut table.clone(), Recentre::Mean).unwrap(), 3.25);
    assert_eq!(recentre(&mut table, Recentre::Ends).unwrap(), 3.0);
    assert_eq!(shown(&table), "[-2.0, NaN, -1.0, NaN, 1.0, 3.0]");
}

fn one_row(values: &[f64]) -> RegionTable {
    RegionTable {
        regions: names(1),
        columns: values.len(),
        values: values.to_vec(),
    }
}

#[test]
fn combining_takes_the_nearer_to_zero_of_one_sign() {
    let a = one_row(&[1.0, 2.0, -1.0, -3.0, 1.0, -1.0, 0.0, 5.0]);
    let b = one_row(&[2.0, 1.0, -2.0, -2.0, -1.0, 1.0, 4.0, 0.0]);
    let expected = [1.0, 1.0, -1.0, -2.0, 0.0, 0.0, 0.0, 0.0];
    assert_eq!(combine(&a, &b).unwrap().values, expected);
    assert_eq!(combine(&b, &a).unwrap().values, expected);
    let tables = [a.clone(), b];
    let mean = average(&tables, &["x".into(), "y".into()]).unwrap();
    assert_eq!(mean.values, [1.5, 1.5, -1.5, -2.5, 0.0, 0.0, 2.0, 2.5]);
    let mut other = a.clone();
    other.regions = ["elsewhere"].into_iter().collect();
    let error = average(&[a, other], &["x".into(), "y".into()]).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("row 1: \"r0\" and \"elsewhere\""),
        "{error}"
    );
}

#[test]
fn interpolation_is_exact_at_centres_linear_between_flat_outside() {
    let row = [2.0, -1.0, 4.0];
    let found = interpolate(&one_row(&row), 5).values;
    let third = [-1.0, 0.0, 1.0, 2.0, 3.0, 4.0, 4.0, 4.0];
    close(&found[..7], &[2.0, 2.0, 2.0, 1.4, 0.8, 0.2, -0.4], 1e-15);
    close(&found[7..], &third, 1e-15);
    for (j, value) in row.iter().enumerate() {
        assert_eq!(found[5 * j + 2], *value);
    }
    assert_eq!(interpolate(&one_row(&row), 1).values, row);
    // Even step: the centres lie at 0.5, 2.5 and 4.5.
    let even = interpolate(&one_row(&row), 2).values;
    close(&even, &[2.0, 1.25, -0.25, 0.25, 2.75, 4.0], 1e-15);
    assert_eq!(interpolate(&one_row(&[3.0]), 4).values, [3.0; 4]);
}
