//! `clockwise check` on the folder of a real server: good, in use, damaged.

use super::harness::{Finished, TestCluster, alone, finish, ok};
use std::{fs, path::Path};

fn check(folder: &Path, more: &[&str]) -> Finished {
    finish(["check"].into_iter().chain(more.iter().copied()).chain([folder.to_str().unwrap()]))
}

fn flip(path: &Path, at: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[at] ^= 4;
    fs::write(path, bytes).unwrap();
}

/// All files of a folder with their bytes.
fn image(folder: &Path) -> Vec<(std::path::PathBuf, Vec<u8>)> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        if entry.file_type().unwrap().is_dir() {
            files.extend(image(&entry.path()));
        } else {
            files.push((entry.path(), fs::read(entry.path()).unwrap()));
        }
    }
    files.sort();
    files
}

#[test]
fn a_folder_is_looked_through_and_damage_is_named() {
    let _turn = alone();
    let mut cluster = TestCluster::ready(1, &["--memtable", "4MiB"]);
    let data = cluster.data(0);
    for number in 0..150 {
        let value = format!("{number} {}", "v".repeat(100_000));
        assert_eq!(cluster.call(0, &["SET", &format!("key-{number}"), &value]), ok());
    }
    let in_use = check(&data, &[]);
    assert!(in_use.code == Some(2) && in_use.err.contains("a server runs on it"), "{in_use:?}");
    cluster.kill(0);

    let before = image(&data);
    let good = check(&data, &[]);
    assert!(good.code == Some(0) && good.out.contains("is good"), "{good:?}");
    let json: serde_json::Value = serde_json::from_str(&check(&data, &["--json"]).out).unwrap();
    assert_eq!((&json["good"], &json["checked"]), (&true.into(), &true.into()), "{json}");
    assert!(json["tables"].as_u64().unwrap() > 0 && json["batches"].as_u64().unwrap() > 0, "{json}");
    assert!(image(&data) == before, "nothing was changed");

    let mut tables = fs::read_dir(data.join("cells")).unwrap().map(|entry| entry.unwrap().path());
    let table = tables.find(|path| path.extension().is_some_and(|kind| kind == "sst")).unwrap();
    flip(&table, 60);
    let name = format!("cells/{}", table.file_name().unwrap().to_str().unwrap());
    let damaged = check(&data, &[]);
    assert_eq!(damaged.code, Some(1), "{damaged:?}");
    for words in [&*name, "byte 16: a block is damaged; it touches ", "DAMAGED in one place"] {
        assert!(damaged.out.contains(words), "{words}: {}", damaged.out);
    }
    let json: serde_json::Value = serde_json::from_str(&check(&data, &["--json"]).out).unwrap();
    let finding = &json["damage"][0];
    assert_eq!((&finding["path"], &finding["offset"]), (&name.into(), &16.into()), "{json}");
    assert!(finding["slots"][0]["count"].as_u64().unwrap() >= 1, "{json}");
    // The server starts all the same, and serves what is sound.
    cluster.start(0, &[]);
    cluster.wait_until_it_answers(0);
    cluster.stop(0);

    flip(&data.join("identity"), 20);
    let identity = check(&data, &[]);
    assert!(
        identity.code == Some(1) && identity.out.contains("identity: the record is damaged"),
        "{identity:?}"
    );
    fs::remove_file(data.join("layout")).unwrap();
    fs::remove_file(data.join("identity")).unwrap();
    assert!(check(&data, &[]).out.contains("identity: the record is missing; it touches all slots"));
}

#[test]
fn what_is_no_data_folder_cannot_be_checked() {
    let folder = tempfile::tempdir().unwrap();
    let missing = check(&folder.path().join("missing"), &[]);
    assert!(missing.code == Some(2) && missing.err.contains("no such folder"), "{missing:?}");
    assert!(!folder.path().join("missing").exists());
    let other = check(folder.path(), &["--json"]);
    let json: serde_json::Value = serde_json::from_str(&other.out).unwrap();
    assert!(other.code == Some(2) && json["checked"] == false, "{other:?}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "not even a lock");
    assert_eq!(finish(["check"]).code, Some(2), "wrong usage");
}
