//! The programs of `examples/`, against the jobs that do the same.

use mpra_score::genome::Interval;
use mpra_score::model::ModelSource;

use crate::support::{self, bed, config, fixture};

#[allow(dead_code)] // each has a `main` of its own
#[path = "../../examples/read_track.rs"]
mod read_track;
#[allow(dead_code)]
#[path = "../../examples/score_region.rs"]
mod score_region;
#[allow(dead_code)]
#[path = "../../examples/variant_effect.rs"]
mod variant_effect;

fn same(a: &[f32], b: &[f32]) {
    assert_eq!(a.len(), b.len());
    for (a, b) in a.iter().zip(b) {
        let near = (a - b).abs() <= 1e-5 * b.abs().max(1.0);
        assert!(near || (a.is_nan() && b.is_nan()), "{a} {b}");
    }
}

#[test]
fn a_region_is_scored_and_its_track_read() {
    let folder = tempfile::tempdir().unwrap();
    let mut job = config("demo.onnx", &folder.path().join("out"));
    // Over a gap: some bases have no value.
    job.regions = bed(folder.path(), &["chr1\t1700\t2050".into()]);
    support::run(&job).unwrap();

    let region = Interval::new(1_690, 2_050).unwrap();
    let model = ModelSource::File(fixture("models").join("demo.onnx"));
    let task = mpra_score::model::Model::load(&model, &Default::default(), None)
        .unwrap()
        .spec()
        .tasks[0]
        .clone();
    let track = job.out.join(format!("{task}.importance.bw"));
    let read = read_track::values(&track, "chr1", region).unwrap();
    assert!(read[..10].iter().all(|v| v.is_nan()), "outside the region");
    assert!(read[10..].iter().any(|v| v.is_nan()) && read.iter().any(|v| *v != 0.0));

    let region = Interval::new(1_700, 2_050).unwrap();
    let scored = score_region::importance(&job.fasta, &model, "chr1", region).unwrap();
    same(&scored, &read[10..]);
    assert!(read_track::values(&track, "chr9", region).is_err());
}

#[test]
fn a_variant_has_the_effects_of_the_job() {
    use support::variants::{job, numbers, records, run, vcf};
    let folder = tempfile::tempdir().unwrap();
    let contig = &support::genome()["chr1"];
    let reference = char::from(contig[639].to_ascii_uppercase());
    let alternative = if reference == 'A' { 'C' } else { 'A' };
    let record = format!("chr1 640 . {reference} {alternative}");
    let job = job(
        "demo.onnx",
        &vcf(folder.path(), &[record]),
        &folder.path().join("out.vcf"),
    );
    run(&job).unwrap();
    let record = &records(&job.out)[0];

    let model = &job.scoring.model.members()[0];
    let found =
        variant_effect::effects(&job.scoring.fasta, model, "chr1", 639, alternative as u8).unwrap();
    assert!(!found.is_empty() && found.iter().any(|(_, e)| e.abs() > 1e-4));
    for (task, effect) in found {
        same(&[effect], &numbers(record, &format!("MPRA_{task}")));
    }
}
