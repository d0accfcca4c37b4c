//! Writes the benchmarked networks with random weights: `cargo run --example bench_models -- DIR`.
//! The time a network takes does not depend on its weights.

use std::path::Path;

use mpra_score::model::onnx::{GraphBuilder, presets};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = std::env::args().nth(1).ok_or("usage: bench_models DIR")?;
    std::fs::create_dir_all(&folder)?;
    type Preset = fn(presets::Normal<'_>) -> GraphBuilder;
    let networks: [(&str, Preset); 10] = [
        ("paper", presets::paper),
        ("authors", presets::authors),
        ("dragonn", presets::dragonn),
        ("compact", presets::compact),
        ("basset", presets::basset),
        ("deepstarr", presets::deepstarr),
        ("malinois", presets::malinois),
        ("search", presets::search),
        ("legnet", |normal| presets::legnet(normal, true)),
        ("bpnet", |normal| presets::bpnet(normal, 64)),
    ];
    for (name, preset) in networks {
        let bytes = preset(&mut presets::normal_from(1)).to_bytes();
        std::fs::write(Path::new(&folder).join(format!("{name}.onnx")), bytes)?;
    }
    Ok(())
}
