//! One redis server, in its own protocol: `MGET`, and `SET … PX …` one after the other on one connection.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use loptr_ports::{Clock, Network};

use super::line::{Asked, Line, Lines, Question, VALUE_BYTES_MAX};
use super::{CacheError, Pairs};

/// The server and how it is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedisSettings {
    /// `host:port`.
    pub address: String,
    /// Who asks; empty: nobody.
    pub username: String,
    /// Empty: none.
    pub password: String,
    /// Number of the database.
    pub db: u32,
    /// For one request; zero: none.
    pub timeout: Duration,
    /// How long values are kept there; zero: always.
    pub expiration: Duration,
    /// Idle connections kept.
    pub idle_max: usize,
}

impl Default for RedisSettings {
    fn default() -> Self {
        Self {
            address: String::new(),
            username: String::new(),
            password: String::new(),
            db: 0,
            timeout: Duration::from_millis(500),
            expiration: Duration::from_secs(3600),
            idle_max: 16,
        }
    }
}

/// The client.
pub(super) struct Redis {
    settings: RedisSettings,
    lines: Lines,
}

impl std::fmt::Debug for Redis {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Redis").field("address", &self.settings.address).finish_non_exhaustive()
    }
}

/// What a server says.
#[derive(Debug, PartialEq, Eq)]
enum Answer {
    Simple(String),
    Value(Option<Bytes>),
    List(Vec<Option<Bytes>>),
}

async fn command(line: &mut Line, parts: &[&[u8]]) -> std::io::Result<()> {
    line.write(format!("*{}\r\n", parts.len()).as_bytes()).await?;
    for part in parts {
        line.write(format!("${}\r\n", part.len()).as_bytes()).await?;
        line.write(part).await?;
        line.write(b"\r\n").await?;
    }
    Ok(())
}

/// A value's bytes after its head.
async fn value(line: &mut Line, head: &str) -> Asked<Option<Bytes>> {
    match head.strip_prefix('$').and_then(|len| len.parse::<i64>().ok()) {
        Some(-1) => Ok(Ok(None)),
        Some(len) => match usize::try_from(len) {
            Ok(len) => Ok(Ok(Some(line.read_value(len).await?))),
            Err(_) => Ok(Err(head.to_owned())),
        },
        None => Ok(Err(head.to_owned())),
    }
}

/// The answer to a question for at most `most` values.
async fn answer(line: &mut Line, most: usize) -> Asked<Answer> {
    let head = line.read_line().await?;
    if let Some(text) = head.strip_prefix('+') {
        return Ok(Ok(Answer::Simple(text.to_owned())));
    }
    let Some(count) = head.strip_prefix('*') else { return Ok(value(line, &head).await?.map(Answer::Value)) };
    let Some(count) = count.parse::<usize>().ok().filter(|count| *count <= most) else { return Ok(Err(head)) };
    let (mut values, mut bytes) = (Vec::with_capacity(count), 0);
    for _ in 0..count {
        let head = line.read_line().await?;
        match value(line, &head).await? {
            Ok(value) => {
                bytes += value.as_ref().map_or(0, Bytes::len);
                if bytes > VALUE_BYTES_MAX {
                    return Ok(Err(format!("values of more than {VALUE_BYTES_MAX} bytes")));
                }
                values.push(value);
            }
            Err(said) => return Ok(Err(said)),
        }
    }
    Ok(Ok(Answer::List(values)))
}

async fn expect_ok(line: &mut Line) -> Asked<()> {
    Ok(match answer(line, 0).await? {
        Ok(Answer::Simple(text)) if text == "OK" => Ok(()),
        Ok(other) => Err(format!("{other:?}")),
        Err(said) => Err(said),
    })
}

struct Get<'q>(&'q [String]);

impl Question for Get<'_> {
    type Answer = Vec<Option<Bytes>>;

    async fn ask(&self, line: &mut Line) -> Asked<Self::Answer> {
        let mut parts: Vec<&[u8]> = vec![b"MGET"];
        parts.extend(self.0.iter().map(String::as_bytes));
        command(line, &parts).await?;
        line.flush().await?;
        Ok(match answer(line, self.0.len()).await? {
            Ok(Answer::List(values)) if values.len() == self.0.len() => Ok(values),
            Ok(other) => Err(format!("{other:?}")),
            Err(said) => Err(said),
        })
    }
}

struct Set {
    pairs: Pairs,
    /// Of the time they are kept; empty: always.
    millis: String,
}

impl Question for Set {
    type Answer = ();

    async fn ask(&self, line: &mut Line) -> Asked<()> {
        for (key, value) in &self.pairs {
            let set: [&[u8]; 5] = [b"SET", key.as_bytes(), value, b"PX", self.millis.as_bytes()];
            command(line, if self.millis.is_empty() { &set[..3] } else { &set }).await?;
            line.flush().await?;
            if let Err(said) = expect_ok(line).await? {
                return Ok(Err(said));
            }
        }
        Ok(Ok(()))
    }
}

impl Redis {
    pub(super) fn new(settings: &RedisSettings, clock: Arc<dyn Clock>, network: Arc<dyn Network>) -> Self {
        let lines = Lines::new(settings.address.clone(), settings.timeout, settings.idle_max, clock, network);
        Self { lines, settings: settings.clone() }
    }

    pub(super) async fn get(&self, keys: &[String]) -> Result<Vec<Option<Bytes>>, CacheError> {
        self.lines.ask(&Get(keys), self.greet()).await
    }

    pub(super) async fn put(&self, pairs: Pairs) -> Result<(), CacheError> {
        let millis = self.settings.expiration.as_millis();
        let millis = if millis == 0 { String::new() } else { millis.to_string() };
        self.lines.ask(&Set { pairs, millis }, self.greet()).await
    }

    /// A connection that says who asks, for which database.
    async fn greet(&self) -> Result<Line, CacheError> {
        let mut line = self.lines.connect().await?;
        let greeted = self.say_who(&mut line).await.map_err(|source| self.lines.failed(source))?;
        greeted.map_err(|said| self.lines.said(said))?;
        Ok(line)
    }

    async fn say_who(&self, line: &mut Line) -> Asked<()> {
        let RedisSettings { username, password, db, .. } = &self.settings;
        let mut greetings: Vec<Vec<&[u8]>> = Vec::new();
        if !password.is_empty() {
            let user = (!username.is_empty()).then_some(username.as_bytes());
            greetings.push([&b"AUTH"[..]].into_iter().chain(user).chain([password.as_bytes()]).collect());
        }
        let db = db.to_string();
        if db != "0" {
            greetings.push(vec![b"SELECT", db.as_bytes()]);
        }
        for greeting in greetings {
            command(line, &greeting).await?;
            line.flush().await?;
            if let Err(said) = expect_ok(line).await? {
                return Ok(Err(said));
            }
        }
        Ok(Ok(()))
    }
}
