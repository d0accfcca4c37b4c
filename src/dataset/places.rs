use std::collections::HashMap;

use super::{Assay, CoordinateSource, DatasetError, Geometry};
use crate::input::{Place, read_places};

/// The place of every tile, 0-based and half-open; `None` when there are no coordinates at all.
///
/// From region names: they end with chromosome and centre, and a region starts half its length
/// (rounded down) before its centre. From a file: a name is looked up as a tile, then as a region.
/// A region's tile starts `step * position` bases after the region.
///
/// # Errors
/// When the file cannot be read; for the first tile without a place, and the first whose tile or
/// region has another length than the design says.
pub fn place_tiles(
    assay: &Assay,
    source: &CoordinateSource,
    geometry: Geometry,
) -> Result<Option<Vec<Place>>, DatasetError> {
    let in_names = || {
        let first = assay.layout.regions.iter().next();
        first.is_some_and(|name| from_name(name, geometry).is_some())
    };
    let places: HashMap<String, Place> = match source {
        CoordinateSource::None => return Ok(None),
        CoordinateSource::Auto if !in_names() => return Ok(None),
        CoordinateSource::Auto | CoordinateSource::RegionName => {
            let mut places = HashMap::new();
            for name in assay.layout.regions.iter() {
                let place = from_name(name, geometry).ok_or_else(|| DatasetError::Tile {
                    id: name.into(),
                    problem: "the region's name does not end with chromosome and centre, as in chr20_30310735; --coords FILE gives coordinates".into(),
                })?;
                places.insert(name.to_owned(), place);
            }
            places
        }
        CoordinateSource::File(path) => read_places(path)?,
    };
    let mut placed = Vec::with_capacity(assay.tiles.len());
    for (row, id) in assay.tiles.iter().enumerate() {
        let fail = |problem: String| DatasetError::Tile {
            id: id.into(),
            problem,
        };
        let region = assay.layout.regions.get(assay.layout.region[row] as usize);
        let (place, offset, length) = if let Some(place) = places.get(id) {
            (place, 0, geometry.tile)
        } else if let Some(place) = places.get(region) {
            let offset = assay.layout.tile[row] * geometry.step;
            (place, offset, geometry.region_len())
        } else {
            return Err(fail(
                "neither it nor its region is in the coordinates".into(),
            ));
        };
        if place.end - place.start != length {
            return Err(fail(format!(
                "{}:{}-{} has {} bases; --tile, --step and --tiles make {length}",
                place.chrom,
                place.start,
                place.end,
                place.end - place.start
            )));
        }
        let start = place.start + offset;
        placed.push(Place {
            chrom: place.chrom.clone(),
            start,
            end: start + geometry.tile,
        });
    }
    Ok(Some(placed))
}

/// `.._chr20_30310735`: the region is centred there.
fn from_name(name: &str, geometry: Geometry) -> Option<Place> {
    let (rest, centre) = name.rsplit_once('_')?;
    let chrom = rest.rsplit_once('_').map_or(rest, |(_, chrom)| chrom);
    let centre: u32 = centre.parse().ok()?;
    let start = centre.checked_sub(geometry.region_len() / 2)?;
    let end = start.checked_add(geometry.region_len())?;
    (chrom.starts_with("chr") && chrom.len() > 3 && end <= i32::MAX as u32).then(|| Place {
        chrom: chrom.into(),
        start,
        end,
    })
}
