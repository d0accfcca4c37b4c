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

/// A track as other programs have it.
struct Track {
    task: String,
    kind: &'static str,
    file: String,
    colour: [u8; 3],
    /// What is shown, lowest and highest.
    limits: (f64, f64),
}

/// Writes hub, session, script and ini into the folder of the tracks. `genome` is their name for it (`hg19`).
///
/// # Errors
/// When a track cannot be read or a file not be written.
pub(super) fn write(
    folder: &Path,
    genome: &str,
    tasks: &[String],
    regions: &[(String, Interval)],
    elements: &[Element],
) -> Result<Vec<PathBuf>, ReportError> {
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
    let files = [
        ("hub.txt", hub(folder)),
        (
            "genomes.txt",
            format!("genome {genome}\ntrackDb trackDb.txt\n"),
        ),
        ("trackDb.txt", track_db(&tracks)),
        ("igv_session.xml", session(&genome, &tracks, places.first())),
        ("igv_batch.txt", batch(&genome, &tracks, &places)),
        ("tracks.ini", ini(&tracks)),
    ];
    let mut written = Vec::new();
    for (name, text) in files {
        let path = folder.join(name);
        write_whole(&path, text.as_bytes()).map_err(|e: OutputError| e)?;
        written.push(path);
    }
    Ok(written)
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
fn track_db(tracks: &[Track]) -> String {
    let mut cells: BTreeMap<&str, Vec<&Track>> = BTreeMap::new();
    for track in tracks {
        let cell = track.task.split('_').next().unwrap_or(&track.task);
        cells.entry(cell).or_default().push(track);
    }
    let mut text = String::new();
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

fn session(genome: &str, tracks: &[Track], place: Option<&String>) -> String {
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
    text + "    </Panel>\n</Session>\n"
}

/// Loads the tracks and takes a picture of each place.
fn batch(genome: &str, tracks: &[Track], places: &[String]) -> String {
    let mut text = format!("new\ngenome {genome}\n");
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
        let text = track_db(&tracks);
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
        let xml = session("hg19", &tracks, None);
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
        assert_eq!(batch("hg19", &tracks[..1], &[]).lines().count(), 5);
    }
}
