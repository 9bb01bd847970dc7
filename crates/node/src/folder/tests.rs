//! Lives of a folder: clean and unclean stops, folders of others, damage.

use super::{BootError, Folder};
use crate::settings::Settings;
use clockwise_core::{
    hlc::Hlc,
    identity::Identity,
    ids::{Epoch, MemberNumber, NodeId},
    layout::{Addresses, Layout, LayoutSpec, Member},
    version::{DigestKey, TokenKey},
};
use std::{fs, path::Path, sync::Arc};

fn settings(path: &Path) -> Settings {
    Settings { data_dir: path.to_path_buf(), ..Settings::default() }
}

fn open(path: &Path) -> Result<Folder, BootError> {
    Folder::open(&settings(path))
}

fn layout(node: NodeId, epoch: u64) -> Arc<Layout> {
    let member = Member {
        number: MemberNumber(1),
        node,
        token_seed: 7,
        weight: 1,
        dc: "dc1".to_owned(),
        rack: "rack1".to_owned(),
        addresses: Addresses {
            peer: "127.0.0.1:1".to_owned(),
            cluster: "127.0.0.1:2".to_owned(),
            plain: "127.0.0.1:3".to_owned(),
            http: "127.0.0.1:4".to_owned(),
        },
    };
    let spec = LayoutSpec {
        cluster: [9; 16],
        epoch: Epoch(epoch),
        replicas: 1,
        token_key: TokenKey([1; 16]),
        digest_key: DigestKey([2; 16]),
        members: vec![member],
    };
    Arc::new(Layout::new(spec).unwrap())
}

#[test]
fn a_clean_stop_keeps_the_incarnation_and_any_other_takes_a_new_one() {
    let dir = tempfile::tempdir().unwrap();
    let mut first = open(dir.path()).unwrap();
    assert_eq!((first.identity.incarnation, first.clean_start, first.clock_floor), (1, true, Hlc::ZERO));
    let node = first.identity.node;
    let reserved = first.identity.reserved;
    first.stop_cleanly().unwrap();
    drop(first);
    let second = open(dir.path()).unwrap();
    assert_eq!((second.identity.node, second.identity.incarnation, second.clean_start), (node, 1, true));
    assert_eq!(second.clock_floor, reserved);
    drop(second);
    let third = open(dir.path()).unwrap();
    assert_eq!((third.identity.node, third.identity.incarnation, third.clean_start), (node, 2, false));
    assert_eq!(third.identity.starts, 3, "clean starts count too");
}

/// As drawn in `docs/formats/folder.md`.
#[test]
fn the_stored_identity_is_as_drawn() {
    let identity = Identity {
        node: NodeId([0xab; 20]),
        incarnation: 2,
        starts: 300,
        reserved: Hlc(1),
        clean: true,
        epoch: Epoch(7),
    };
    let golden = [&[1][..], &[0xab; 20], &[2, 0xac, 2, 1, 1, 7]].concat();
    assert_eq!(identity.encode(), golden);
    assert_eq!(Identity::decode(golden.into()), Ok(identity));
}

#[test]
fn what_was_taken_is_there_in_the_next_life() {
    let dir = tempfile::tempdir().unwrap();
    let mut folder = open(dir.path()).unwrap();
    folder.take_incarnation(7).unwrap();
    folder.take_incarnation(3).unwrap();
    let far = Hlc(folder.identity.reserved.0 + (1 << 40));
    let reserved = folder.reserve_clock(far).unwrap();
    assert!(reserved >= far);
    folder.save_layout(layout(folder.identity.node, 4)).unwrap();
    assert!(folder.save_layout(layout(folder.identity.node, 3)).is_err(), "a layout never goes back");
    drop(folder);
    let next = open(dir.path()).unwrap();
    assert_eq!(next.identity.incarnation, 8);
    assert_eq!(next.clock_floor, reserved);
    assert_eq!(next.layout.unwrap().epoch(), Epoch(4));
}

#[test]
fn a_folder_serves_one_server_at_a_time() {
    let dir = tempfile::tempdir().unwrap();
    let folder = open(dir.path()).unwrap();
    let refused = open(dir.path()).unwrap_err();
    assert!(matches!(refused, BootError::InUse { .. }), "{refused}");
    drop(folder);
    // A lock file that came with a copy locks nothing.
    let copy = tempfile::tempdir().unwrap();
    for name in ["LOCK", "format", "identity"] {
        fs::copy(dir.path().join(name), copy.path().join(name)).unwrap();
    }
    open(copy.path()).unwrap();
}

#[test]
fn folders_of_others_are_refused_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("thesis.txt"), "years of work").unwrap();
    let refused = open(dir.path()).unwrap_err().to_string();
    assert!(refused.contains("thesis.txt"), "{refused}");
    assert!(!dir.path().join("identity").exists());

    let own = tempfile::tempdir().unwrap();
    let node = open(own.path()).unwrap().identity.node;
    let expecting = |node| Settings { node_id: Some(node), ..settings(own.path()) };
    let refused = Folder::open(&expecting(NodeId([5; 20]))).unwrap_err().to_string();
    assert!(refused.contains(&node.to_string()) && refused.contains("0505"), "{refused}");
    Folder::open(&expecting(node)).unwrap();
    let empty = tempfile::tempdir().unwrap();
    let on_empty = Settings { node_id: Some(node), ..settings(empty.path()) };
    assert!(matches!(Folder::open(&on_empty), Err(BootError::OtherNode { found: None, .. })));
}

#[test]
fn a_layout_without_this_node_is_refused() {
    let mine = tempfile::tempdir().unwrap();
    let other = tempfile::tempdir().unwrap();
    open(mine.path()).unwrap();
    let mut folder = open(other.path()).unwrap();
    folder.save_layout(layout(folder.identity.node, 1)).unwrap();
    drop(folder);
    fs::copy(other.path().join("layout"), mine.path().join("layout")).unwrap();
    let refused = open(mine.path()).unwrap_err();
    assert!(matches!(refused, BootError::LayoutOfOthers { .. }), "{refused}");
    // And an installed layout cannot vanish.
    fs::remove_file(other.path().join("layout")).unwrap();
    let refused = open(other.path()).unwrap_err();
    assert!(matches!(refused, BootError::LayoutLost { epoch: 1, found: 0, .. }), "{refused}");
}

#[test]
fn other_formats_and_damage_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let folder = open(dir.path()).unwrap();
    clockwise_store::meta::save(&*folder.disk, "format", b"clockwise 99").unwrap();
    drop(folder);
    let refused = open(dir.path()).unwrap_err().to_string();
    assert!(refused.contains("clockwise 99"), "{refused}");

    let dir = tempfile::tempdir().unwrap();
    open(dir.path()).unwrap();
    let path = dir.path().join("identity");
    let mut bytes = fs::read(&path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&path, &bytes).unwrap();
    let refused = open(dir.path()).unwrap_err();
    assert!(matches!(refused, BootError::Damaged { record: "identity", .. }), "{refused}");
    // A folder that lost its identity but not its data must not get a new one.
    fs::remove_file(&path).unwrap();
    fs::create_dir(dir.path().join("log")).unwrap();
    let refused = open(dir.path()).unwrap_err();
    assert!(matches!(refused, BootError::Damaged { record: "identity", .. }), "{refused}");
}

#[test]
fn a_start_that_was_cut_off_is_finished_by_the_next() {
    let dir = tempfile::tempdir().unwrap();
    open(dir.path()).unwrap();
    // As if the power went after the mark.
    fs::rename(dir.path().join("identity"), dir.path().join("identity.tmp")).unwrap();
    assert_eq!(open(dir.path()).unwrap().identity.incarnation, 1);
}
