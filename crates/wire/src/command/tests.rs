use super::*;
use crate::{
    context,
    resp::{Protocol, Reply, ReplyParser, ReplyWriter},
};
use alloc::{
    string::{String, ToString},
    vec,
};
use bytes::BytesMut;
use clockwise_core::{
    request::{Level, Need},
    slot::Slot,
};

fn parse(line: &str) -> Result<Command, WireError> {
    let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
    Command::parse(&Args::from_slices(&words))
}

fn error(line: &str) -> String {
    match parse(line) {
        Err(WireError::Answer(text)) => text.to_string(),
        other => panic!("{line}: {other:?}"),
    }
}

fn ask(line: &str, protocol: Protocol) -> Reply {
    let mut out = Vec::new();
    let mut writer = ReplyWriter::new(&mut out, protocol);
    match parse(line) {
        Ok(Command::Command(query)) => query.write(&mut writer),
        Ok(Command::Help(row)) => write_help(row, &mut writer),
        other => panic!("{line}: {other:?}"),
    }
    let mut buf = BytesMut::from(&out[..]);
    let reply = ReplyParser::new().next(&mut buf).unwrap().unwrap();
    assert!(buf.is_empty(), "{line}: more than one reply");
    reply
}

#[test]
fn rows_are_sorted_consistent_and_found_in_any_case() {
    assert!(ROWS.is_sorted_by(|a, b| a.name < b.name));
    let all = ROWS.iter().flat_map(|row| core::iter::once(row).chain(row.subcommands));
    for row in all {
        assert_eq!(registry::find_full(row.name.to_ascii_uppercase().as_bytes()), Some(*row));
        assert_eq!(row.name, row.name.to_ascii_lowercase());
        assert!(row.arity != 0 && !row.summary.is_empty() && !row.group.is_empty(), "{}", row.name);
        assert_eq!(row.first > 0, !row.key_flags.is_empty(), "{}", row.name);
        assert_eq!(row.first > 0, row.step > 0 && row.last != 0, "{}", row.name);
        assert!(row.flags.contains(&"readonly") as u8 + row.flags.contains(&"write") as u8 <= 1);
        let fast = row.flags.contains(&"fast");
        assert!(row.categories.contains(&if fast { "@fast" } else { "@slow" }), "{}", row.name);
        assert!(row.subcommands.is_sorted_by(|a, b| a.name < b.name));
        let prefix = alloc::format!("{}|", row.name);
        assert!(row.subcommands.iter().all(|sub| sub.name.starts_with(&prefix)));
    }
    assert_eq!(find(b"nonsense"), None);
    assert_eq!(registry::find_full(b"get|"), None);
}

#[test]
fn the_short_way_answers_what_the_long_way_answers() {
    for line in ["GET a", "set a b", "DeL a", "get", "get a b", "set a", "del", "sEt a b EX 1", "foo a"] {
        let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
        let args = Args::from_slices(&words);
        assert_eq!(Command::parse(&args), Command::parse_any(&args), "{line}");
    }
}

#[test]
fn plain_commands_are_read() {
    let key = Bytes::from_static(b"a");
    assert_eq!(parse("GET a"), Ok(Command::Get { key: key.clone() }));
    let set =
        |expiry| Ok(Command::Set { key: Bytes::from_static(b"a"), value: Bytes::from_static(b"1"), expiry });
    assert_eq!(parse("SET a 1"), set(None));
    assert_eq!(parse("SET a 1 ex 10"), set(Some(Expiry::InMs(10_000))));
    assert_eq!(parse("SET a 1 PX 10"), set(Some(Expiry::InMs(10))));
    assert_eq!(parse("SET a 1 EXAT 10"), set(Some(Expiry::AtMs(10_000))));
    assert_eq!(parse("SET a 1 PXAT 10"), set(Some(Expiry::AtMs(10))));
    let keys: Keys = ["a", "b"].into_iter().map(Bytes::from).collect();
    assert_eq!(parse("DEL a b"), Ok(Command::Delete { keys: keys.clone() }));
    assert_eq!(parse("UNLINK a b"), Ok(Command::Delete { keys: keys.clone() }));
    assert_eq!(parse("EXISTS a b"), Ok(Command::Exists { keys: keys.clone() }));
    assert_eq!(parse("mget a b"), Ok(Command::MultiGet { keys }));
    let pairs =
        vec![(key.clone(), Bytes::from_static(b"1")), (Bytes::from_static(b"b"), Bytes::from_static(b"2"))];
    assert_eq!(parse("MSET a 1 b 2"), Ok(Command::MultiSet { pairs }));
    assert_eq!(parse("TTL a"), Ok(Command::TimeToLive { key: key.clone(), in_ms: false }));
    assert_eq!(parse("PTTL a"), Ok(Command::TimeToLive { key: key.clone(), in_ms: true }));
    assert_eq!(parse("WAIT -1 0"), Ok(Command::Wait { replicas: 0, timeout_ms: 0 }));
    assert_eq!(parse("CLUSTER KEYSLOT foo"), Ok(Command::Cluster(ClusterCommand::KeySlot(Slot::of(b"foo")))));
    assert_eq!(parse("SELECT 0"), Ok(Command::Select));
    assert_eq!(parse("INFO Server ALL"), Ok(Command::Info { sections: vec!["server".into(), "all".into()] }));
    assert_eq!(
        parse("config get max* save"),
        Ok(Command::ConfigGet { patterns: vec!["max*".into(), "save".into()] })
    );
    assert_eq!(
        parse("CLIENT LIST ID 1 2"),
        Ok(Command::Client(ClientCommand::List(ClientFilter::Ids(vec![1, 2]))))
    );
    assert_eq!(
        parse("HELLO 3 AUTH u p SETNAME me"),
        Ok(Command::Hello(Hello {
            protocol: Some(Protocol::Resp3),
            credentials: Some(("u".into(), "p".into())),
            name: Some("me".into())
        }))
    );
    assert!(
        parse("HELLO").unwrap().needs_no_authentication()
            && !parse("GET a").unwrap().needs_no_authentication()
    );
}

#[test]
fn errors_are_those_of_redis() {
    let integer = "ERR value is not an integer or out of range";
    let syntax = "ERR syntax error";
    let names = "ERR Client names cannot contain spaces, newlines or special characters.";
    let cases = [
        ("get", "ERR wrong number of arguments for 'get' command"),
        ("GET a b", "ERR wrong number of arguments for 'get' command"),
        ("set a", "ERR wrong number of arguments for 'set' command"),
        ("set a b EX 0", "ERR invalid expire time in 'set' command"),
        ("set a b EX 9223372036854775807", "ERR invalid expire time in 'set' command"),
        ("set a b EX x", integer),
        ("set a b EX", syntax),
        ("set a b foo", syntax),
        ("set a b EX 1 PX 2", syntax),
        ("set a b nx", "ERR option NX of 'set' is not supported yet; nothing was written"),
        ("set a b KEEPTTL", "ERR option KEEPTTL of 'set' is not supported yet; nothing was written"),
        ("foo a b", "ERR unknown command 'foo', with args beginning with: 'a' 'b' "),
        ("foo", "ERR unknown command 'foo', with args beginning with: "),
        ("LPUSH k v", "ERR unknown command 'LPUSH', with args beginning with: 'k' 'v' "),
        ("client", "ERR wrong number of arguments for 'client' command"),
        ("client foo", "ERR unknown subcommand 'foo'. Try CLIENT HELP."),
        ("client TRACKING on", "ERR unknown subcommand 'TRACKING'. Try CLIENT HELP."),
        ("client MAINT_NOTIFICATIONS ON", "ERR unknown subcommand 'MAINT_NOTIFICATIONS'. Try CLIENT HELP."),
        ("client setname", "ERR wrong number of arguments for 'client|setname' command"),
        ("client setname a\tb", names),
        (
            "client setinfo lib-name \u{e9}",
            "ERR lib-name cannot contain spaces, newlines or special characters.",
        ),
        ("client setinfo x y", "ERR Unrecognized option 'x'"),
        ("client no-evict x", syntax),
        ("client list x", syntax),
        ("client list id x", "ERR Invalid client ID"),
        ("client list type x", "ERR Unknown client type 'x'"),
        ("hello 4", "NOPROTO unsupported protocol version"),
        ("hello x", "ERR Protocol version is not an integer or out of range"),
        ("hello 3 foo", "ERR Syntax error in HELLO option 'foo'"),
        ("hello 3 auth u", "ERR Syntax error in HELLO option 'auth'"),
        ("hello 3 setname a\tb", names),
        ("select x", integer),
        ("select 1", "ERR DB index is out of range"),
        ("select -1", "ERR DB index is out of range"),
        ("ping a b", "ERR wrong number of arguments for 'ping' command"),
        ("auth a b c", syntax),
        ("mset a", "ERR wrong number of arguments for 'mset' command"),
        ("mset a b c", "ERR wrong number of arguments for 'mset' command"),
        ("command foo", "ERR unknown subcommand 'foo'. Try COMMAND HELP."),
        ("command getkeys foo a", "ERR Invalid command specified"),
        ("command getkeys ping", "ERR The command has no key arguments"),
        ("command getkeys get a b", "ERR Invalid number of arguments specified for command"),
        ("command list filterby foo b", syntax),
        ("wait a b", integer),
        ("wait 1 -1", "ERR timeout is negative"),
        ("wait 1 x", "ERR timeout is not an integer or out of range"),
        ("config get", "ERR wrong number of arguments for 'config|get' command"),
        ("config set a b", "ERR unknown subcommand 'set'. Try CONFIG HELP."),
        ("cluster countkeysinslot 16384", "ERR Invalid slot"),
        ("cluster countkeysinslot x", integer),
        ("reset x", "ERR wrong number of arguments for 'reset' command"),
    ];
    for (line, text) in cases {
        assert_eq!(error(line), text, "{line}");
    }
}

#[test]
fn echoed_text_is_short_and_has_no_line_breaks() {
    let long = "a".repeat(200);
    let short = &long[..128];
    let expected = alloc::format!("ERR unknown command '{short}', with args beginning with: 'x' ");
    assert_eq!(error(&alloc::format!("{long} x")), expected);
    let text = Command::parse(&Args::from_slices(&[b"f\r\n-ERR", b"\xff\x00"])).unwrap_err();
    assert_eq!(text.text(), "ERR unknown command 'f  -ERR', with args beginning with: '\u{fffd} ' ");
    let args = vec![&b"x"[..]; 1000];
    assert!(Command::parse(&Args::from_slices(&args)).unwrap_err().text().len() < 300);
}

#[test]
fn keys_and_values_have_their_limits() {
    let key = vec![b'k'; 4096];
    let long_key = vec![b'k'; 4097];
    let value = vec![b'v'; 1024 * 1024];
    let long_value = vec![b'v'; 1024 * 1024 + 1];
    let parse =
        |words: &[&[u8]]| Command::parse(&Args::from_slices(words)).map_err(|error| error.text().to_string());
    assert!(parse(&[b"set", &key, &value]).is_ok());
    assert!(parse(&[b"cw.set", &key, &value]).is_ok());
    let key_error = Err("ERR key is too long (at most 4096 bytes)".to_string());
    let value_error = Err("ERR value is too long (at most 1048576 bytes)".to_string());
    for words in [
        &[&b"get"[..], &long_key][..],
        &[b"set", &long_key, b""],
        &[b"del", b"a", &long_key],
        &[b"mset", b"a", b"b", &long_key, b""],
        &[b"cw.get", &long_key],
        &[b"cw.del", &long_key],
        &[b"cw.explain", &long_key],
    ] {
        assert_eq!(parse(words), key_error);
    }
    for words in
        [&[&b"set"[..], b"a", &long_value], &[b"cw.set", b"a", &long_value], &[b"mset", b"a", &long_value]]
    {
        assert_eq!(parse(words), value_error);
    }
}

#[test]
fn causal_commands_are_read() {
    let token = context::to_text(b"sealed");
    let line = alloc::format!("CW.SET k v context {token} W ALL strict TIMEOUT 100 px 5");
    assert_eq!(
        parse(&line),
        Ok(Command::CausalSet {
            key: "k".into(),
            value: "v".into(),
            context: Some("sealed".into()),
            wish: Wish { need: Some(Need::All), strict: Some(true), timeout_ms: Some(100) },
            expiry: Some(Expiry::InMs(5)),
        })
    );
    let wish = Wish { need: Some(Need::Count(2)), strict: None, timeout_ms: None };
    assert_eq!(parse("cw.get k R 2"), Ok(Command::CausalGet { key: "k".into(), wish }));
    assert_eq!(wish.level(Level::DEFAULT), Level { need: Need::Count(2), strict: false });
    let wish = Wish { need: Some(Need::Quorum), strict: Some(false), timeout_ms: None };
    assert_eq!(
        parse("cw.del k w quorum sloppy"),
        Ok(Command::CausalDelete { key: "k".into(), context: None, wish })
    );
    assert_eq!(parse("cw.explain k"), Ok(Command::Explain { key: "k".into() }));
    assert_eq!(parse("cw.force-complete all"), Ok(Command::ForceComplete { slot: None }));
    assert_eq!(parse("cw.force-complete 16383"), Ok(Command::ForceComplete { slot: Some(Slot::LAST) }));
    for wrong in ["16384", "-1", "x"] {
        assert!(parse(&format!("cw.force-complete {wrong}")).is_err());
    }
    assert_eq!(parse("cw.install 00fF"), Ok(Command::Install { layout: Bytes::from_static(&[0, 255]) }));
    let Ok(Command::Session(change)) = parse("CW.SESSION R one W all LEVEL strict TIMEOUT 60000") else {
        panic!()
    };
    let strict = |need| Level { need, strict: true };
    assert_eq!(change.levels(Level::DEFAULT, Level::DEFAULT), (strict(Need::One), strict(Need::All)));
    assert!(matches!(parse("cw.session"), Ok(Command::Session(change)) if change.is_question()));
}

#[test]
fn causal_commands_refuse_what_they_have_not() {
    let level = "ERR invalid level: expected one, quorum, all or a number from 1 to 16";
    let timeout = "ERR timeout is not an integer or out of range (1 to 60000 ms)";
    let syntax = "ERR syntax error";
    let cases = [
        ("cw.get k W 2", syntax),
        ("cw.get k R", syntax),
        ("cw.get k R 2 R 2", syntax),
        ("cw.get k strict sloppy", syntax),
        ("cw.get k context aaaa", syntax),
        ("cw.get k ex 1", syntax),
        ("cw.get k R 0", level),
        ("cw.get k R 17", level),
        ("cw.get k R two", level),
        ("cw.get k TIMEOUT 0", timeout),
        ("cw.get k TIMEOUT 60001", timeout),
        ("cw.set k v ex 0", "ERR invalid expire time in 'cw.set' command"),
        ("cw.set k v context !!", "ERR invalid context: not base64url, or not complete"),
        ("cw.del k ex 1", syntax),
        ("cw.session strict", syntax),
        ("cw.session level x", syntax),
        ("cw.install 0", "ERR invalid layout: expected an even number of hex digits"),
        ("cw.install zz", "ERR invalid layout: expected an even number of hex digits"),
    ];
    for (line, text) in cases {
        assert_eq!(error(line), text, "{line}");
    }
}

#[test]
fn command_answers_follow_from_the_registry() {
    for protocol in [Protocol::Resp2, Protocol::Resp3] {
        let rows = ask("COMMAND", protocol);
        assert_eq!(rows.as_elements().map(<[Reply]>::len), Some(ROWS.len()));
        assert_eq!(ask("COMMAND INFO", protocol), rows);
        assert_eq!(ask("COMMAND COUNT", protocol), Reply::Integer(ROWS.len() as i64));
        let some = ask("COMMAND INFO mset nonsense client|list", protocol);
        let [Reply::Array(mset), Reply::Null, Reply::Array(list)] = some.as_elements().unwrap() else {
            panic!("{some:?}")
        };
        assert_eq!(mset[0].as_bytes(), Some(&b"mset"[..]));
        assert_eq!(mset[1..2], [Reply::Integer(-3)]);
        assert_eq!(mset[3..6], [Reply::Integer(1), Reply::Integer(-1), Reply::Integer(2)]);
        let spec = &mset[8].as_elements().unwrap()[0];
        let range = spec.field(b"find_keys").and_then(|keys| keys.field(b"spec")).unwrap();
        assert_eq!(range.field(b"lastkey"), Some(&Reply::Integer(-1)));
        assert_eq!(range.field(b"keystep"), Some(&Reply::Integer(2)));
        assert_eq!(list[0].as_bytes(), Some(&b"client|list"[..]));
        let docs = ask("COMMAND DOCS get client nonsense", protocol);
        assert_eq!(
            docs.field(b"get").and_then(|get| get.field(b"group")).unwrap().as_bytes(),
            Some(&b"string"[..])
        );
        assert!(docs.field(b"client").unwrap().field(b"subcommands").unwrap().field(b"client|id").is_some());
        assert!(docs.field(b"nonsense").is_none());
    }
    let names = |line| -> Vec<String> {
        let reply = ask(line, Protocol::Resp2);
        let names = reply.as_elements().unwrap().iter();
        names.map(|name| String::from_utf8_lossy(name.as_bytes().unwrap()).into_owned()).collect()
    };
    assert_eq!(names("COMMAND LIST FILTERBY PATTERN *ttl"), ["pttl", "ttl"]);
    assert!(names("COMMAND LIST FILTERBY ACLCAT string").contains(&"mget".to_string()));
    assert!(names("COMMAND LIST FILTERBY MODULE x").is_empty());
    assert!(names("COMMAND LIST").contains(&"client|id".to_string()));
    assert_eq!(names("COMMAND GETKEYS MSET a b c d"), ["a", "c"]);
    assert_eq!(names("COMMAND GETKEYS del a b"), ["a", "b"]);
    assert_eq!(names("COMMAND GETKEYS cw.set a b W 1"), ["a"]);
    assert!(names("CLIENT HELP").iter().any(|line| line == "SETNAME name"));
}

#[test]
fn hello_names_the_protocol_and_the_mode() {
    let mut out = Vec::new();
    let reply = HelloReply { id: 7, cluster: true };
    reply.write(&mut ReplyWriter::new(&mut out, Protocol::Resp2));
    assert!(out.starts_with(b"*14\r\n$6\r\nserver\r\n$5\r\nredis\r\n"));
    out.clear();
    reply.write(&mut ReplyWriter::new(&mut out, Protocol::Resp3));
    let reply = ReplyParser::new().next(&mut BytesMut::from(&out[..])).unwrap().unwrap();
    assert_eq!(reply.field(b"proto"), Some(&Reply::Integer(3)));
    assert_eq!(reply.field(b"id"), Some(&Reply::Integer(7)));
    assert_eq!(reply.field(b"mode").unwrap().as_bytes(), Some(&b"cluster"[..]));
    assert_eq!(reply.field(b"modules"), Some(&Reply::Array(vec![])));
}
