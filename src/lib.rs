pub mod encode;
pub mod genome;
