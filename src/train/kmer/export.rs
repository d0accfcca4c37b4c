use super::Weights;
use crate::model::onnx::{AttributeProto, GraphBuilder};

/// The regressions of several tasks as one ONNX graph: input `sequence` `[batch, 4, window]`, output
/// `activity` `[batch, tasks]`.
///
/// One convolution gives, for each k and position, the number of the k-mer that starts there (bases
/// as digits to base 4), another whether all its bases are known (their count, less k - 1, through
/// ReLU). Their product is the row of a table of weights, 0 standing for a row of zeros; what is
/// looked up is summed. So a weight takes one number in the file, also for k = 8, and all integers
/// are exact in single precision.
pub fn to_onnx(
    tasks: &[(String, &Weights)],
    window: usize,
    description: &str,
) -> Option<GraphBuilder> {
    let kmers = tasks.first()?.1.kmers;
    let longest = kmers.longest();
    let mut g = GraphBuilder::new("kmer");
    g.input("sequence", &[Err("batch"), Ok(4), Ok(window)]);
    g.output("activity", &[Err("batch"), Ok(tasks.len())]);

    // [k, base, column], columns from the k-mer's first base; the unused ones are zero.
    let at = |k: usize, base: usize, column: usize| ((k - 1) * 4 + base) * longest + column;
    let (mut digits, mut known) = (
        vec![0.0; 4 * longest * longest],
        vec![0.0; 4 * longest * longest],
    );
    let (mut first, mut missing) = (Vec::new(), Vec::new());
    for k in 1..=longest {
        for base in 0..4 {
            for column in 0..k {
                digits[at(k, base, column)] = (base << (2 * (k - 1 - column))) as f32;
                known[at(k, base, column)] = 1.0;
            }
        }
        first.push((super::Kmers::first(k) + 1) as f32);
        missing.push(1.0 - k as f32);
    }
    let dims = [longest, 4, longest];
    let pads = || vec![AttributeProto::of_ints("pads", &[0, longest as i64 - 1])];
    let w = g.weight("digits", &dims, &digits);
    let b = g.weight("first", &[longest], &first);
    let numbers = g.node("Conv", &["sequence", &w, &b], pads());
    let w = g.weight("bases", &dims, &known);
    let b = g.weight("missing", &[longest], &missing);
    let counted = g.node("Conv", &["sequence", &w, &b], pads());
    let counted = g.node("Relu", &[&counted], vec![]);
    let rows = g.node("Mul", &[&numbers, &counted], vec![]);
    // 7 is INT64.
    let rows = g.node("Cast", &[&rows], vec![AttributeProto::of_int("to", 7)]);

    let mut table = vec![0.0; tasks.len()];
    for number in 0..kmers.count() {
        table.extend(tasks.iter().map(|(_, w)| w.weights[number] as f32));
    }
    let table = g.weight("weights", &[kmers.count() + 1, tasks.len()], &table);
    let found = g.node(
        "Gather",
        &[&table, &rows],
        vec![AttributeProto::of_int("axis", 0)],
    );
    let axes = g.ints("axes", &[1, 2]);
    let keep = vec![AttributeProto::of_int("keepdims", 0)];
    let sums = g.node("ReduceSum", &[&found, &axes], keep);
    let intercepts: Vec<f32> = tasks.iter().map(|(_, w)| w.intercept as f32).collect();
    let intercepts = g.weight("intercepts", &[tasks.len()], &intercepts);
    g.node_to("Add", &[&sums, &intercepts], vec![], "activity");

    let names: Vec<&str> = tasks.iter().map(|(name, _)| name.as_str()).collect();
    g.metadata("mpra_score.alphabet", "ACGT");
    g.metadata("mpra_score.tasks", &serde_json::json!(names).to_string());
    g.metadata("mpra_score.description", description);
    Some(g)
}
