//! Whether variants and FASTA are of one build, by what their headers say.

use crate::genome::{Aliases, BUILDS, Build, Contigs, grouped};
use crate::vcf::Header;

/// What tells that the variants are of another build than the FASTA.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Told {
    pub text: String,
    /// Whether both builds are known.
    pub sure: bool,
}

/// Compares the header's contigs and its reference with the FASTA. `name`: the variants' file.
pub(super) fn differs(
    name: &str,
    header: Option<&Header>,
    (contigs, aliases): (&Contigs, &Aliases),
) -> Option<Told> {
    let header = header?;
    let (fasta, of_fasta) = match Build::of_contigs(pairs(contigs)) {
        Some((build, _)) => (Some(build), build.name),
        None => (None, ""),
    };
    let theirs = Build::of_contigs(header.contigs())
        .map(|(build, (contig, length))| {
            let has = format!("its header's {contig} has {} bases", grouped(length));
            (build, has)
        })
        .or_else(|| named(header));
    if let (Some(fasta), Some((build, why))) = (fasta, theirs) {
        let chain = build.chain_to(fasta);
        return (build != fasta).then(|| Told {
            text: format!(
                "{name} is of {} ({why}), the FASTA of {of_fasta}: --liftover {chain}",
                build.name
            ),
            sure: true,
        });
    }
    let other = header.contigs().find_map(|(contig, length)| {
        let ours = contigs.get(aliases.resolve(contig, contigs)?).length;
        (ours != length).then_some((contig, length, ours))
    });
    other.map(|(contig, length, ours)| Told {
        text: format!(
            "the header of {name} gives {contig} {} bases, the FASTA {}: they are of different builds; --liftover CHAIN leads from one to the other",
            grouped(length),
            grouped(ours)
        ),
        sure: false,
    })
}

/// The same of a table, which seldom says its build (`told`): where it does not, what would lead to the FASTA's.
pub(super) fn of_table(
    name: &str,
    told: Option<(&'static Build, String)>,
    contigs: &Contigs,
) -> Option<String> {
    let (fasta, _) = Build::of_contigs(pairs(contigs))?;
    match told {
        Some((build, why)) => (build != fasta).then(|| {
            format!(
                "{name} is of {} ({why}), the FASTA of {}: --liftover {}",
                build.name,
                fasta.name,
                build.chain_to(fasta)
            )
        }),
        None => {
            let other = BUILDS.iter().find(|b| *b != fasta);
            other.map(|other| {
                format!(
                    "the FASTA is of {}; if {name} is of {}: --liftover {}",
                    fasta.name,
                    other.name,
                    other.chain_to(fasta)
                )
            })
        }
    }
}

fn pairs(contigs: &Contigs) -> impl Iterator<Item = (&str, u32)> {
    contigs.iter().map(|c| (c.name.as_str(), c.length))
}

/// The build that a line of the header names: `##reference`, or an `assembly` of a contig.
fn named(header: &Header) -> Option<(&'static Build, String)> {
    header.lines.iter().find_map(|line| {
        let text = std::str::from_utf8(line).ok()?;
        let says = match text.strip_prefix("##reference=") {
            Some(reference) => reference,
            None => {
                let contig = text.strip_prefix("##contig=<")?;
                let at = contig.find("assembly=")?;
                contig[at..].split([',', '>']).next()?
            }
        };
        let build = Build::named(says)?;
        Some((build, format!("its header says {says}")))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::genome::Contig;

    fn told(lines: &[&str], contigs: &[(&str, u32)]) -> Option<(String, bool)> {
        let mut header = Header::new(std::iter::empty());
        (header.lines).extend(lines.iter().map(|l| l.as_bytes().to_vec()));
        let contig = |&(name, length): &(&str, u32)| Contig {
            name: name.into(),
            length,
        };
        let contigs = Contigs::new(contigs.iter().map(contig).collect()).unwrap();
        let told = differs("in.vcf", Some(&header), (&contigs, &Aliases::UcscEnsembl));
        told.map(|t| (t.text, t.sure))
    }

    #[test]
    fn tables_may_be_of_another_build() {
        let contigs = |length| {
            let name = "chr1".into();
            Contigs::new(vec![Contig { name, length }]).unwrap()
        };
        let hg19 = contigs(249_250_621);
        let of = |name: &str| Build::named(name).map(|b| (b, "by its name".to_owned()));
        assert_eq!(
            of_table("t.tsv", of("b38"), &hg19).unwrap(),
            "t.tsv is of hg38 (by its name), the FASTA of hg19: --liftover hg38ToHg19.over.chain.gz"
        );
        assert_eq!(of_table("t.tsv", of("b37"), &hg19), None);
        assert_eq!(
            of_table("t.tsv", None, &hg19).unwrap(),
            "the FASTA is of hg19; if t.tsv is of hg38: --liftover hg38ToHg19.over.chain.gz"
        );
        assert_eq!(of_table("t.tsv", None, &contigs(500)), None);
    }

    #[test]
    fn headers_tell_of_builds() {
        let hg19 = [("chr1", 249_250_621)];
        let hg38 = "##contig=<ID=1,length=248956422>";
        let text = "in.vcf is of hg38 (its header's 1 has 248,956,422 bases), the FASTA of hg19: --liftover hg38ToHg19.over.chain.gz";
        assert_eq!(told(&[hg38], &hg19), Some((text.into(), true)));
        assert_eq!(told(&[hg38], &[("chr1", 248_956_422)]), None);
        let named = told(&["##reference=file:///GRCh38.fa"], &hg19).unwrap();
        assert!(named.0.contains("its header says file:///GRCh38.fa") && named.1);
        let contig = "##contig=<ID=1,assembly=b38,species=\"h\">";
        assert!(told(&[contig], &hg19).unwrap().0.contains("assembly=b38)"));
        assert_eq!(told(&["##reference=b37"], &hg19), None);
        // A genome that is not known.
        let (text, sure) = told(&["##contig=<ID=2,length=5000>"], &[("chr2", 4_000)]).unwrap();
        assert!(text.contains("gives 2 5,000 bases, the FASTA 4,000") && !sure);
        assert_eq!(
            told(&["##contig=<ID=2,length=4000>"], &[("chr2", 4_000)]),
            None
        );
        assert_eq!(told(&["##contig=<ID=2>"], &[("chr2", 4_000)]), None);
    }
}
