use crate::output::Tsv;
use crate::tracks::format_value;

/// A float of 32 bits as a cell, NA for none.
pub(super) fn put(table: &mut Tsv, value: f32) {
    match value.is_nan() {
        true => table.number(f64::NAN),
        false => table.text(&format_value(value + 0.0).to_string()),
    };
}

/// A p-value or q-value as a cell, with six digits: more would differ between machines.
pub(super) fn put_p(table: &mut Tsv, p: f64) {
    table.number(format!("{p:.5e}").parse().unwrap_or(f64::NAN));
}

/// Names of columns: some, then for each task the same ones.
pub(super) fn header(first: &[&str], tasks: &[String], of_each: &[&str]) -> Tsv {
    let mut names: Vec<String> = first.iter().map(|name| (*name).to_owned()).collect();
    for task in tasks {
        names.extend(of_each.iter().map(|name| format!("{task}.{name}")));
    }
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    Tsv::new(&names)
}
