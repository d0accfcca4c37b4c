//! The `mpra-score` program. Everything is in the library; what is typed and printed, in its `cli`.

use std::process::ExitCode;

use mpra_score::cli::Checked;

#[global_allocator]
static ALLOCATOR: Checked = Checked;

fn main() -> ExitCode {
    mpra_score::cli::main()
}
