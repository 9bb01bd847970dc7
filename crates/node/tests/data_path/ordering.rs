//! Pipelines: replies in order, reads after writes of their key, commands without a key after everything.

use crate::harness::{Cluster, text};

#[test]
fn a_long_pipeline_of_everything_is_answered_in_order() {
    let cluster = Cluster::start([3, 1, 2]);
    for server in &cluster.servers {
        let mut client = server.client();
        let mut lines = Vec::new();
        let mut answers = Vec::new();
        let mut say = |line: String, answer: String| {
            lines.push(line);
            answers.push(answer);
        };
        for round in 0..400 {
            let key = format!("{}:{}", server.node, round % 50);
            say(format!("SET {key} {round}"), "OK".to_owned());
            say(format!("GET {key}"), round.to_string());
            match round % 4 {
                0 => say("PING".to_owned(), "PONG".to_owned()),
                1 => say(format!("MGET {key} {key}"), format!("{round} {round}")),
                2 => say(format!("SET {key} again"), "OK".to_owned()),
                _ => say(format!("EXISTS {key} nothing"), "1".to_owned()),
            }
        }
        client.send(&lines);
        for (line, answer) in lines.iter().zip(&answers) {
            assert_eq!(&text(&client.reply()), answer, "{line}");
        }
    }
}

#[test]
fn a_pipeline_deeper_than_the_cap_is_served_whole() {
    let cluster = Cluster::start([2, 2, 2]);
    let mut client = cluster.servers[0].client();
    let lines: Vec<String> = (0..5_000).map(|number| format!("SET deep:{number} {number}")).collect();
    client.send(&lines);
    for line in &lines {
        assert_eq!(text(&client.reply()), "OK", "{line}");
    }
    let keys: Vec<String> = (0..5_000).map(|number| format!("deep:{number}")).collect();
    let all = client.text(&format!("MGET {}", keys.join(" ")));
    assert_eq!(all, (0..5_000).map(|number| number.to_string()).collect::<Vec<_>>().join(" "));
    assert_eq!(client.text(&format!("DEL {}", keys.join(" "))), "5000");
}

#[test]
fn a_client_that_does_not_read_is_not_served_on() {
    let cluster = Cluster::start_with(&[1], |_| {});
    let mut client = cluster.servers[0].client();
    let value = "x".repeat(100_000);
    assert_eq!(client.text(&format!("SET big {value}")), "OK");
    // 300 MB of replies are asked for; the server must hold back long before.
    let lines: Vec<String> = (0..3_000).map(|_| "GET big".to_owned()).collect();
    client.send(&lines);
    std::thread::sleep(std::time::Duration::from_millis(300));
    let held: u64 = cluster.servers[0].handle().metrics().commands.iter().map(|command| command.done).sum();
    assert!(held < 1_000, "{held} commands were served to a client that reads nothing");
    for _ in 0..3_000 {
        assert_eq!(text(&client.reply()).len(), 100_000);
    }
}
