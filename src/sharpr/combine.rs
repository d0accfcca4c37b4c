use super::{RegionTable, SharprError};

/// The mean of several replicates' tables, value by value. `names` are the tables' names for
/// messages.
///
/// # Errors
/// [`SharprError::Regions`] when the tables do not list the same regions in the same order,
/// [`SharprError::Setting`] when there is none or their columns differ in number.
pub fn average(tables: &[RegionTable], names: &[String]) -> Result<RegionTable, SharprError> {
    let Some((first, others)) = tables.split_first() else {
        return Err(SharprError::Setting("no table to average".into()));
    };
    let mut mean = first.clone();
    for (i, table) in others.iter().enumerate() {
        same_regions(first, table, &names[0], &names[i + 1])?;
        for (sum, value) in mean.values.iter_mut().zip(&table.values) {
            *sum += value;
        }
    }
    for value in &mut mean.values {
        *value /= tables.len() as f64;
    }
    Ok(mean)
}

/// Joins the scores of a small and of a large prior variance: zero where their signs differ,
/// otherwise the one nearer zero. The order of the two does not matter.
///
/// # Errors
/// [`SharprError::Regions`] or [`SharprError::Setting`] when the tables do not fit together.
pub fn combine(a: &RegionTable, b: &RegionTable) -> Result<RegionTable, SharprError> {
    let name = |n: &str| format!("the mean over replicates of the {n} prior variance");
    same_regions(a, b, &name("first"), &name("second"))?;
    let nearer = |(&a, &b): (&f64, &f64)| {
        if a >= 0.0 && b >= 0.0 {
            a.min(b)
        } else if a <= 0.0 && b <= 0.0 {
            a.max(b)
        } else {
            0.0
        }
    };
    Ok(RegionTable {
        regions: a.regions.clone(),
        columns: a.columns,
        values: a.values.iter().zip(&b.values).map(nearer).collect(),
    })
}

fn same_regions(
    a: &RegionTable,
    b: &RegionTable,
    a_name: &str,
    b_name: &str,
) -> Result<(), SharprError> {
    if a.regions != b.regions {
        let row = a
            .regions
            .iter()
            .zip(b.regions.iter())
            .take_while(|(a, b)| a == b)
            .count();
        let at = |table: &RegionTable| {
            if row < table.regions.len() {
                table.regions.get(row).to_owned()
            } else {
                format!("(end of table after {} regions)", table.regions.len())
            }
        };
        return Err(SharprError::Regions {
            first: a_name.into(),
            second: b_name.into(),
            row: row + 1,
            first_id: at(a),
            second_id: at(b),
        });
    }
    if a.columns != b.columns {
        return Err(SharprError::Setting(format!(
            "{a_name} has {} columns, {b_name} has {}",
            a.columns, b.columns
        )));
    }
    Ok(())
}
