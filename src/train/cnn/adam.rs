use ndarray::{Array2, Zip};

use super::network::{FittedLayer, Network};

/// Adam's first and second moments of each matrix, and how many steps they hold.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Moments {
    /// Steps.
    pub time: usize,
    /// First and second moments in place of each matrix; `None` where it has not been changed.
    pub values: Network<Option<[Array2<f32>; 2]>>,
}

/// Share of a step's gradient in the first moments, and of its square in the second.
const FIRST: f32 = 0.1;
const SECOND: f32 = 0.001;
/// Added to the root of the second moment.
const EPSILON: f32 = 1e-8;

/// A step of Adam (Kingma and Ba 2015, algorithm 1) at `rate`, with decoupled `decay` of all weights but
/// those in one row, as biases are (Loshchilov and Hutter 2019, algorithm 2). Layers before `first` and running
/// statistics stay as they are.
pub(super) fn step(
    network: &mut Network,
    moments: &mut Moments,
    gradients: &Network,
    (rate, decay): (f64, f64),
    first: usize,
) {
    moments.time += 1;
    let time = moments.time as f64;
    let bias = |share: f32| (1.0 - (1.0 - f64::from(share)).powf(time)) as f32;
    let (first_bias, second_bias) = (bias(FIRST), bias(SECOND));
    let kept = (1.0 - rate * decay) as f32;
    let rate = rate as f32;
    let layers = network.layers.iter_mut().zip(&mut moments.values.layers);
    let layers = layers.zip(&gradients.layers).skip(first);
    for ((layer, moments), gradients) in layers {
        let (Some(values), Some(moments), Some(gradients)) = (
            layer.learned_mut(),
            moments.learned_mut(),
            gradients.learned(),
        ) else {
            continue;
        };
        for ((value, moments), gradient) in values.into_iter().zip(moments).zip(gradients) {
            let zeros = || Array2::zeros(value.dim());
            let [m, v] = moments.get_or_insert_with(|| [zeros(), zeros()]);
            if value.nrows() > 1 {
                *value *= kept;
            }
            Zip::from(value)
                .and(m)
                .and(v)
                .and(gradient)
                .for_each(|x, m, v, g| {
                    *m += FIRST * (g - *m);
                    *v += SECOND * (g * g - *v);
                    let deviation = (*v / second_bias).sqrt() + EPSILON;
                    *x -= rate * (*m / first_bias) / deviation;
                });
        }
    }
}

/// Makes gradients no longer than this, over all weights together.
pub(super) fn clip(gradients: &mut Network, longest: f64) {
    let squares = gradients
        .matrices()
        .flatten()
        .map(|g| f64::from(*g).powi(2));
    let length = squares.sum::<f64>().sqrt();
    if length > longest {
        let factor = (longest / length) as f32;
        gradients.matrices_mut().for_each(|m| *m *= factor);
    }
}

/// Index of the first layer that is learned when so many leading convolutions are not.
pub(super) fn first_learned(network: &Network, frozen: usize) -> usize {
    let mut convs = 0;
    let learned = network.layers.iter().position(|layer| {
        convs += usize::from(matches!(layer, FittedLayer::Conv { .. }));
        convs > frozen || matches!(layer, FittedLayer::Dense { .. })
    });
    learned.unwrap_or(network.layers.len())
}
