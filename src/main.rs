//! The `rundbrief` program: hands the command line to [`rundbrief::commands`].

fn main() -> std::process::ExitCode {
    rundbrief::commands::main()
}
