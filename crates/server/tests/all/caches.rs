//! Real memcached and redis servers, where they are installed: what is put there comes back, over their own protocols, to
//! this process and to another; a server that ends costs no answer.

use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use loptr_server::real;
use loptr_storage::{
    CacheKey, CacheMetrics, CacheSettings, ChunkCache, MemcachedSettings, RedisSettings, RemoteCacheSettings,
};
use tokio_util::sync::CancellationToken;

/// A server that ends with the test.
struct Server {
    child: Child,
    port: u16,
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Starts `program` on a free port; `None` where it is not installed.
fn started(program: &str, args: &[&str]) -> Option<Server> {
    let port = TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a free port").port();
    let port_flag = if program == "memcached" { "-p" } else { "--port" };
    let mut command = Command::new(program);
    command.args(args).args([port_flag, &port.to_string()]).stdout(Stdio::null()).stderr(Stdio::null());
    let Ok(child) = command.spawn() else {
        eprintln!("skipped: {program} is not installed");
        return None;
    };
    let server = Server { child, port };
    let until = Instant::now() + Duration::from_secs(20);
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(Instant::now() < until, "{program} does not listen after 20 s");
        std::thread::sleep(Duration::from_millis(20));
    }
    Some(server)
}

fn value(at: usize) -> (CacheKey, Bytes) {
    let value = Bytes::from((0..at * 50_000).map(|byte| (byte % 251) as u8).collect::<Vec<u8>>());
    (CacheKey { key: format!("fake/{at:x}/18bcfe5687b:18bcfe5687c:f7"), checksum: crc32c::crc32c(&value) }, value)
}

fn check(remote: &RemoteCacheSettings, end: impl FnOnce()) {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let ports = real::ports().expect("a machine");
        let cache = || {
            let settings = CacheSettings { remote: Some(remote.clone()), ..CacheSettings::default() };
            let (clock, cpu, network) = (ports.clock.clone(), ports.cpu.clone(), ports.network.clone());
            Arc::new(ChunkCache::new(&settings, &CacheMetrics::default(), clock, cpu, network))
        };
        let (writer, reader, stop) = (cache(), cache(), CancellationToken::new());
        let task = writer.start(&*ports.spawner, stop.clone()).expect("there is something to write to");
        let keys: Vec<CacheKey> = (0..12).map(|at| value(at).0).collect();
        writer.put((0..10).map(value).collect()).await;
        let until = Instant::now() + Duration::from_secs(20);
        let wanted: Vec<_> = (0..12).map(|at| (at < 10).then(|| value(at).1)).collect();
        while reader.get(&keys).await != wanted {
            assert!(Instant::now() < until, "{remote:?}: not there after 20 s");
            ports.clock.sleep(Duration::from_millis(20)).await;
        }
        assert!(writer.get(&keys).await == wanted);
        end();
        assert_eq!(reader.get(&keys).await, vec![None; 12], "without a server there is nothing");
        stop.cancel();
        task.await.expect("it ends");
    });
}

#[test]
fn memcached_keeps_chunks() {
    let servers: Vec<Option<Server>> =
        (0..2).map(|_| started("memcached", &["-l", "127.0.0.1", "-U", "0", "-u", "nobody"])).collect();
    let Some(servers) = servers.into_iter().collect::<Option<Vec<Server>>>() else { return };
    let addresses = servers.iter().map(|server| format!("127.0.0.1:{}", server.port)).collect();
    let settings = MemcachedSettings { addresses, timeout: Duration::from_secs(5), ..MemcachedSettings::default() };
    check(&RemoteCacheSettings::Memcached(settings), move || drop(servers));
}

#[test]
fn redis_keeps_chunks() {
    let args = ["--bind", "127.0.0.1", "--save", "", "--requirepass", "secret", "--daemonize", "no"];
    let Some(server) = started("redis-server", &args) else { return };
    let settings = RedisSettings {
        address: format!("127.0.0.1:{}", server.port),
        password: "secret".to_owned(),
        db: 3,
        timeout: Duration::from_secs(5),
        ..RedisSettings::default()
    };
    check(&RemoteCacheSettings::Redis(settings), move || drop(server));
}
