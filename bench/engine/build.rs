//! Looks for Debian's librocksdb. With it the crate is compiled with the comparison (cfg `rocksdb`) and linked
//! against it, else without; the program says which.

use std::{env, fs, path::Path};

/// Set to leave RocksDB out although it is there.
const WITHOUT: &str = "ENGINE_BENCH_WITHOUT_ROCKSDB";
/// What the declarations in `store/rocksdb/ffi.rs` were taken from. A build where it is absent runs this script
/// again at the next build, so that an installation in between is seen.
const HEADER: &str = "/usr/include/rocksdb/c.h";

fn main() {
    println!("cargo::rustc-check-cfg=cfg(rocksdb)");
    println!("cargo::rerun-if-env-changed={WITHOUT}");
    println!("cargo::rerun-if-changed={HEADER}");
    if env::var_os(WITHOUT).is_none() && Path::new(HEADER).is_file() && has_library() {
        println!("cargo::rustc-cfg=rocksdb");
        println!("cargo::rustc-link-lib=dylib=rocksdb");
    }
}

/// Whether the linker will find the library in one of Debian's folders.
fn has_library() -> bool {
    let folders = fs::read_dir("/usr/lib").into_iter().flatten().flatten();
    folders.map(|entry| entry.path()).any(|folder| folder.join("librocksdb.so").exists())
}
