//! Names of the INFO fields that this program writes.

/// Names of the INFO fields.
#[derive(Clone, Debug)]
pub(super) struct Fields {
    pub effects: Vec<String>,
    /// Empty without an ensemble.
    pub spreads: Vec<String>,
    /// Empty without a background.
    pub p: Vec<String>,
    pub most: String,
    pub skip: String,
}

impl Fields {
    /// Names for tasks. INFO keys have only letters, digits, `_` and `.`; other letters become
    /// `_`, and names that would be equal get a number.
    pub fn new(tasks: &[String], ensemble: bool, background: bool) -> Self {
        let mut taken = vec!["MPRA_MAX".to_owned(), "MPRA_SKIP".to_owned()];
        let mut unique = |prefix: &str, task: &str| {
            let sound = |c: char| match c.is_ascii_alphanumeric() || "_.".contains(c) {
                true => c,
                false => '_',
            };
            let name: String = format!("{prefix}{task}").chars().map(sound).collect();
            let mut candidate = name.clone();
            let mut number = 1;
            while taken.contains(&candidate) {
                number += 1;
                candidate = format!("{name}_{number}");
            }
            taken.push(candidate.clone());
            candidate
        };
        let mut of_tasks = |prefix: &str, wanted: bool| -> Vec<String> {
            let tasks = tasks.iter().filter(|_| wanted);
            tasks.map(|task| unique(prefix, task)).collect()
        };
        let effects = of_tasks("MPRA_", true);
        let p = of_tasks("MPRA_P_", background);
        let spreads = of_tasks("MPRA_SPREAD_", ensemble);
        Self {
            effects,
            spreads,
            p,
            most: "MPRA_MAX".into(),
            skip: "MPRA_SKIP".into(),
        }
    }

    /// All of them.
    pub fn all(&self) -> Vec<String> {
        let single = [&self.most, &self.skip];
        (self
            .effects
            .iter()
            .chain(&self.spreads)
            .chain(&self.p)
            .chain(single))
        .cloned()
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_fields() {
        let names = |tasks: &[&str]| {
            let tasks: Vec<String> = tasks.iter().map(|t| (*t).to_owned()).collect();
            Fields::new(&tasks, false, true).all()
        };
        assert_eq!(
            names(&["a+b", "a-b", "MAX"]),
            [
                "MPRA_a_b",
                "MPRA_a_b_2",
                "MPRA_MAX_2",
                "MPRA_P_a_b",
                "MPRA_P_a_b_2",
                "MPRA_P_MAX",
                "MPRA_MAX",
                "MPRA_SKIP"
            ]
        );
        assert_eq!(names(&["x", "P_x"])[..2], ["MPRA_x", "MPRA_P_x"]);
        assert_eq!(names(&["x", "P_x"])[2..4], ["MPRA_P_x_2", "MPRA_P_P_x"]);
    }
}
