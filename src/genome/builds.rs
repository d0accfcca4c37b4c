//! Builds of the human genome, told apart by the lengths of their chromosomes.

/// A build.
#[derive(Debug, PartialEq, Eq)]
pub struct Build {
    /// UCSC's name.
    pub name: &'static str,
    /// What else it is called: its beginning, as it stands in headers of VCFs.
    aliases: &'static [&'static str],
    /// Lengths of chromosomes 1 to 22, X and Y. (Their M have 16,571 and 16,569 bases; other FASTAs of
    /// hg19 have the latter, too.)
    lengths: [u32; 24],
}

/// The builds that are known.
pub static BUILDS: [Build; 2] = [
    Build {
        name: "hg19",
        aliases: &["hg19", "GRCh37", "b37", "hs37"],
        lengths: [
            249_250_621,
            243_199_373,
            198_022_430,
            191_154_276,
            180_915_260,
            171_115_067,
            159_138_663,
            146_364_022,
            141_213_431,
            135_534_747,
            135_006_516,
            133_851_895,
            115_169_878,
            107_349_540,
            102_531_392,
            90_354_753,
            81_195_210,
            78_077_248,
            59_128_983,
            63_025_520,
            48_129_895,
            51_304_566,
            155_270_560,
            59_373_566,
        ],
    },
    Build {
        name: "hg38",
        aliases: &["hg38", "GRCh38", "b38", "hs38"],
        lengths: [
            248_956_422,
            242_193_529,
            198_295_559,
            190_214_555,
            181_538_259,
            170_805_979,
            159_345_973,
            145_138_636,
            138_394_717,
            133_797_422,
            135_086_622,
            133_275_309,
            114_364_328,
            107_043_718,
            101_991_189,
            90_338_345,
            83_257_441,
            80_373_285,
            58_617_616,
            64_444_167,
            46_709_983,
            50_818_468,
            156_040_895,
            57_227_415,
        ],
    },
];

/// Place of a chromosome among the lengths.
fn chromosome(contig: &str) -> Option<usize> {
    match contig.strip_prefix("chr").unwrap_or(contig) {
        "X" => Some(22),
        "Y" => Some(23),
        number => (number.parse::<usize>().ok())
            .filter(|n| (1..=22).contains(n))
            .map(|n| n - 1),
    }
}

impl Build {
    /// The length of a chromosome, with or without `chr`.
    pub fn length(&self, contig: &str) -> Option<u32> {
        chromosome(contig).map(|at| self.lengths[at])
    }

    /// The build that has a chromosome of this length.
    pub fn of_contig(contig: &str, length: u32) -> Option<&'static Self> {
        BUILDS.iter().find(|b| b.length(contig) == Some(length))
    }

    /// The build of contigs, by the first of them whose length tells, and that contig; `None` also
    /// where the lengths of two builds are among them.
    pub fn of_contigs<'c>(
        contigs: impl IntoIterator<Item = (&'c str, u32)>,
    ) -> Option<(&'static Self, (&'c str, u32))> {
        let mut known = contigs
            .into_iter()
            .filter_map(|(name, length)| Some((Self::of_contig(name, length)?, (name, length))));
        let first = known.next()?;
        known.all(|(build, _)| build == first.0).then_some(first)
    }

    /// The build that a text names: that of a header's `##reference`, a file's name.
    pub fn named(text: &str) -> Option<&'static Self> {
        let text = text.to_ascii_lowercase();
        let mut named = BUILDS.iter().filter(|build| {
            let mut names = build.aliases.iter();
            names.any(|name| text.contains(&name.to_ascii_lowercase()))
        });
        let first = named.next()?;
        named.next().is_none().then_some(first)
    }

    /// UCSC's chain file from this build to another.
    pub fn chain_to(&self, to: &Self) -> String {
        let (first, rest) = to.name.split_at(1);
        format!(
            "{}To{}{rest}.over.chain.gz",
            self.name,
            first.to_uppercase()
        )
    }

    /// What explains that something on a contig of `length` bases reaches to `end`, if another build
    /// does.
    pub fn reaching(contig: &str, length: u32, end: u32) -> Option<String> {
        let fasta = Self::of_contig(contig, length)?;
        let other = BUILDS.iter().filter(|b| *b != fasta);
        let (build, longer) = other
            .filter_map(|b| Some((b, b.length(contig)?)))
            .find(|(_, longer)| end <= *longer)?;
        Some(format!(
            "the FASTA is of {}; in {} {contig} has {} bases: if this is of {1}, --liftover {}",
            fasta.name,
            build.name,
            grouped(longer),
            build.chain_to(fasta)
        ))
    }
}

/// A number with commas: `248,956,422`.
pub fn grouped(number: impl Into<u64>) -> String {
    let digits = number.into().to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_tell_builds_apart() {
        for (at, length) in BUILDS[0].lengths.iter().enumerate() {
            assert_ne!(*length, BUILDS[1].lengths[at]);
        }
        let name = |contigs: &[(&'static str, u32)]| {
            let found = Build::of_contigs(contigs.iter().copied());
            found.map(|(build, contig)| (build.name, contig.0))
        };
        let (hg19, hg38) = (("1", 249_250_621), ("chr1", 248_956_422));
        assert_eq!(name(&[("x", 5), ("chr2", 7), hg19]), Some(("hg19", "1")));
        assert_eq!(name(&[hg38, ("chrX", 156_040_895)]), Some(("hg38", "chr1")));
        assert_eq!(name(&[hg19, hg38]), None);
        assert_eq!(name(&[("chr23", 249_250_621)]), None);
    }

    #[test]
    fn names_tell_builds_apart() {
        let name = |text| Build::named(text).map(|b| b.name);
        assert_eq!(name("file:///ref/Homo_sapiens.GRCh38.dna.fa"), Some("hg38"));
        assert_eq!(name("GRCh37.p13"), Some("hg19"));
        assert_eq!(name("hs37d5.fa"), Some("hg19"));
        assert_eq!(name("hg19ToHg38"), None);
        assert_eq!(name("genome.fa"), None);
    }

    #[test]
    fn the_other_build_explains_what_reaches_too_far() {
        let text = Build::reaching("chr19", 58_617_616, 58_700_000).unwrap();
        assert_eq!(
            text,
            "the FASTA is of hg38; in hg19 chr19 has 59,128,983 bases: if this is of hg19, \
             --liftover hg19ToHg38.over.chain.gz"
        );
        assert_eq!(Build::reaching("chr19", 58_617_616, 60_000_000), None);
        assert_eq!(Build::reaching("chr19", 58_617_615, 58_700_000), None);
        assert_eq!(grouped(1_000u32), "1,000");
        assert_eq!(grouped(999u32), "999");
    }
}
