//! Slopes of the activations.

use super::network::Function;

impl Function {
    /// The derivative at `x`; at a kink that of the side that autograd takes, 0 at that of a rectifier.
    pub(crate) fn slope(self, x: f32) -> f32 {
        let sigmoid = |x: f32| Self::Sigmoid.of(x);
        let inside = |low: f32, high: f32| low <= x && x <= high;
        match self {
            Self::Relu => f32::from(u8::from(x > 0.0)),
            Self::LeakyRelu(alpha) => match x > 0.0 {
                true => 1.0,
                false => alpha,
            },
            Self::Sigmoid => sigmoid(x) * sigmoid(-x),
            Self::Tanh => 1.0 - x.tanh().powi(2),
            Self::Elu(alpha) => match x > 0.0 {
                true => 1.0,
                false => alpha * x.exp(),
            },
            Self::Softplus => sigmoid(x),
            Self::GeluTanh => {
                const A: f32 = 0.797_884_6;
                const B: f32 = 0.044_715;
                let t = (A * (x + B * x.powi(3))).tanh();
                0.5 * (1.0 + t) + 0.5 * x * (1.0 - t * t) * A * (1.0 + 3.0 * B * x * x)
            }
            Self::Gelu => {
                let normal = (-0.5 * x * x).exp() * 0.398_942_3;
                0.5 * (1.0 + libm::erff(x * std::f32::consts::FRAC_1_SQRT_2)) + x * normal
            }
            Self::Erf => std::f32::consts::FRAC_2_SQRT_PI * (-x * x).exp(),
            Self::Exp => x.exp(),
            Self::Log => 1.0 / x,
            Self::Sqrt => 0.5 / x.sqrt(),
            Self::Abs => match x == 0.0 {
                true => 0.0,
                false => x.signum(),
            },
            Self::Neg => -1.0,
            Self::Reciprocal => -1.0 / (x * x),
            Self::Softsign => (1.0 + x.abs()).powi(-2),
            Self::Mish => {
                let t = Self::Softplus.of(x).tanh();
                t + x * (1.0 - t * t) * sigmoid(x)
            }
            Self::Swish(alpha) => {
                let s = sigmoid(alpha * x);
                s + alpha * x * s * (1.0 - s)
            }
            Self::HardSigmoid(alpha, beta) => {
                let y = alpha * x + beta;
                match 0.0 < y && y < 1.0 {
                    true => alpha,
                    false => 0.0,
                }
            }
            Self::HardSwish => match x {
                _ if x <= -3.0 => 0.0,
                _ if x >= 3.0 => 1.0,
                _ => x / 3.0 + 0.5,
            },
            Self::Selu(alpha, gamma) => match x > 0.0 {
                true => gamma,
                false => gamma * alpha * x.exp(),
            },
            Self::Power(power) => power * x.powf(power - 1.0),
            Self::Clip(low, high) => f32::from(u8::from(inside(low, high))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slopes_are_those_of_differences() {
        let all = [
            Function::Relu,
            Function::LeakyRelu(0.1),
            Function::Sigmoid,
            Function::Tanh,
            Function::Elu(0.7),
            Function::Softplus,
            Function::GeluTanh,
            Function::Gelu,
            Function::Erf,
            Function::Exp,
            Function::Log,
            Function::Sqrt,
            Function::Abs,
            Function::Neg,
            Function::Reciprocal,
            Function::Softsign,
            Function::Mish,
            Function::Swish(1.7),
            Function::HardSigmoid(0.2, 0.5),
            Function::HardSwish,
            Function::Selu(1.67, 1.05),
            Function::Power(3.0),
            Function::Clip(-0.5, 1.5),
        ];
        let step = 1.0 / 256.0;
        for function in all {
            let positive = matches!(function, Function::Log | Function::Sqrt);
            // Off the kinks, and off 0 for what has no value there.
            for i in -36..=36 {
                let x = i as f32 / 11.0 + 0.023;
                if (positive && x < 0.3) || (function == Function::Reciprocal && x.abs() < 0.3) {
                    continue;
                }
                let difference = (function.of(x + step) - function.of(x - step)) / (2.0 * step);
                let slope = function.slope(x);
                assert!(
                    (slope - difference).abs() < 2e-3 * slope.abs().max(1.0),
                    "{function:?} at {x}: {slope}, by differences {difference}"
                );
            }
        }
        assert_eq!(Function::Relu.slope(0.0), 0.0);
        assert_eq!(Function::Abs.slope(0.0), 0.0);
    }
}
