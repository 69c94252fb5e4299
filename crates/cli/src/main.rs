//! The `kayako-migrate` program. Everything it does is in the library, where tests and benchmarks reach it.

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main()
}
