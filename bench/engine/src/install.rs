//! Gets RocksDB onto the machine and the program compiled with it, where that is possible.

use std::{
    env,
    os::unix::process::CommandExt,
    path::Path,
    process::{Command, Stdio},
};

/// Says to the new program that it is new.
const TRIED: &str = "ENGINE_BENCH_BUILT_FOR_ROCKSDB";
/// What the program is compiled with, and its header.
const PACKAGE: &str = "librocksdb-dev";
const HEADER: &str = "/usr/include/rocksdb/c.h";

/// Installs RocksDB, compiles the program anew and goes on in the new one. If it returns, that was not possible,
/// for the reason that it answers.
pub fn try_with_rocksdb() -> String {
    if env::var_os(TRIED).is_some() {
        return format!("the program was compiled without it although {PACKAGE} is there");
    }
    if !Path::new(HEADER).exists() {
        eprintln!("installing {PACKAGE} ...");
        for arguments in [&["update"][..], &["install", "-y", "--no-install-recommends", PACKAGE]] {
            let mut command = Command::new("apt-get");
            let status =
                command.args(arguments).env("DEBIAN_FRONTEND", "noninteractive").stdout(Stdio::null());
            if !status.status().is_ok_and(|status| status.success()) {
                eprintln!("apt-get {} failed", arguments.join(" "));
            }
        }
    }
    if !Path::new(HEADER).exists() {
        return format!("{PACKAGE} is absent and could not be installed");
    }
    let Ok(program) = env::current_exe() else { return "the program cannot find itself".to_owned() };
    eprintln!("compiling with RocksDB ...");
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    let build = ["build", "--release", "--manifest-path", manifest];
    if !Command::new("cargo").args(build).status().is_ok_and(|status| status.success()) {
        return "the program could not be compiled with it".to_owned();
    }
    let error = Command::new(program).args(env::args_os().skip(1)).env(TRIED, "1").exec();
    format!("the new program could not be started: {error}")
}
