//! The tracks of a main job for other programs: a UCSC track hub, an IGV session and batch script, an ini of
//! pyGenomeTracks. All lie beside the tracks and name them relative to themselves, so that the folder can be moved.
//!
//! - Hub: <https://genome.ucsc.edu/goldenPath/help/hgTrackHubHelp.html> and its trackDb pages: names of tracks are letters,
//!   digits and `_`, short labels have at most 17 characters, long ones 80.
//! - IGV: the session's DTD version 8, and its batch commands.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use super::ReportError;
use super::elements::Element;
use super::table::View;
use super::values::places;
use crate::genome::{Contigs, Interval};
use crate::output::{OutputError, write_whole};
use crate::stats::quantile;
use crate::tracks::{BedItem, Scores, format_value, write_bigbed};

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

/// A track as other programs have it.
struct Track {
    task: String,
    kind: &'static str,
    file: String,
    colour: [u8; 3],
    /// What is shown, lowest and highest.
    limits: (f64, f64),
}

/// Intervals as other programs have them: file, short label, what they are.
struct Bed {
    file: &'static str,
    short: &'static str,
    about: &'static str,
}

/// Writes hub, session, script and ini into the folder of the tracks, and regions and elements as bigBed. `view` is
/// `regions.tsv`; `genome` is the other programs' name for the genome (`hg19`).
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
        for kind in ["activity", "importance"] {
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
    let genome = name(genome);
    let (beds, mut written) = beds(&folder.join(&tracks[0].file), tasks, view, elements)?;
    let files = [
        ("hub.txt", hub(folder)),
        (
            "genomes.txt",
            format!("genome {genome}\ntrackDb trackDb.txt\n"),
        ),
        ("trackDb.txt", track_db(&tracks, &beds)),
        (
            "igv_session.xml",
            session(&genome, &tracks, &beds, places.first()),
        ),
        ("igv_batch.txt", batch(&genome, &tracks, &beds, &places)),
        ("tracks.ini", ini(&tracks)),
    ];
    for (name, text) in files {
        let path = folder.join(name);
        write_whole(&path, text.as_bytes()).map_err(|e: OutputError| e)?;
        written.push(path);
    }
    Ok(written)
}

/// Writes `regions.bb` and `elements.bb`, on the contigs of a track.
fn beds(
    track: &Path,
    tasks: &[String],
    view: &View,
    elements: &[Element],
) -> Result<(Vec<Bed>, Vec<PathBuf>), ReportError> {
    let scores = Scores::open("", track, None)?;
    let contigs = &scores.contigs;
    let (mut beds, mut written) = (Vec::new(), Vec::new());
    for (bed, fields, rows) in [
        region_rows(contigs, tasks, view),
        element_rows(contigs, elements),
    ] {
        if !rows.is_empty() {
            let path = track.with_file_name(bed.file);
            written.push(write_bigbed(&path, contigs, bed.about, &fields, rows)?);
            beds.push(bed);
        }
    }
    Ok((beds, written))
}

type Rows = (Bed, Vec<(String, String)>, Vec<BedItem>);

/// Regions that were scored: their score is the activity of the task in which they are most active, from 0 for the
/// lowest thousandth to 1000 for the highest.
fn region_rows(contigs: &Contigs, tasks: &[String], view: &View) -> Rows {
    let column = |task: &String| {
        let column = view.column(&format!("{task}.mean_activity"));
        column.and_then(|c| c.numbers.clone())
    };
    let means: Vec<Vec<f64>> = tasks.iter().filter_map(column).collect();
    let fields = tasks.iter().map(|task| {
        let about = format!("Mean activity, {}", line(task, 80));
        (format!("{}_activity", name(task)), about)
    });
    let most = |row: usize| means.iter().map(|m| m[row]).fold(f64::NAN, f64::max);
    let mut sorted: Vec<f64> = (0..view.rows).map(most).filter(|v| !v.is_nan()).collect();
    sorted.sort_unstable_by(f64::total_cmp);
    let low = quantile(&sorted, 0.001).unwrap_or(0.0);
    let high = quantile(&sorted, 0.999).unwrap_or(0.0);
    let texts = |name: &str| view.texts(name).unwrap_or_default();
    let (names, strands) = (texts("name"), texts("strand"));
    let mut rows = Vec::new();
    for (row, (contig, bases)) in places(view).into_iter().enumerate() {
        let (Some(contig), false) = (contigs.id(&contig), most(row).is_nan()) else {
            continue;
        };
        let mut rest = format!(
            "{}\t{}\t{}",
            names.get(row).map_or_else(|| ".".into(), |n| line(n, 255)),
            share(most(row), low, high),
            strands.get(row).map_or(".", String::as_str),
        );
        for mean in &means {
            rest.push('\t');
            rest += &format_value(mean[row] as f32 + 0.0).to_string();
        }
        rows.push(BedItem {
            contig,
            start: bases.start(),
            end: bases.end(),
            rest,
        });
    }
    let bed = Bed {
        file: "regions.bb",
        short: "MPRA regions",
        about: "Regions scored by mpra-score, darker where more active",
    };
    (bed, fields.collect(), rows)
}

/// The strongest elements; their score is in proportion to the sum of |importance|.
fn element_rows(contigs: &Contigs, elements: &[Element]) -> Rows {
    let most = elements.iter().map(|e| e.score).fold(0.0, f64::max);
    let rows = elements.iter().filter_map(|e| {
        let rest = format!(
            "{}\t{}\t.\t{}\t{}",
            line(&e.task, 255),
            share(e.score, 0.0, most),
            format_value(e.score as f32),
            format_value(e.mean as f32 + 0.0),
        );
        Some(BedItem {
            contig: contigs.id(&e.contig)?,
            start: e.start,
            end: e.end,
            rest,
        })
    });
    let fields = [
        ("sum", "Sum of |importance|"),
        ("mean", "Mean importance; negative where it represses"),
    ];
    let bed = Bed {
        file: "elements.bb",
        short: "MPRA elements",
        about: "Strongest elements: stretches of importance that stand out",
    };
    let own = |(name, about): (&str, &str)| (name.to_owned(), about.to_owned());
    (bed, fields.map(own).to_vec(), rows.collect())
}

/// 0 at the low end, 1000 at the high one.
fn share(value: f64, low: f64, high: f64) -> u32 {
    match high > low {
        true => (1000.0 * (value - low) / (high - low))
            .round()
            .clamp(0.0, 1000.0) as u32,
        false => 1000,
    }
}

/// A place with something around it, from 1.
fn around(contig: &str, start: u32, end: u32) -> String {
    let from = start.saturating_sub(100) + 1;
    format!("{}:{from}-{}", line(contig, 200), end.saturating_add(100))
}

/// What of a track is shown: activity from its lowest to its highest thousandth, importance the same way up and down.
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
    let round = |v: f64| (v * 10.0).round() / 10.0;
    Ok(match kind {
        "importance" => {
            let most = round(low.abs().max(high.abs()).max(0.1));
            (-most, most)
        }
        _ => (round(low.min(0.0)), round(high.max(low.min(0.0) + 0.1))),
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
    text.chars().map(sound).take(100).collect()
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
    let mut text = String::new();
    for (priority, bed) in beds.iter().enumerate() {
        let _ = write!(
            text,
            "track mpra_{}\nbigDataUrl {}\ntype bigBed 6 +\nshortLabel {}\nlongLabel {}\nvisibility pack\nspectrum on\n\
             color 0,0,0\npriority {}\n\n",
            bed.file.trim_end_matches(".bb"),
            bed.file,
            bed.short,
            bed.about,
            priority + 1,
        );
    }
    for (cell, tracks) in cells {
        let parent = format!("mpra_{}", name(cell));
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
                "importance" => "imp",
                _ => "act",
            };
            let task = line(&track.task, 12);
            let about = match track.kind {
                "importance" => "importance of each base (positive: it drives expression)",
                _ => "predicted activity, log2(RNA/DNA)",
            };
            let _ = write!(
                text,
                "track {}_{}\nparent {parent}\nbigDataUrl {}\ntype bigWig {low} {high}\nshortLabel {}\nlongLabel {}\n\
                 visibility full\ncolor {}\naltColor {}\nautoScale off\nviewLimits {low}:{high}\nalwaysZero on\nyLineMark 0\nyLineOnOff on\n\
                 windowingFunction {}\nmaxHeightPixels 100:48:16\npriority {}\n\n",
                name(&track.task),
                track.kind,
                address(&track.file),
                line(&format!("{task} {short}"), 17),
                line(&format!("{}: {about}", line(&track.task, 24)), 80),
                colour(track.colour),
                colour(match track.kind {
                    "importance" => REPRESSES,
                    _ => track.colour,
                }),
                match track.kind {
                    "importance" => "maximum",
                    _ => "mean",
                },
                match track.kind {
                    "importance" => 2,
                    _ => 1,
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
            "importance" => REPRESSES,
            _ => track.colour,
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

/// Loads the tracks and takes a picture of each place.
fn batch(genome: &str, tracks: &[Track], beds: &[Bed], places: &[String]) -> String {
    let mut text = format!("new\ngenome {genome}\n");
    for bed in beds {
        let _ = writeln!(text, "load {}", bed.file);
    }
    for track in tracks {
        let _ = writeln!(text, "load {}", line(&track.file, 1_000));
    }
    text += "snapshotDirectory .\nmaxPanelHeight 1000\n";
    for (i, place) in places.iter().enumerate() {
        let _ = writeln!(text, "goto {place}\nsnapshot place_{:02}.png", i + 1);
    }
    text
}

fn ini(tracks: &[Track]) -> String {
    let mut text = String::from("[x-axis]\nfontsize = 10\n\n");
    for track in tracks {
        let [r, g, b] = track.colour;
        let (low, high) = track.limits;
        // A bracket would end the section's name, and a percent sign asks for another value.
        let title = line(&track.task, 60).replace(['[', ']', '%'], "_");
        let _ = write!(
            text,
            "[{title} {}]\nfile = {}\ntitle = {title} {}\nheight = 2\ncolor = #{r:02x}{g:02x}{b:02x}\nmin_value = {low}\nmax_value = {high}\nnumber_of_bins = 1000\n{}\n",
            track.kind,
            line(&track.file, 1_000).replace('%', "%%"),
            track.kind,
            match track.kind {
                "importance" => "negative_color = #6e6e6e\n",
                _ => "",
            }
        );
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
        assert_eq!(batch("hg19", &tracks[..1], &[], &[]).lines().count(), 5);
    }
}
