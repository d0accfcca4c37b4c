use std::fmt;
use std::str::FromStr;

use super::super::TrainError;

/// What a convolution sees beyond the ends of its input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Padding {
    /// Nothing: there are `width - 1` positions less behind it.
    None,
    /// Zeros, so many that there are as many positions behind it as before it. Of an odd number one
    /// more stands on the right (ONNX's `SAME_UPPER`).
    Same,
}

impl Padding {
    /// Zero columns on the left and on the right of the input of a filter so wide.
    pub fn columns(self, width: usize) -> (usize, usize) {
        match self {
            Self::None => (0, 0),
            Self::Same => ((width - 1) / 2, width / 2),
        }
    }

    /// Positions that a filter so wide takes away.
    pub fn loss(self, width: usize) -> usize {
        match self {
            Self::None => width - 1,
            Self::Same => 0,
        }
    }
}

/// A layer of a convolutional network, in the order of the data's way.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Layer {
    /// Convolution along the sequence, stride 1.
    Conv {
        /// Number of filters.
        filters: usize,
        /// Columns a filter spans.
        width: usize,
        /// What it sees beyond the ends.
        padding: Padding,
    },
    /// `max(0, x)`.
    Relu,
    /// Batch normalisation by channel.
    BatchNorm,
    /// Sets values to zero with this probability while training.
    Dropout(f32),
    /// Likewise whole channels of a sequence (Tompson et al. 2015), between positions.
    SpatialDropout(f32),
    /// Largest value of so many neighbouring positions; a rest at the end is left out.
    MaxPool(usize),
    /// Mean of so many neighbouring positions; a rest at the end is left out.
    AvgPool(usize),
    /// Dense layer with so many outputs; `None` for the last, which has one a task.
    Dense(Option<usize>),
    /// Likewise the first dense layer, behind positions that no pool has joined: each channel's
    /// weights change linearly along the window between so many equally spaced knots.
    SmoothDense {
        /// Outputs; `None` for the last.
        outputs: Option<usize>,
        /// Knots, at least 2, the first and the last at the ends.
        knots: usize,
    },
}

/// A network: what it reads and its layers. The first layer is a convolution, the last a dense layer;
/// a pool, if there is one, stands right behind the convolutions (and what follows them value by
/// value).
///
/// As text: `conv 128x5, relu, conv 32x1, conv 48x5, relu, maxpool 4, dropout 0.1, dense 100, relu,
/// dense`. A convolution without `relu` behind it is linear; `conv 64x9 same` is padded; `dense smooth
/// 8` and `dense 100 smooth 8` have weights that change smoothly along the window.
#[derive(Clone, Debug, PartialEq)]
pub struct Architecture {
    /// Bases of a window.
    pub window: usize,
    /// Columns of the input, at least the window.
    pub length: usize,
    /// Column of the window's first base.
    pub offset: usize,
    /// The layers.
    pub layers: Vec<Layer>,
    /// Whether the outputs are the means of those for the window and for its reverse complement, which
    /// goes through the same layers. Only without a frame.
    pub both_strands: bool,
}

/// The named architectures: name, window, columns, offset, layers.
const PRESETS: [(&str, usize, usize, usize, &str); 4] = [
    (
        "paper",
        145,
        295,
        75,
        "conv 100x4, relu, conv 100x4, relu, dropout 0.1, maxpool 44, dense",
    ),
    (
        "authors",
        145,
        145,
        0,
        "conv 100x8, relu, conv 100x15, relu, maxpool 124, dense",
    ),
    (
        "dragonn",
        145,
        145,
        0,
        "conv 120x5, relu, batchnorm, conv 120x5, relu, batchnorm, conv 120x5, relu, batchnorm, dense",
    ),
    (
        "compact",
        145,
        145,
        0,
        "conv 128x5, relu, conv 128x5, relu, conv 32x1, relu, conv 48x5, relu, dense",
    ),
];

/// Most values of one layer's weights: far beyond any network for sequences of this length.
const MOST_WEIGHTS: usize = 1 << 26;

impl Architecture {
    /// Names of the presets.
    pub fn presets() -> impl Iterator<Item = &'static str> {
        PRESETS.iter().map(|p| p.0)
    }

    /// A named architecture: `paper` (295 columns, the window at column 75; paper, 4.2.1), `authors`
    /// (the paper's authors' released code), `dragonn` (MPRA-DragoNN's ConvModel) or `compact`.
    ///
    /// # Errors
    /// [`TrainError::Setting`] for another name.
    pub fn preset(name: &str) -> Result<Self, TrainError> {
        let (_, window, length, offset, layers) = PRESETS
            .iter()
            .find(|p| p.0 == name)
            .ok_or_else(|| TrainError::Setting(format!("there is no preset {name:?}")))?;
        Self::new(*window, *length, *offset, layers.parse::<Layers>()?.0)
    }

    /// Judges and keeps an architecture.
    ///
    /// # Errors
    /// [`TrainError::Setting`] when the layers stand in an impossible order or leave no position.
    pub fn new(
        window: usize,
        length: usize,
        offset: usize,
        layers: Vec<Layer>,
    ) -> Result<Self, TrainError> {
        let no = |problem: &str| {
            Err(TrainError::Setting(format!(
                "the architecture cannot be built: {problem}"
            )))
        };
        if window == 0 || length > 1 << 20 || offset + window > length {
            return no("its window does not lie within its input");
        }
        if !matches!(layers.first(), Some(Layer::Conv { .. })) {
            return no("the first layer must be a convolution");
        }
        if layers.last().is_none_or(|l| l.outputs() != Some(None)) {
            return no("the last layer must be `dense` without a number: one output a task");
        }
        let mut positions = length;
        let mut channels = 4usize;
        let (mut pooled, mut flat) = (false, false);
        for (i, layer) in layers.iter().enumerate() {
            let mut weights = 0;
            match *layer {
                Layer::Conv {
                    filters,
                    width,
                    padding,
                } => {
                    if pooled || flat {
                        return no("a convolution stands behind a pool or a dense layer");
                    }
                    if filters == 0 || width == 0 || width > positions {
                        return no(&format!(
                            "`{layer}` on {positions} positions leaves nothing"
                        ));
                    }
                    positions -= padding.loss(width);
                    weights = width.saturating_mul(channels).saturating_mul(filters);
                    channels = filters;
                }
                Layer::MaxPool(size) | Layer::AvgPool(size) => {
                    if pooled || flat {
                        return no("a second pool, or one behind a dense layer");
                    }
                    if size == 0 || size > positions {
                        return no(&format!(
                            "a pool of {size} on {positions} positions leaves nothing"
                        ));
                    }
                    positions /= size;
                    pooled = true;
                }
                Layer::Dense(_) | Layer::SmoothDense { .. } => {
                    let outputs = layer.outputs().flatten();
                    if let Layer::SmoothDense { knots, .. } = *layer {
                        if pooled || flat {
                            return no("a smooth dense layer stands behind a pool or another one");
                        }
                        if !(2..=positions).contains(&knots) {
                            return no(&format!("`{layer}` on {positions} positions"));
                        }
                    }
                    if outputs.is_none() && i + 1 != layers.len() {
                        return no("only the last dense layer has no number");
                    }
                    if outputs == Some(0) {
                        return no("`dense 0` has no output");
                    }
                    let inputs = if flat { channels } else { channels * positions };
                    weights = inputs.saturating_mul(outputs.unwrap_or(1));
                    channels = outputs.unwrap_or(1);
                    flat = true;
                }
                Layer::BatchNorm if flat => {
                    return no("batch normalisation behind a dense layer is not supported");
                }
                Layer::SpatialDropout(_) if pooled || flat => {
                    return no("a spatial dropout stands behind a pool or a dense layer");
                }
                Layer::Dropout(p) | Layer::SpatialDropout(p) if !(0.0..1.0).contains(&p) => {
                    return no(&format!("a dropout of {p} is not from 0 to below 1"));
                }
                Layer::Relu | Layer::BatchNorm | Layer::Dropout(_) | Layer::SpatialDropout(_) => {}
            }
            if weights > MOST_WEIGHTS {
                return no("a layer has more than 67 million weights");
            }
        }
        Ok(Self {
            window,
            length,
            offset,
            layers,
            both_strands: false,
        })
    }

    /// The same with the mean over both strands as its outputs.
    ///
    /// # Errors
    /// [`TrainError::Setting`] where the window does not fill the input, or a layer has no mirror
    /// image: a padded convolution of even width, a pool that leaves a rest.
    pub fn on_both_strands(mut self) -> Result<Self, TrainError> {
        let no = |text: String| Err(TrainError::Setting(format!("both strands: {text}")));
        if !self.is_bare() {
            return no("the window does not fill the input".into());
        }
        for layer in &self.layers {
            match *layer {
                Layer::Conv {
                    width,
                    padding: Padding::Same,
                    ..
                } if width % 2 == 0 => {
                    return no(format!("`{layer}` has more zeros on one side"));
                }
                Layer::MaxPool(size) | Layer::AvgPool(size)
                    if !(self.length - self.reach()).is_multiple_of(size) =>
                {
                    return no(format!("`{layer}` leaves a rest at one end"));
                }
                _ => {}
            }
        }
        self.both_strands = true;
        Ok(self)
    }

    /// Bases by which the convolutions shorten the input.
    pub fn reach(&self) -> usize {
        let widths = self.layers.iter().map(|l| match l {
            Layer::Conv { width, padding, .. } => padding.loss(*width),
            _ => 0,
        });
        widths.sum()
    }

    /// Number of convolutions.
    pub fn convolutions(&self) -> usize {
        let convs = self.layers.iter();
        convs.filter(|l| matches!(l, Layer::Conv { .. })).count()
    }

    /// The widest zero padding of a convolution at one end; 0 where none is padded.
    pub fn widest_padding(&self) -> usize {
        let columns = self.layers.iter().map(|l| match l {
            // Never less on the right than on the left.
            Layer::Conv { width, padding, .. } => padding.columns(*width).1,
            _ => 0,
        });
        columns.max().unwrap_or(0)
    }

    /// Whether windows of a longer sequence share their convolutions: not where each has zeros of its
    /// own at its ends.
    pub fn shares_convolutions(&self) -> bool {
        self.is_bare() && self.widest_padding() == 0
    }

    /// Whether the window fills the input.
    pub fn is_bare(&self) -> bool {
        self.window == self.length
    }
}

impl Layer {
    /// Of a dense layer the number of outputs, `Some(None)` where it is that of the tasks.
    pub fn outputs(&self) -> Option<Option<usize>> {
        match self {
            Self::Dense(outputs) | Self::SmoothDense { outputs, .. } => Some(*outputs),
            _ => None,
        }
    }
}

impl fmt::Display for Architecture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, layer) in self.layers.iter().enumerate() {
            if i > 0 {
                f.write_str(", ")?;
            }
            write!(f, "{layer}")?;
        }
        match self.both_strands {
            true => f.write_str(" (both strands)"),
            false => Ok(()),
        }
    }
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Conv {
                filters,
                width,
                padding,
            } => {
                write!(f, "conv {filters}x{width}")?;
                match padding {
                    Padding::None => Ok(()),
                    Padding::Same => f.write_str(" same"),
                }
            }
            Self::Relu => f.write_str("relu"),
            Self::BatchNorm => f.write_str("batchnorm"),
            Self::Dropout(p) => write!(f, "dropout {p}"),
            Self::SpatialDropout(p) => write!(f, "spatialdropout {p}"),
            Self::MaxPool(n) => write!(f, "maxpool {n}"),
            Self::AvgPool(n) => write!(f, "avgpool {n}"),
            Self::Dense(Some(n)) => write!(f, "dense {n}"),
            Self::Dense(None) => f.write_str("dense"),
            Self::SmoothDense { outputs, knots } => match outputs {
                Some(n) => write!(f, "dense {n} smooth {knots}"),
                None => write!(f, "dense smooth {knots}"),
            },
        }
    }
}

/// Layers as text.
#[derive(Clone, Debug, PartialEq)]
pub struct Layers(pub Vec<Layer>);

impl FromStr for Layers {
    type Err = TrainError;

    fn from_str(text: &str) -> Result<Self, TrainError> {
        let layers = text.split(',').map(|part| {
            let words: Vec<&str> = part.split_whitespace().collect();
            layer(&words).ok_or_else(|| {
                TrainError::Setting(format!(
                    "{:?} is no layer; expected conv FILTERSxWIDTH, conv FILTERSxWIDTH same, relu, batchnorm, dropout P, spatialdropout P, maxpool N, avgpool N, dense N, dense, dense N smooth KNOTS or dense smooth KNOTS",
                    part.trim()
                ))
            })
        });
        Ok(Self(layers.collect::<Result<_, _>>()?))
    }
}

fn layer(words: &[&str]) -> Option<Layer> {
    Some(match words {
        ["conv", size, rest @ ..] => {
            let (filters, width) = size.split_once('x')?;
            Layer::Conv {
                filters: filters.parse().ok()?,
                width: width.parse().ok()?,
                padding: match rest {
                    [] => Padding::None,
                    ["same"] => Padding::Same,
                    _ => return None,
                },
            }
        }
        ["relu"] => Layer::Relu,
        ["batchnorm"] => Layer::BatchNorm,
        ["dropout", p] => Layer::Dropout(p.parse().ok()?),
        ["spatialdropout", p] => Layer::SpatialDropout(p.parse().ok()?),
        ["maxpool", n] => Layer::MaxPool(n.parse().ok()?),
        ["avgpool", n] => Layer::AvgPool(n.parse().ok()?),
        ["dense"] => Layer::Dense(None),
        ["dense", n] => Layer::Dense(Some(n.parse().ok()?)),
        ["dense", "smooth", knots] => Layer::SmoothDense {
            outputs: None,
            knots: knots.parse().ok()?,
        },
        ["dense", n, "smooth", knots] => Layer::SmoothDense {
            outputs: Some(n.parse().ok()?),
            knots: knots.parse().ok()?,
        },
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn presets_are_sound_and_print_as_they_read() {
        for name in Architecture::presets() {
            let preset = Architecture::preset(name).unwrap();
            let again: Layers = preset.to_string().parse().unwrap();
            assert_eq!(again.0, preset.layers, "{name}");
        }
        assert_eq!(Architecture::preset("dragonn").unwrap().reach(), 12);
        assert!(Architecture::preset("alexnet").is_err());
    }

    #[test]
    fn smooth_layers_print_as_they_read() {
        let text = "conv 8x5, relu, spatialdropout 0.1, dense 6 smooth 8, relu, dense";
        let layers: Layers = text.parse().unwrap();
        let arch = Architecture::new(145, 145, 0, layers.0).unwrap();
        assert_eq!(arch.to_string(), text);
        let both = arch.on_both_strands().unwrap();
        assert_eq!(both.to_string(), format!("{text} (both strands)"));
        let framed = Architecture::preset("paper").unwrap();
        assert!(framed.on_both_strands().is_err());
        for text in ["conv 8x4 same, dense", "conv 8x5, maxpool 4, dense"] {
            let layers: Layers = text.parse().unwrap();
            let arch = Architecture::new(145, 145, 0, layers.0).unwrap();
            assert!(arch.on_both_strands().is_err(), "{text}");
        }
    }

    #[test]
    fn padded_convolutions_keep_their_positions() {
        let layers = "conv 8x5 same, relu, conv 8x4 same, conv 8x3, maxpool 143, dense";
        let layers: Layers = layers.parse().unwrap();
        let arch = Architecture::new(145, 145, 0, layers.0.clone()).unwrap();
        assert_eq!(arch.reach(), 2);
        // Width 4: one zero on the left, two on the right.
        assert_eq!(Padding::Same.columns(4), (1, 2));
        assert_eq!(Padding::Same.columns(5), (2, 2));
        assert_eq!(Padding::Same.columns(1), (0, 0));
        assert_eq!(arch.widest_padding(), 2);
        assert!(arch.is_bare() && !arch.shares_convolutions());
        assert_eq!(arch.to_string().parse::<Layers>().unwrap(), layers);
    }

    #[test]
    fn impossible_layers_are_refused() {
        for (text, why) in [
            ("relu, dense", "first layer"),
            ("conv 8x5, relu", "last layer"),
            ("conv 8x146, dense", "leaves nothing"),
            ("conv 8x146 same, dense", "leaves nothing"),
            ("conv 8x5, maxpool 142, dense", "leaves nothing"),
            ("conv 8x5, maxpool 4, conv 8x5, dense", "behind a pool"),
            ("conv 8x5, dropout 1.5, dense", "dropout"),
            ("conv 8x5, dense, dense", "no number"),
            ("conv 8x5, dense 9, batchnorm, dense", "batch norm"),
            ("conv 8x5, spatialdropout 1, dense", "dropout"),
            (
                "conv 8x5, maxpool 4, spatialdropout 0.1, dense",
                "behind a pool",
            ),
            ("conv 8x5, maxpool 4, dense smooth 4", "behind a pool"),
            ("conv 8x5, dense 9, dense smooth 4", "or another one"),
            ("conv 8x5, dense smooth 1", "on 141 positions"),
        ] {
            let error = Architecture::new(145, 145, 0, text.parse::<Layers>().unwrap().0);
            assert!(error.unwrap_err().to_string().contains(why), "{text}");
        }
        for text in [
            "",
            "conv 5",
            "conv axb",
            "conv 8x5 valid",
            "pool 3",
            "dense x",
        ] {
            assert!(text.parse::<Layers>().is_err(), "{text}");
        }
    }
}
