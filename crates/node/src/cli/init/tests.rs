//! Plans for servers that are new, half done, done, or of others.

use super::plan::{Plan, hex, plan};
use crate::client::{Identified, ServerAddresses};

fn server(number: u8) -> (String, Identified) {
    let at = |base: u32| format!("127.0.0.1:{}", base + u32::from(number));
    let addresses = ServerAddresses { peer: at(9000), cluster: at(7000), plain: at(6000), http: at(8000) };
    let identified = Identified {
        node: format!("{number:040x}"),
        version: "0".to_owned(),
        addresses,
        dc: "dc1".to_owned(),
        rack: "rack1".to_owned(),
        weight: 1,
        epoch: 0,
        cluster: None,
        layout: None,
    };
    (at(7000), identified)
}

fn servers() -> Vec<(String, Identified)> {
    (1..=3).map(server).collect()
}

/// Random enough here: every call gives other bytes.
fn source() -> impl FnMut(&mut [u8]) -> Result<(), String> {
    let mut next = 0u8;
    move |bytes| {
        bytes.iter_mut().for_each(|byte| {
            next = next.wrapping_add(1);
            *byte = next;
        });
        Ok(())
    }
}

fn planned(servers: &[(String, Identified)], replicas: u8) -> Result<Plan, String> {
    plan(servers, replicas, &mut source())
}

/// The server as it is after the install.
fn install(server: &mut (String, Identified), plan: &Plan) {
    server.1.epoch = 1;
    server.1.cluster = Some(hex(&plan.layout.spec().cluster));
    server.1.layout = Some(hex(&plan.layout.encode()));
}

#[test]
fn new_servers_get_a_new_layout() {
    let plan = planned(&servers(), 3).unwrap();
    assert_eq!(plan.missing, [0, 1, 2]);
    let spec = plan.layout.spec();
    assert_eq!((spec.epoch.0, spec.replicas, spec.members.len()), (1, 3, 3));
    assert_eq!(spec.members[1].addresses.peer, "127.0.0.1:9002");
    assert_ne!(spec.members[0].token_seed, spec.members[1].token_seed);
    assert_ne!(spec.token_key.0, spec.digest_key.0);
}

#[test]
fn a_half_done_init_is_completed() {
    let mut servers = servers();
    let first = planned(&servers, 3).unwrap();
    install(&mut servers[1], &first);
    let second = planned(&servers, 3).unwrap();
    assert_eq!(second.missing, [0, 2]);
    assert_eq!(second.layout.spec(), first.layout.spec());
    install(&mut servers[0], &second);
    install(&mut servers[2], &second);
    assert!(planned(&servers, 3).unwrap().missing.is_empty());
}

#[test]
fn what_cannot_be_one_cluster_is_refused() {
    let twice = [server(1), server(2), server(1)];
    assert!(planned(&twice, 3).unwrap_err().contains("same server"));
    let mut mixed = servers();
    let one = planned(&mixed[..1], 1).unwrap();
    install(&mut mixed[0], &one);
    let other_members = planned(&mixed, 1).unwrap_err();
    assert!(other_members.contains("other servers"), "{other_members}");
    let alone = planned(&mixed[1..2], 1).unwrap();
    install(&mut mixed[1], &alone);
    mixed[1].1.cluster = Some("77".repeat(16));
    let two_clusters = planned(&mixed, 1).unwrap_err();
    assert!(two_clusters.contains("two clusters"), "{two_clusters}");
    let mut done = servers();
    let plan = planned(&done, 3).unwrap();
    done.iter_mut().for_each(|server| install(server, &plan));
    assert!(planned(&done, 2).unwrap_err().contains("--replicas 3"));
    assert!(planned(&servers(), 0).is_err());
    done[0].1.layout = Some("zz".to_owned());
    assert!(planned(&done, 3).unwrap_err().contains("cannot read"));
}
