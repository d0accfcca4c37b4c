use std::path::Path;

use super::LabelledError;
use super::table::{Cells, Table};
use crate::input::columns::{Kind, ParquetFile};

/// Columns of text and numbers; others are passed over.
pub(super) fn read(path: &Path) -> Result<Table, LabelledError> {
    let file = ParquetFile::open(path)?;
    let tile = (file.metadata("mpra_score.input"))
        .and_then(|input| serde_json::from_str::<serde_json::Value>(input).ok())
        .and_then(|input| input["tile"].as_u64())
        .map(|tile| tile as usize);
    let kinds: Vec<(String, Kind)> = file.columns().map(|(n, k)| (n.to_owned(), k)).collect();
    let named = |kind: Kind| -> Vec<&str> {
        let columns = kinds.iter().filter(|c| c.1 == kind);
        columns.map(|c| c.0.as_str()).collect()
    };
    let (text_names, number_names) = (named(Kind::Text), named(Kind::Numbers));
    let mut texts = vec![Vec::new(); text_names.len()];
    let mut numbers = vec![Vec::new(); number_names.len()];
    for batch in file.batches(&text_names, &number_names)? {
        let batch = batch?;
        for (cells, more) in texts.iter_mut().zip(&batch.texts) {
            cells.extend(more.iter().map(|cell| cell.map(str::to_owned)));
        }
        for (cells, more) in numbers.iter_mut().zip(&batch.numbers) {
            cells.extend(more);
        }
    }
    // In the order of the file.
    let (mut texts, mut numbers) = (texts.into_iter(), numbers.into_iter());
    let columns = (kinds.into_iter()).filter_map(|(name, kind)| {
        let cells = match kind {
            Kind::Text => Cells::Text(texts.next()?),
            Kind::Numbers => Cells::Numbers(numbers.next()?),
        };
        Some((name, cells))
    });
    Ok(Table {
        path: path.into(),
        columns: columns.collect(),
        tile,
        skipped: Vec::new(),
    })
}
