//! The table of the trunk's first layers: one row for every word of `k` known bases, built once
//! and shared by all threads.

use super::floats::Floats;
use super::gemm::product;
use super::trunk::{Stage, Trunk};

/// Words computed at a time.
const CHUNK: usize = 4096;

/// Builds the table: `[4^k, row]`, the word's first base in the highest digit. Without tabulated
/// layers, the first stage's projected rows of the four bases.
pub(super) fn build(trunk: &Trunk) -> Floats {
    if trunk.depth == 0 {
        return trunk.layers[0].weight.as_slice().into();
    }
    let next = trunk.layers.get(trunk.depth).filter(|_| trunk.projected);
    rows(&trunk.layers[..trunk.depth], next)
}

/// Values of the layers for all words, projected if there is a next layer.
fn rows(layers: &[Stage], next: Option<&Stage>) -> Floats {
    let Some((last, before)) = layers.split_last() else {
        return Floats::new();
    };
    // Layers of width 1 at the end do not lengthen the word: they run chunk by chunk.
    let narrow = layers.iter().rev().take_while(|l| l.reach() == 0).count();
    let narrow = narrow.min(layers.len() - 1);
    let wide = layers.len() - 1 - narrow;
    let layer = &layers[wide];
    let inner = if wide == 0 {
        layer.weight.as_slice().into()
    } else {
        rows(&before[..wide], Some(layer))
    };
    let inner_k = 1 + layers[..wide].iter().map(Stage::reach).sum::<usize>();
    let k = inner_k + layer.reach();
    let words = 1usize << (2 * k);
    let width = next.map_or(last.row, Stage::projected);
    let mut out = Floats::large(words * width);
    let inner_mask = (1usize << (2 * inner_k)) - 1;
    let (mut values, mut rows) = (Floats::new(), Floats::new());
    for from in (0..words).step_by(CHUNK) {
        let n = CHUNK.min(words - from);
        values.clear();
        for word in from..from + n {
            let at = values.len();
            values.push_row(&layer.bias);
            let sums = &mut values[at..];
            for tap in 0..layer.width {
                let behind = layer.reach() - tap * layer.dilation;
                let inner_word = (word >> (2 * behind)) & inner_mask;
                let row = &inner[inner_word * layer.projected() + tap * layer.row..][..layer.row];
                for (sum, x) in sums.iter_mut().zip(row) {
                    *sum += x;
                }
            }
        }
        layer.finish(&mut values);
        let mut row = layer.row;
        for layer in &layers[wide + 1..] {
            project(layer, n, (&values, row), &mut rows);
            for sums in rows.chunks_exact_mut(layer.row) {
                for (sum, b) in sums.iter_mut().zip(&layer.bias) {
                    *sum += b;
                }
            }
            layer.finish(&mut rows);
            std::mem::swap(&mut values, &mut rows);
            row = layer.row;
        }
        let out = &mut out[from * width..(from + n) * width];
        match next {
            None => out.copy_from_slice(&values),
            Some(next) => product(
                (n, next.inputs, width),
                (&values, row),
                (&next.weight, width),
                (out, width),
            ),
        }
    }
    out
}

/// Projects `n` values for a layer.
pub(super) fn project(layer: &Stage, n: usize, (values, row): (&[f32], usize), out: &mut Floats) {
    let width = layer.projected();
    out.resize(n * width);
    product(
        (n, layer.inputs, width),
        (values, row),
        (&layer.weight, width),
        (out, width),
    );
}
