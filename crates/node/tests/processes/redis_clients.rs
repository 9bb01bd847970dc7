//! The tools and libraries that Redis users have, where they are installed.

use super::harness::{TestCluster, alone, skipped};
use std::process::{Command, Stdio};

fn is_here(tool: &str) -> bool {
    Command::new(tool)
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|s| s.success())
}

fn output(command: &mut Command) -> String {
    let output = command.output().expect("it runs");
    let text =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?}: {text}");
    text
}

#[test]
fn redis_cli_and_redis_benchmark() {
    let _turn = alone();
    if !is_here("redis-cli") || !is_here("redis-benchmark") {
        return skipped("redis_cli_and_redis_benchmark", "redis-cli and redis-benchmark are not installed");
    }
    let cluster = TestCluster::ready(3, &["--durability", "periodic"]);
    let port = |server: usize| cluster.cluster(server).port().to_string();
    let plain = |server: usize| cluster.plain(server).port().to_string();
    let cli = |port: String, words: &[&str]| {
        output(Command::new("redis-cli").args(["-p", &port]).args(words)).trim().to_owned()
    };
    assert_eq!(cli(port(0), &["set", "a", "1"]), "OK");
    assert_eq!(cli(port(1), &["get", "a"]), "1");
    assert_eq!(cli(port(2), &["-c", "get", "a"]), "1");
    assert_eq!(cli(plain(2), &["mget", "a", "b"]), "1");
    assert_eq!(cli(port(0), &["-3", "del", "a"]), "1");
    for depth in ["1", "16"] {
        let text = output(
            Command::new("redis-benchmark")
                .args(["-p", &port(0), "-t", "set,get", "-n", "20000", "-r", "10000"])
                .args(["-d", "100", "-c", "20", "-P", depth, "-q"]),
        );
        assert!(
            text.contains("SET") && text.contains("GET") && !text.to_lowercase().contains("error"),
            "{text}"
        );
    }
    let text = output(Command::new("redis-benchmark").args([
        "--cluster",
        "-p",
        &port(0),
        "-t",
        "set,get",
        "-n",
        "20000",
        "-r",
        "10000",
        "-q",
    ]));
    assert!(text.contains("SET") && text.contains("GET") && !text.to_lowercase().contains("error"), "{text}");
    let keys: u64 = cli(plain(0), &["dbsize"]).parse().unwrap();
    assert!(keys > 5_000, "{keys} keys");
}

/// Run by python with redis-py; the port is its argument.
const SCRIPT: &str = r#"
import redis, sys
from redis.cluster import RedisCluster
from redis import Redis
port = int(sys.argv[1])
cluster = RedisCluster(host="127.0.0.1", port=port)
for n in range(10000):
    assert cluster.set(f"key-{n}", f"value-{n}"), n
for n in range(10000):
    assert cluster.get(f"key-{n}") == b"value-%d" % n, n
assert cluster.mget_nonatomic(["key-1", "key-2", "no"]) == [b"value-1", b"value-2", None]
everywhere = cluster.dbsize(target_nodes=RedisCluster.PRIMARIES)
assert everywhere == 10000, everywhere
newest = {"protocol": 3} if int(redis.__version__.split(".")[0]) >= 5 else {}
single = Redis(host="127.0.0.1", port=port - 1000, **newest)
assert single.get("key-77") == b"value-77"
assert single.dbsize() == 10000, single.dbsize()
pipe = single.pipeline(transaction=False)
for n in range(100):
    pipe.set(f"pipe-{n}", n, px=100000)
assert all(pipe.execute())
assert 0 < single.pttl("pipe-1") <= 100000
print("fine")
"#;

#[test]
fn redis_py_routes_ten_thousand_keys() {
    let _turn = alone();
    let named = std::env::var("CLOCKWISE_TEST_PYTHON").ok();
    let pythons = named.as_deref().into_iter().chain(["python3", "/usr/bin/python3"]);
    let has = |python: &&str| {
        let status = Command::new(python).args(["-c", "import redis.cluster"]).stderr(Stdio::null()).status();
        status.is_ok_and(|status| status.success())
    };
    let Some(python) = pythons.into_iter().find(has) else {
        return skipped("redis_py_routes_ten_thousand_keys", "python with redis-py is not installed");
    };
    let cluster = TestCluster::ready(3, &["--durability", "periodic"]);
    let port = cluster.cluster(0).port().to_string();
    let text = output(Command::new(python).args(["-c", SCRIPT, &port]));
    assert!(text.contains("fine"), "{text}");
}
