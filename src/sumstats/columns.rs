//! Which columns of a header hold what.

use std::path::Path;

use super::{Role, SumstatsError};

/// The two alleles of a row, as the table has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Alleles<'a> {
    /// The allele whose effect the table gives.
    pub effect: &'a str,
    /// The other one; `None` where the table does not say.
    pub other: Option<&'a str>,
}

/// Where the alleles stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AlleleColumns {
    /// The table has none.
    None,
    /// In columns of their own.
    Two { effect: usize, other: Option<usize> },
    /// PLINK 2: the effect's is one of REF and ALT.
    OneOf { effect: usize, pair: [usize; 2] },
    /// In the cell that names the variant: the last is the effect's.
    Variant,
}

/// The columns that were taken.
#[derive(Clone, Debug)]
pub(super) struct Columns {
    taken: Vec<(Role, usize)>,
    pub alleles: AlleleColumns,
}

impl Columns {
    /// Finds the columns of a header: those that the user names, the others by the names that programs give
    /// them.
    ///
    /// # Errors
    /// When a column that is named is not there, or twice.
    pub fn find(
        path: &Path,
        names: &[String],
        named: &[(Role, String)],
    ) -> Result<Self, SumstatsError> {
        let mut taken = Vec::new();
        for (role, name) in named {
            let mut places = (0..names.len()).filter(|&i| names[i] == *name);
            let Some(first) = places.next() else {
                return Err(SumstatsError::NoColumn {
                    path: path.into(),
                    wanted: format!("{name:?}"),
                    columns: names.to_vec(),
                    role: *role,
                });
            };
            if places.next().is_some() {
                return Err(SumstatsError::TwoColumns {
                    path: path.into(),
                    name: name.clone(),
                });
            }
            taken.push((*role, first));
        }
        let mut columns = Self {
            taken,
            alleles: AlleleColumns::None,
        };
        for role in Role::ALL {
            if columns.at(role).is_none()
                && let Some(at) = usual(names, role)
            {
                columns.taken.push((role, at));
            }
        }
        columns.settle(names, named);
        Ok(columns)
    }

    /// Drops what other columns say better, and finds the alleles.
    fn settle(&mut self, names: &[String], named: &[(Role, String)]) {
        let is_named = |role| named.iter().any(|(r, _)| *r == role);
        if self.at(Role::P).is_some() && !is_named(Role::LogP) {
            self.drop(Role::LogP);
        }
        if self.at(Role::Contig).is_some() && self.at(Role::Position).is_some() {
            if !is_named(Role::Variant) {
                self.drop(Role::Variant);
            }
        } else if self.at(Role::Variant).is_some() {
            self.drop(Role::Contig);
            self.drop(Role::Position);
        }
        // What is called OR is of no odds where there is a beta.
        if self.at(Role::Beta).is_some() && !is_named(Role::OddsRatio) {
            self.drop(Role::OddsRatio);
        }
        let has = |name: &str| names.iter().any(|n| n.eq_ignore_ascii_case(name));
        let find = |name: &str| names.iter().position(|n| n.eq_ignore_ascii_case(name));
        let effect_named = is_named(Role::EffectAllele);
        // SAIGE alone gives the effect of its second allele.
        let saige = has("allele1") && has("allele2") && (has("p.value") || has("markerid"));
        if saige && !effect_named {
            self.put(Role::EffectAllele, find("allele2"));
            if !is_named(Role::OtherAllele) {
                self.put(Role::OtherAllele, find("allele1"));
            }
        }
        let pair = (self.at(Role::Reference)).zip(self.at(Role::Alternative));
        let (effect, other) = (self.at(Role::EffectAllele), self.at(Role::OtherAllele));
        self.alleles = match (effect, other, pair) {
            (Some(effect), Some(other), _) if effect != other => AlleleColumns::Two {
                effect,
                other: Some(other),
            },
            (Some(effect), _, Some((r, a))) => AlleleColumns::OneOf {
                effect,
                pair: [r, a],
            },
            (None, _, Some((other, effect))) => AlleleColumns::Two {
                effect,
                other: Some(other),
            },
            (Some(effect), ..) => AlleleColumns::Two {
                effect,
                other: None,
            },
            (None, ..) if self.at(Role::Variant).is_some() => AlleleColumns::Variant,
            (None, ..) => match usual(names, Role::Variant) {
                // Beside columns of contig and position, for its alleles alone.
                Some(at) => {
                    self.taken.push((Role::Variant, at));
                    AlleleColumns::Variant
                }
                None => AlleleColumns::None,
            },
        };
        match self.alleles {
            AlleleColumns::None | AlleleColumns::Variant => {
                self.drop(Role::OtherAllele);
            }
            AlleleColumns::Two { other, .. } => {
                if other != self.at(Role::OtherAllele) {
                    self.drop(Role::OtherAllele);
                }
                if effect.is_some() {
                    self.drop(Role::Reference);
                    self.drop(Role::Alternative);
                }
            }
            AlleleColumns::OneOf { .. } => self.drop(Role::OtherAllele),
        }
    }

    fn put(&mut self, role: Role, at: Option<usize>) {
        self.drop(role);
        self.taken.extend(at.map(|at| (role, at)));
    }

    fn drop(&mut self, role: Role) {
        self.taken.retain(|(r, _)| *r != role);
    }

    /// The column of a role.
    pub fn at(&self, role: Role) -> Option<usize> {
        self.taken
            .iter()
            .find(|(r, _)| *r == role)
            .map(|(_, at)| *at)
    }

    /// All that were taken, in the order of [`Role::ALL`].
    pub fn taken(&self) -> impl Iterator<Item = (Role, usize)> {
        (Role::ALL.into_iter()).filter_map(|role| Some((role, self.at(role)?)))
    }
}

/// The column that a header has for a role.
fn usual(names: &[String], role: Role) -> Option<usize> {
    (role.names().iter()).find_map(|usual| names.iter().position(|n| n.eq_ignore_ascii_case(usual)))
}

/// Contig, position and alleles of a cell such as `1:1065296:T:C`, `chr1_1065296_T_C`, `1-1065296-T-C` or
/// `chr1:1065296`.
pub(super) fn variant(cell: &str) -> Option<(&str, &str, Option<Alleles<'_>>)> {
    let mut parts = cell.split([':', '_', '-', '/', '>']);
    let (contig, position) = (parts.next()?, parts.next()?);
    let is_number = !position.is_empty() && position.bytes().all(|b| b.is_ascii_digit());
    if contig.is_empty() || !is_number {
        return None;
    }
    let bases =
        |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphabetic() || b == b'*');
    // Names have hyphens, too.
    let named = !cell.contains([':', '_']);
    let alleles = match (parts.next(), parts.next()) {
        (Some(other), Some(effect)) if bases(other) && bases(effect) => Some(Alleles {
            effect,
            other: Some(other),
        }),
        _ if named => return None,
        _ => None,
    };
    Some((contig, position, alleles))
}
