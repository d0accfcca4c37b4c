//! The networks that this program is measured and tested with, with weights of the caller's
//! choice: for benchmarks, tests and fixtures that need the shape and not the training.
//!
//! All are written with a free batch axis, input `sequence` and output `activity`.

use super::{AttributeProto, GraphBuilder};

/// Bases in a window of all presets (Sharpr-MPRA).
pub const WINDOW: usize = 145;

/// Gives standard normal numbers.
pub type Normal<'a> = &'a mut dyn FnMut() -> f32;

/// The paper's network over a 295-base frame with the window at column 75 (paper, 4.2.1): two
/// convolutions of 100 x 4 with ReLU, max pool 44, dense 4.
pub fn paper(normal: Normal<'_>) -> GraphBuilder {
    let mut net = Net::new("paper", 295, normal);
    net.builder.metadata(
        "mpra_score.frame",
        r#"{"window": 145, "offset": 75, "frame": 295}"#,
    );
    net.conv(100, 4).relu().conv(100, 4).relu().max_pool(44);
    net.flatten().dense(4);
    net.builder
}

/// The authors' network over the bare window: convolutions of 100 x 8 and 100 x 15 with ReLU, max
/// pool 124 (all positions), dense 4.
pub fn authors(normal: Normal<'_>) -> GraphBuilder {
    let mut net = Net::new("authors", WINDOW, normal);
    net.conv(100, 8).relu().conv(100, 15).relu().max_pool(124);
    net.flatten().dense(4);
    net.builder
}

/// MPRA-DragoNN's ConvModel: input `[batch, 145, 4]`, three convolutions of 120 x 5, each with
/// ReLU and then BatchNormalization, flattened position by position, dense 12.
pub fn dragonn(normal: Normal<'_>) -> GraphBuilder {
    let mut net = Net::new("dragonn", WINDOW, normal);
    net.builder = GraphBuilder::new("dragonn");
    net.builder
        .input("sequence", &[Err("batch"), Ok(WINDOW), Ok(4)]);
    net.transpose();
    for _ in 0..3 {
        net.conv(120, 5).relu().batch_norm();
    }
    net.transpose().flatten().dense(12);
    net.builder
}

/// A deep function of each 9-mer and a narrow convolution after it: convolutions of 128 x 5,
/// 128 x 5, 32 x 1 and 48 x 5, each with ReLU, flatten, dense 4.
pub fn compact(normal: Normal<'_>) -> GraphBuilder {
    let mut net = Net::new("compact", WINDOW, normal);
    for (channels, width) in [(128, 5), (128, 5), (32, 1), (48, 5)] {
        net.conv(channels, width).relu();
    }
    net.flatten().dense(4);
    net.builder
}

/// Basset over 600 bases (Kelley et al. 2016, figure 1): convolutions of 300 x 19, 200 x 11 and 200 x 7,
/// each with batch normalisation, ReLU and a max pool of 3, 4 and 4; dense layers of 1,000, 1,000 and 164.
pub fn basset(normal: Normal<'_>) -> GraphBuilder {
    let mut net = Net::basset("basset", normal);
    net.flatten().hidden(1_000).hidden(1_000).dense(164);
    net.builder
}

/// DeepSTARR over 249 bases (de Almeida et al. 2022): convolutions of 256 x 7, 60 x 3, 60 x 5 and 120 x 3,
/// padded, each with batch normalisation, ReLU and a max pool of 2; dense layers of 256, 256 and 2.
pub fn deepstarr(normal: Normal<'_>) -> GraphBuilder {
    let mut net = Net::new("deepstarr", 249, normal);
    for (channels, width) in [(256, 7), (60, 3), (60, 5), (120, 3)] {
        net.padded(channels, width, 1)
            .batch_norm()
            .relu()
            .max_pool(2);
    }
    net.flatten().hidden(256).hidden(256).dense(2);
    net.builder
}

/// Malinois over 600 bases (Gosai et al. 2024): Basset's convolutions, a dense layer of 1,000, and 3
/// outputs (its branched layers in one).
pub fn malinois(normal: Normal<'_>) -> GraphBuilder {
    let mut net = Net::basset("malinois", normal);
    net.flatten().hidden(1_000).hidden(420).dense(3);
    net.builder
}

/// BPNet's trunk with its head of counts over 2,114 bases (Avsec et al. 2021; the sizes are those of
/// bpnet-lite): a convolution of 21, eight residual ones of 3 with dilations 2 to 256, all of `filters`,
/// the mean over the middle 1,000 and 74 on either side, and one output. ChromBPNet (Pampari et al.
/// 2024) has 512 filters.
pub fn bpnet(normal: Normal<'_>, filters: usize) -> GraphBuilder {
    let mut net = Net::new("bpnet", 2_114, normal);
    net.padded(filters, 21, 1).relu();
    for layer in 1..=8 {
        let before = net.tensor.clone();
        net.padded(filters, 3, 1 << layer).relu();
        net.tensor = net.builder.node("Add", &[&before, &net.tensor], vec![]);
    }
    let cut = |net: &mut Net<'_>, name: &str, at: i64| net.builder.ints(name, &[at]);
    let from = cut(&mut net, "from", (2_114 - 1_148) / 2);
    let to = cut(&mut net, "to", (2_114 + 1_148) / 2);
    let axis = cut(&mut net, "axis", 2);
    let inputs = [&net.tensor, &from, &to, &axis].map(String::as_str);
    net.tensor = net.builder.node("Slice", &inputs, vec![]);
    net.tensor = net
        .builder
        .node("GlobalAveragePool", &[&net.tensor], vec![]);
    net.length = 1;
    net.flatten().dense(1);
    net.builder
}

/// The deepest of the paper's search in the middle of its ranges (paper, 4.2.2): ten convolutions of 65 x 11, padded,
/// each with ReLU, max pool 30, dense layers of 65 and 4.
pub fn search(normal: Normal<'_>) -> GraphBuilder {
    let mut net = Net::new("search", WINDOW, normal);
    for _ in 0..10 {
        net.padded(65, 11, 1).relu();
    }
    net.max_pool(30).flatten().hidden(65).dense(4);
    net.builder
}

/// MPRA-LegNet over 230 bases (Penzar et al. 2023; Agarwal et al. 2025): a convolution of 64 x 11, then four
/// times a block of 4 times as many filters (1 x 1, 9 of one channel each, squeeze-excite, 1 x 1) beside its own input,
/// a convolution of 80, 96, 112 and 128 x 9 and a max pool of 2; 1 x 1, the mean of all positions, two dense
/// layers. All with batch normalisation and SiLU. Without `excite` there is no squeeze-excite.
pub fn legnet(normal: Normal<'_>, excite: bool) -> GraphBuilder {
    let mut net = Net::new("legnet", 230, normal);
    net.padded(64, 11, 1).batch_norm().silu();
    for channels in [80, 96, 112, 128] {
        let (before, width) = (net.tensor.clone(), net.channels);
        net.padded(4 * width, 1, 1).batch_norm().silu();
        net.depthwise(9).batch_norm().silu();
        if excite {
            net.squeeze_excite();
        }
        net.padded(width, 1, 1).batch_norm().silu();
        let axis = vec![AttributeProto::of_int("axis", 1)];
        let both = [&before, &net.tensor].map(String::as_str);
        net.tensor = net.builder.node("Concat", &both, axis);
        net.channels = 2 * width;
        net.padded(channels, 9, 1).batch_norm().silu().max_pool(2);
    }
    net.padded(256, 1, 1).batch_norm().silu();
    net.tensor = net
        .builder
        .node("GlobalAveragePool", &[&net.tensor], vec![]);
    net.length = 1;
    net.flatten().hidden(256).dense(1);
    net.builder
}

struct Net<'a> {
    builder: GraphBuilder,
    normal: Normal<'a>,
    tensor: String,
    channels: usize,
    length: usize,
    weights: usize,
}

impl<'a> Net<'a> {
    fn new(name: &str, length: usize, normal: Normal<'a>) -> Self {
        let mut builder = GraphBuilder::new(name);
        builder.input("sequence", &[Err("batch"), Ok(4), Ok(length)]);
        Self {
            builder,
            normal,
            tensor: "sequence".into(),
            channels: 4,
            length,
            weights: 0,
        }
    }

    fn weight(&mut self, dims: &[usize], mean: f32, deviation: f32) -> String {
        self.weights += 1;
        let values: Vec<f32> = (0..dims.iter().product())
            .map(|_| mean + deviation * (self.normal)())
            .collect();
        self.builder
            .weight(&format!("w{}", self.weights), dims, &values)
    }

    /// Basset's convolutions and pools.
    fn basset(name: &str, normal: Normal<'a>) -> Self {
        let mut net = Self::new(name, 600, normal);
        for (channels, width, pool) in [(300, 19, 3), (200, 11, 4), (200, 7, 4)] {
            net.padded(channels, width, 1)
                .batch_norm()
                .relu()
                .max_pool(pool);
        }
        net
    }

    /// Without padding.
    fn conv(&mut self, channels: usize, width: usize) -> &mut Self {
        self.length -= width - 1;
        self.convolution(channels, width, vec![])
    }

    /// Padded with zeros, so that there are as many positions behind it as before it.
    fn padded(&mut self, channels: usize, width: usize, dilation: usize) -> &mut Self {
        let reach = dilation * (width - 1);
        let pads = [(reach / 2) as i64, (reach - reach / 2) as i64];
        let attributes = vec![
            AttributeProto::of_ints("pads", &pads),
            AttributeProto::of_ints("dilations", &[dilation as i64]),
        ];
        self.convolution(channels, width, attributes)
    }

    /// He-initialised: the variance of activations stays the same through ReLU layers. Of the
    /// first convolution's inputs only one in four is set.
    fn convolution(
        &mut self,
        channels: usize,
        width: usize,
        attributes: Vec<AttributeProto>,
    ) -> &mut Self {
        let set = if self.weights == 0 {
            width
        } else {
            self.channels * width
        };
        let deviation = (2.0 / set as f32).sqrt();
        let weight = self.weight(&[channels, self.channels, width], 0.0, deviation);
        let bias = self.weight(&[channels], 0.0, 0.1);
        let inputs = [&self.tensor, &weight, &bias].map(String::as_str);
        self.tensor = self.builder.node("Conv", &inputs, attributes);
        self.channels = channels;
        self
    }

    /// A dense layer with a ReLU.
    fn hidden(&mut self, outputs: usize) -> &mut Self {
        let inputs = self.channels * self.length;
        let weight = self.weight(&[inputs, outputs], 0.0, (2.0 / inputs as f32).sqrt());
        let bias = self.weight(&[outputs], 0.0, 0.1);
        let inputs = [&self.tensor, &weight, &bias].map(String::as_str);
        self.tensor = self.builder.node("Gemm", &inputs, vec![]);
        (self.channels, self.length) = (outputs, 1);
        self.relu()
    }

    fn silu(&mut self) -> &mut Self {
        let gate = self.builder.node("Sigmoid", &[&self.tensor], vec![]);
        let inputs = [&self.tensor, &gate].map(String::as_str);
        self.tensor = self.builder.node("Mul", &inputs, vec![]);
        self
    }

    /// A convolution of each channel by itself, padded.
    fn depthwise(&mut self, width: usize) -> &mut Self {
        let weight = self.weight(&[self.channels, 1, width], 0.0, (2.0 / width as f32).sqrt());
        let reach = (width - 1) as i64;
        let attributes = vec![
            AttributeProto::of_ints("pads", &[reach / 2, reach - reach / 2]),
            AttributeProto::of_int("group", self.channels as i64),
        ];
        let inputs = [&self.tensor, &weight].map(String::as_str);
        self.tensor = self.builder.node("Conv", &inputs, attributes);
        self
    }

    /// Each channel times what two dense layers make of all channels' means (Hu et al. 2018).
    fn squeeze_excite(&mut self) -> &mut Self {
        let (all, channels, length) = (self.tensor.clone(), self.channels, self.length);
        self.tensor = self.builder.node("GlobalAveragePool", &[&all], vec![]);
        self.length = 1;
        self.flatten();
        for outputs in [channels / 4, channels] {
            let inputs = self.channels;
            let weight = self.weight(&[inputs, outputs], 0.0, (1.0 / inputs as f32).sqrt());
            let bias = self.weight(&[outputs], 0.0, 0.1);
            let inputs = [&self.tensor, &weight, &bias].map(String::as_str);
            self.tensor = self.builder.node("Gemm", &inputs, vec![]);
            self.channels = outputs;
            if outputs < channels {
                self.silu();
            }
        }
        let gate = self.builder.node("Sigmoid", &[&self.tensor], vec![]);
        let axis = self.builder.ints(&format!("axis{}", self.weights), &[2]);
        let gate = self.builder.node("Unsqueeze", &[&gate, &axis], vec![]);
        self.tensor = self.builder.node("Mul", &[&all, &gate], vec![]);
        self.length = length;
        self
    }

    fn relu(&mut self) -> &mut Self {
        self.tensor = self.builder.node("Relu", &[&self.tensor], vec![]);
        self
    }

    fn batch_norm(&mut self) -> &mut Self {
        let n = [self.channels];
        let gamma = self.weight(&n, 1.0, 0.1);
        let beta = self.weight(&n, 0.0, 0.1);
        let mean = self.weight(&n, 0.5, 0.1);
        // Never negative: deviations of 0.1 around 1.
        let variance = self.weight(&n, 1.0, 0.05);
        self.tensor = self.builder.node(
            "BatchNormalization",
            &[&self.tensor, &gamma, &beta, &mean, &variance],
            vec![AttributeProto::of_float("epsilon", 1e-3)],
        );
        self
    }

    fn max_pool(&mut self, size: usize) -> &mut Self {
        self.tensor = self.builder.node(
            "MaxPool",
            &[&self.tensor],
            vec![
                AttributeProto::of_ints("kernel_shape", &[size as i64]),
                AttributeProto::of_ints("strides", &[size as i64]),
            ],
        );
        self.length /= size;
        self
    }

    fn transpose(&mut self) -> &mut Self {
        self.tensor = self.builder.node(
            "Transpose",
            &[&self.tensor],
            vec![AttributeProto::of_ints("perm", &[0, 2, 1])],
        );
        self
    }

    fn flatten(&mut self) -> &mut Self {
        self.tensor = self.builder.node(
            "Flatten",
            &[&self.tensor],
            vec![AttributeProto::of_int("axis", 1)],
        );
        self
    }

    /// The last layer: `tasks` activities of deviation about one.
    fn dense(&mut self, tasks: usize) {
        let inputs = self.channels * self.length;
        let deviation = (1.0 / inputs as f32).sqrt();
        let weight = self.weight(&[inputs, tasks], 0.0, deviation);
        let bias = self.weight(&[tasks], 0.0, 0.1);
        self.builder
            .node_to("Gemm", &[&self.tensor, &weight, &bias], vec![], "activity");
        self.builder.output("activity", &[Err("batch"), Ok(tasks)]);
    }
}

/// Standard normal numbers from a seed (SplitMix64 and the Box-Muller transform): the same on
/// every machine, so that fixtures can be made again.
pub fn normal_from(seed: u64) -> impl FnMut() -> f32 {
    let mut state = seed;
    move || {
        let mut uniform = || {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = state;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
        };
        let radius = (-2.0 * (1.0 - uniform()).ln()).sqrt();
        (radius * (std::f64::consts::TAU * uniform()).cos()) as f32
    }
}
