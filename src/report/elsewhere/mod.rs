//! The tracks of a main job for other programs: a UCSC track hub, an IGV session and batch script, an ini of
//! pyGenomeTracks. All lie beside the tracks and name them relative to themselves, so that the folder can be moved.
//!
//! - Hub: <https://genome.ucsc.edu/goldenPath/help/hgTrackHubHelp.html> and its trackDb pages: names of tracks are letters,
//!   digits and `_`, a letter first, each once; short labels have at most 17 characters, long ones 80.
//! - IGV: the session's DTD version 8, and its batch commands. Its genome is a name of its list or a path to a FASTA.
//! - pyGenomeTracks: a bin without a base is drawn as a gap, and with `negative_color` a bin between two of the other sign is
//!   not drawn at all, so that importance is drawn as two tracks, one over the other.

mod beds;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use self::beds::{Bed, beds};
use super::ReportError;
use super::elements::Element;
use super::table::View;
use super::values::places;
use crate::attribution::OF_BASES;
use crate::genome::Interval;
use crate::output::{OutputError, write_whole};
use crate::stats::quantile;
use crate::tracks::Scores;

/// Colours of tasks, as on the page (Okabe and Ito), and of what represses.
const COLOURS: [[u8; 3]; 8] = [
    [0, 114, 178],
    [213, 94, 0],
    [0, 158, 115],
    [204, 121, 167],
    [86, 180, 233],
    [230, 159, 0],
    [127, 127, 127],
    [184, 168, 0],
];
const REPRESSES: [u8; 3] = [110, 110, 110];

/// Values that limits are taken from, at most.
const SAMPLED: usize = 2_000_000;

/// Bases around a place, on either side.
const AROUND: u32 = 100;

/// A track as other programs have it.
struct Track {
    task: String,
    kind: &'static str,
    file: String,
    colour: [u8; 3],
    /// What is shown, lowest and highest.
    limits: (f64, f64),
}

/// Writes hub, session, script and ini into the folder of the tracks, and regions and elements as bigBed. `view` is
/// `regions.tsv`; `genome` is the other programs' name for the genome (`hg19`), or a FASTA.
///
/// # Errors
/// When a track cannot be read or a file not be written.
pub(super) fn write(
    folder: &Path,
    genome: &str,
    tasks: &[String],
    view: &View,
    elements: &[Element],
) -> Result<Vec<PathBuf>, ReportError> {
    let regions = &places(view)[..];
    let mut tracks = Vec::new();
    for (i, task) in tasks.iter().enumerate() {
        for kind in std::iter::once("activity").chain(OF_BASES) {
            let file = format!("{task}.{kind}.bw");
            let path = folder.join(&file);
            if path.exists() {
                tracks.push(Track {
                    limits: limits(&path, kind, regions)?,
                    task: task.clone(),
                    kind,
                    file,
                    colour: COLOURS[i % COLOURS.len()],
                });
            }
        }
    }
    if tracks.is_empty() {
        let text = "it has no bigWig, which hubs and sessions are made of".to_owned();
        return Err(ReportError::NoResults(folder.into(), text));
    }
    let places: Vec<String> = match elements.is_empty() {
        false => elements
            .iter()
            .take(20)
            .map(|e| around(&e.contig, e.start, e.end))
            .collect(),
        true => regions
            .iter()
            .take(20)
            .map(|(c, b)| around(c, b.start(), b.end()))
            .collect(),
    };
    let (assembly, genome) = genomes(genome);
    let (beds, mut written) = beds(&folder.join(&tracks[0].file), tasks, view, elements)?;
    let files = [
        ("hub.txt", hub(folder)),
        (
            "genomes.txt",
            format!("genome {assembly}\ntrackDb trackDb.txt\n"),
        ),
        ("trackDb.txt", track_db(&tracks, &beds)),
        (
            "igv_session.xml",
            session(&genome, &tracks, &beds, places.first()),
        ),
        ("igv_batch.txt", batch(&places)),
        ("tracks.ini", ini(&tracks)),
    ];
    for (name, text) in files {
        let path = folder.join(name);
        write_whole(&path, text.as_bytes()).map_err(|e: OutputError| e)?;
        written.push(path);
    }
    Ok(written)
}

/// A place with something around it, from 1.
fn around(contig: &str, start: u32, end: u32) -> String {
    let from = start.saturating_sub(AROUND) + 1;
    let to = end.saturating_add(AROUND);
    format!("{}:{from}-{to}", line(contig, 200))
}

/// What of a track is shown: activity from its lowest to its highest thousandth, with 0, importance the same way up and down.
fn limits(
    path: &Path,
    kind: &str,
    regions: &[(String, Interval)],
) -> Result<(f64, f64), ReportError> {
    let scores = Scores::open("", path, None)?;
    let mut reader = scores.reader()?;
    let (mut all, mut values) = (Vec::new(), Vec::new());
    // Every so many, so that all of the genome has a say.
    let step = regions.len().div_ceil(2_000).max(1);
    for (contig, bases) in regions.iter().step_by(step) {
        let Some(id) = scores.contigs.id(contig) else {
            continue;
        };
        let end = bases.end().min(bases.start().saturating_add(20_000));
        let Some(bases) = Interval::new(bases.start(), end) else {
            continue;
        };
        reader.fill(id, bases, &mut values)?;
        all.extend(values.iter().filter(|v| !v.is_nan()).map(|v| f64::from(*v)));
        if all.len() > SAMPLED {
            break;
        }
    }
    all.sort_unstable_by(f64::total_cmp);
    let at = |share: f64| quantile(&all, share).unwrap_or(0.0);
    let (low, high) = (at(0.001), at(0.999));
    // Never -0.
    let round = |v: f64| (v * 10.0).round() / 10.0 + 0.0;
    Ok(match kind {
        "activity" => (
            round(low.min(0.0)),
            round(high.max(0.0).max(low.min(0.0) + 0.1)),
        ),
        _ => {
            let most = round(low.abs().max(high.abs()).max(0.1));
            (-most, most)
        }
    })
}

/// Text on one line, without control characters, of at most so many characters.
fn line(text: &str, most: usize) -> String {
    let sound = |c: char| match c.is_control()
        || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    {
        true => ' ',
        false => c,
    };
    text.chars()
        .map(sound)
        .take(most)
        .collect::<String>()
        .trim()
        .to_owned()
}

/// A name of letters, digits and `_`.
fn name(text: &str) -> String {
    let sound = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    text.chars().map(sound).take(80).collect()
}

/// A track's name, that begins with a letter and that no other has: tasks `a-b` and `a.b` are one name otherwise.
fn unique(own: String, taken: &mut BTreeSet<String>) -> String {
    let own = match own.starts_with(|c: char| c.is_ascii_alphabetic()) {
        true => own,
        false => format!("t{own}"),
    };
    let (mut found, mut n) = (own.clone(), 1);
    while !taken.insert(found.clone()) {
        n += 1;
        found = format!("{own}_{n}");
    }
    found
}

/// What a hub calls the genome (UCSC's `hg19`, an accession such as `GCA_000001405.15`) and what IGV does: the same, or the
/// FASTA's path, which is valid from anywhere.
fn genomes(genome: &str) -> (String, String) {
    let path = Path::new(genome);
    let (assembly, here) = match path.is_file() {
        true => (
            path.file_name().map_or(genome.into(), |n| {
                let name = n.to_string_lossy();
                name.split(".fa").next().unwrap_or_default().to_owned()
            }),
            std::path::absolute(path).map_or(genome.into(), |p| p.to_string_lossy().into_owned()),
        ),
        false => (genome.to_owned(), genome.to_owned()),
    };
    let sound = |c: char| match c.is_ascii_alphanumeric() || "._-".contains(c) {
        true => c,
        false => '_',
    };
    let assembly = assembly.chars().map(sound).take(100).collect();
    (assembly, line(&here, 1_000))
}

/// Text in XML's attributes.
fn attribute(text: &str) -> String {
    line(text, 500)
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&apos;")
}

/// A file's name in an address.
fn address(file: &str) -> String {
    let mut out = String::new();
    for byte in file.bytes() {
        match byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            true => out.push(char::from(byte)),
            // Writing to a string cannot fail.
            false => {
                let _ = write!(out, "%{byte:02X}");
            }
        }
    }
    out
}

fn hub(folder: &Path) -> String {
    let of = folder
        .file_name()
        .map_or_else(String::new, |n| n.to_string_lossy().into_owned());
    format!(
        "hub mpra_score_{}\nshortLabel mpra-score\nlongLabel {}\ngenomesFile genomes.txt\nemail nobody@example.org\n",
        name(&of),
        line(
            &format!("mpra-score: predicted activity and importance, {of}"),
            80
        )
    )
}

/// A cell type's tracks are a super-track: what stands before the first `_` of a task.
fn track_db(tracks: &[Track], beds: &[Bed]) -> String {
    let mut cells: BTreeMap<&str, Vec<&Track>> = BTreeMap::new();
    for track in tracks {
        let cell = track.task.split('_').next().unwrap_or(&track.task);
        cells.entry(cell).or_default().push(track);
    }
    let (mut text, mut taken) = (String::new(), BTreeSet::new());
    for (priority, bed) in beds.iter().enumerate() {
        let _ = write!(
            text,
            "track {}\nbigDataUrl {}\ntype bigBed 6 +\nshortLabel {}\nlongLabel {}\nvisibility pack\nspectrum on\n\
             color 0,0,0\npriority {}\n\n",
            unique(
                format!("mpra_{}", bed.file.trim_end_matches(".bb")),
                &mut taken
            ),
            bed.file,
            bed.short,
            bed.about,
            priority + 1,
        );
    }
    for (cell, tracks) in cells {
        let parent = unique(format!("mpra_{}", name(cell)), &mut taken);
        let _ = write!(
            text,
            "track {parent}\nsuperTrack on show\nshortLabel {}\nlongLabel {}\n\n",
            line(&format!("MPRA {cell}"), 17),
            line(
                &format!("Predicted regulatory activity and importance, {cell}"),
                80
            )
        );
        for track in tracks {
            let (low, high) = track.limits;
            let colour = |c: [u8; 3]| format!("{},{},{}", c[0], c[1], c[2]);
            let short = match track.kind {
                "activity" => "act",
                "importance" => "imp",
                _ => "contr",
            };
            let task = line(&track.task, 12);
            let about = match track.kind {
                "activity" => "predicted activity, log2(RNA/DNA)",
                "importance" => "importance of each base (positive: it drives expression)",
                _ => "contribution of each base (positive: it drives expression)",
            };
            let _ = write!(
                text,
                "track {}\nparent {parent}\nbigDataUrl {}\ntype bigWig {low} {high}\nshortLabel {}\nlongLabel {}\n\
                 visibility full\ncolor {}\naltColor {}\nautoScale off\nviewLimits {low}:{high}\nalwaysZero on\nyLineMark 0\nyLineOnOff on\n\
                 windowingFunction {}\nmaxHeightPixels 100:48:16\npriority {}\n\n",
                unique(format!("{}_{}", name(&track.task), track.kind), &mut taken),
                address(&track.file),
                line(&format!("{task} {short}"), 17),
                line(&format!("{}: {about}", line(&track.task, 24)), 80),
                colour(track.colour),
                colour(match track.kind {
                    "activity" => track.colour,
                    _ => REPRESSES,
                }),
                match track.kind {
                    "activity" => "mean",
                    // What drives and what represses, both, where a pixel has several bases.
                    _ => "mean+whiskers",
                },
                match track.kind {
                    "activity" => 1,
                    _ => 2,
                },
            );
        }
    }
    text
}

fn session(genome: &str, tracks: &[Track], beds: &[Bed], place: Option<&String>) -> String {
    let mut text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"no\"?>\n<Session genome=\"{}\" locus=\"{}\" version=\"8\">\n    <Resources>\n",
        attribute(genome),
        attribute(place.map_or("All", String::as_str)),
    );
    for track in tracks {
        let _ = writeln!(
            text,
            "        <Resource path=\"{}\" type=\"bw\"/>",
            attribute(&track.file)
        );
    }
    for bed in beds {
        let _ = writeln!(
            text,
            "        <Resource path=\"{}\" type=\"bb\"/>",
            bed.file
        );
    }
    text += "    </Resources>\n    <Panel name=\"DataPanel\">\n";
    for track in tracks {
        let [r, g, b] = track.colour;
        let [ar, ag, ab] = match track.kind {
            "activity" => track.colour,
            _ => REPRESSES,
        };
        let (low, high) = track.limits;
        let _ = writeln!(
            text,
            "        <Track id=\"{}\" name=\"{} {}\" color=\"{r},{g},{b}\" altColor=\"{ar},{ag},{ab}\" autoScale=\"false\" height=\"60\" renderer=\"BAR_CHART\" visible=\"true\" windowFunction=\"mean\">\n            \
             <DataRange baseline=\"0.0\" drawBaseline=\"true\" flipAxis=\"false\" minimum=\"{low}\" maximum=\"{high}\" type=\"LINEAR\"/>\n        </Track>",
            attribute(&track.file),
            attribute(&track.task),
            track.kind,
        );
    }
    for bed in beds {
        let _ = writeln!(
            text,
            "        <Track id=\"{0}\" name=\"{1}\" color=\"0,0,0\" displayMode=\"COLLAPSED\" visible=\"true\"/>",
            bed.file, bed.short
        );
    }
    text + "    </Panel>\n</Session>\n"
}

/// Opens the session and takes a picture of each place. IGV takes paths from the script's folder.
fn batch(places: &[String]) -> String {
    let mut text =
        "new\nload igv_session.xml\nsnapshotDirectory .\nmaxPanelHeight 1000\n".to_owned();
    for (i, place) in places.iter().enumerate() {
        let _ = writeln!(text, "goto {place}\nsnapshot place_{:02}.png", i + 1);
    }
    text
}

fn ini(tracks: &[Track]) -> String {
    let bins = 2 * AROUND;
    let mut text = String::from(
        "# number_of_bins may not be more than the bases that are shown: bins without a base are gaps.\n\n\
         [x-axis]\nfontsize = 10\n\n",
    );
    for track in tracks {
        let [r, g, b] = track.colour;
        let (low, high) = track.limits;
        let file = line(&track.file, 1_000).replace('%', "%%");
        // A bracket would end the section's name, and a percent sign asks for another value.
        let title = line(&track.task, 60).replace(['[', ']', '%'], "_");
        let range = format!("min_value = {low}\nmax_value = {high}\nnumber_of_bins = {bins}\n");
        let importance = track.kind != "activity";
        let _ = write!(
            text,
            "[spacer]\nheight = 0.3\n\n[{title} {}]\nfile = {file}\ntitle = {title} {}\nheight = 2\ncolor = #{r:02x}{g:02x}{b:02x}\n{range}{}\n",
            track.kind,
            track.kind,
            if importance {
                "operation = max(file, 0)\n"
            } else {
                ""
            },
        );
        if importance {
            let [r, g, b] = REPRESSES;
            let _ = write!(
                text,
                "[{title} {}, below 0]\nfile = {file}\ncolor = #{r:02x}{g:02x}{b:02x}\n{range}operation = min(file, 0)\n\
                 show_data_range = false\noverlay_previous = share-y\n\n",
                track.kind,
            );
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn track(task: &str) -> Track {
        Track {
            task: task.into(),
            kind: "importance",
            file: format!("{task}.importance.bw"),
            colour: COLOURS[0],
            limits: (-1.0, 1.0),
        }
    }

    const HOSTILE: &str = "a<b>\"'&]]>\n\u{202e}]% x";

    #[test]
    fn hostile_names_stay_in_their_places() {
        let tracks = [track(HOSTILE), track(&"x".repeat(10_000))];
        let text = track_db(&tracks, &[]);
        for stanza in text.trim_end().split("\n\n") {
            for setting in stanza.lines() {
                let (key, value) = setting.split_once(' ').unwrap();
                assert!(key.chars().all(|c| c.is_ascii_alphabetic()), "{setting}");
                match key {
                    "track" | "parent" => {
                        assert!(
                            value.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'),
                            "{value}"
                        );
                    }
                    "shortLabel" => assert!(value.chars().count() <= 17, "{value}"),
                    "longLabel" => assert!(value.chars().count() <= 80, "{value}"),
                    "bigDataUrl" => assert!(!value.contains(['<', ' ', '\n', '"']), "{value}"),
                    _ => {}
                }
            }
        }
        let xml = session("hg19", &tracks, &[], None);
        assert!(
            xml.contains("a&lt;b&gt;&quot;&apos;&amp;]]&gt;") && !xml.contains("<b>"),
            "{xml}"
        );
        // As many quotes as elements have attributes, in pairs.
        assert!(xml.lines().all(|l| l.matches('"').count() % 2 == 0));
        let text = ini(&tracks);
        let sections = text.lines().filter(|l| l.starts_with('['));
        assert!(
            sections
                .into_iter()
                .all(|l| l.ends_with(']') && l.matches(']').count() == 1)
        );
        assert_eq!(batch(&[]).lines().count(), 4);
    }

    #[test]
    fn tracks_have_names_of_their_own() {
        let tracks = ["a-b", "a.b", "a_b", "8_x"].map(track);
        let text = track_db(&tracks, &[]);
        let names: Vec<_> = text
            .lines()
            .filter_map(|l| l.strip_prefix("track "))
            .collect();
        assert_eq!(
            names,
            [
                "mpra_8",
                "t8_x_importance",
                "mpra_a",
                "a_b_importance",
                "mpra_a_b",
                "a_b_importance_2",
                "mpra_a_b_2",
                "a_b_importance_3",
            ]
        );
        assert!(text.contains("parent mpra_a_b_2\n"), "{text}");
    }

    #[test]
    fn genomes_are_names_or_files() {
        let same = |g: &str| (g.to_owned(), g.to_owned());
        assert_eq!(genomes("hg19"), same("hg19"));
        assert_eq!(genomes("GCA_000001405.15"), same("GCA_000001405.15"));
        let (hub, igv) = genomes("a b\ntrackDb x");
        assert_eq!((&*hub, &*igv), ("a_b_trackDb_x", "a b trackDb x"));
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/genome.fa");
        assert_eq!(genomes(file), ("genome".into(), file.into()));
    }
}
