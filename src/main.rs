//! The `mpra-score` program. Everything is in the library; what is typed and printed, in its `cli`.

use std::process::ExitCode;

fn main() -> ExitCode {
    mpra_score::cli::main()
}
