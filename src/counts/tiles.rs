use std::collections::HashMap;
use std::path::Path;

use super::{CountsError, Names};

/// Where every tile of a table lies: its region and its position in it.
#[derive(Clone, Debug)]
pub struct TileLayout {
    /// Region names in order of first appearance. A region's name is the tile's without the field
    /// that holds the position: `H1hesc_1_0_14_chr20_30310735` lies in `H1hesc_1_0_chr20_30310735`.
    pub regions: Names,
    /// Index into `regions`, one a tile.
    pub region: Vec<u32>,
    /// Position of the tile in its region, from 0, one a tile.
    pub tile: Vec<u32>,
}

/// Reads region and position out of tile names. `index` is the number, from 0, of the field between
/// underscores that holds the position; `tiles` is how many positions a region has at most.
///
/// # Errors
/// At the first name that has no such field, holds something else than a number there or a
/// position of `tiles` or more, and at the second tile with the same region and position.
pub fn lay_out(
    path: &Path,
    ids: &Names,
    index: usize,
    tiles: usize,
) -> Result<TileLayout, CountsError> {
    let mut layout = TileLayout {
        regions: Names::default(),
        region: Vec::with_capacity(ids.len()),
        tile: Vec::with_capacity(ids.len()),
    };
    let mut known: HashMap<String, u32> = HashMap::new();
    let mut name = String::new();
    let mut current: Option<u32> = None;
    // Row that filled each place, to tell duplicates; rows are numbered from 1 here.
    let mut filled: Vec<u32> = Vec::new();
    for (row, id) in ids.iter().enumerate() {
        let fail = |problem: String, expected: String| CountsError::TileName {
            path: path.into(),
            id: id.into(),
            row: row + 1,
            problem,
            expected,
        };
        let Some((before, field, after)) = split_at_field(id, index) else {
            return Err(fail(
                format!(
                    "it has {} field(s) between underscores",
                    id.split('_').count()
                ),
                format!("the tile position in field {index}, counted from 0"),
            ));
        };
        let digits = !field.is_empty() && field.bytes().all(|b| b.is_ascii_digit());
        let tile = field
            .parse::<u32>()
            .ok()
            .filter(|_| digits)
            .ok_or_else(|| {
                fail(
                    format!("field {index} is {field:?}"),
                    "a tile position: a whole number from 0".into(),
                )
            })?;
        if tile as usize >= tiles {
            return Err(fail(
                format!("tile position {tile}"),
                format!("a position from 0 to {}", tiles.saturating_sub(1)),
            ));
        }
        name.clear();
        name.push_str(before);
        if !before.is_empty() && !after.is_empty() {
            name.push('_');
        }
        name.push_str(after);
        if name.is_empty() {
            return Err(fail(
                "nothing is left of it without the tile position".into(),
                "a region's name beside the position".into(),
            ));
        }
        // Tiles of a region mostly follow each other.
        let region = match current {
            Some(region) if layout.regions.get(region as usize) == name => region,
            _ => match known.get(&name) {
                Some(&region) => region,
                None => {
                    let region = layout.regions.len() as u32;
                    layout.regions.push(&name);
                    known.insert(name.clone(), region);
                    filled.resize(layout.regions.len() * tiles, 0);
                    region
                }
            },
        };
        current = Some(region);
        let place = &mut filled[region as usize * tiles + tile as usize];
        if *place != 0 {
            return Err(CountsError::Duplicate {
                path: path.into(),
                id: id.into(),
                first: *place as usize,
                second: row + 1,
            });
        }
        *place = row as u32 + 1;
        layout.region.push(region);
        layout.tile.push(tile);
    }
    Ok(layout)
}

/// The text before, in and after a field, without the underscores around the field.
fn split_at_field(id: &str, index: usize) -> Option<(&str, &str, &str)> {
    let mut start = 0;
    for _ in 0..index {
        start += id[start..].find('_')? + 1;
    }
    let end = id[start..].find('_').map_or(id.len(), |at| start + at);
    let before = id[..start].strip_suffix('_').unwrap_or(&id[..start]);
    let after = id.get(end + 1..).unwrap_or("");
    Some((before, &id[start..end], after))
}
