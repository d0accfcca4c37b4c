/// A motif: shares of A, C, G, T, column by column.
#[derive(Clone, Debug, PartialEq)]
pub struct Motif {
    /// Identifier.
    pub name: String,
    /// Second name, empty where there is none.
    pub other_name: String,
    /// `[column][base]`.
    pub frequencies: Vec<[f64; 4]>,
    /// Words it was made from.
    pub sites: u64,
}
