//! The ten files: one kind of log each.

use crate::shaped::{of, random};

/// Lines of a file.
pub const LINES: usize = 5000;

/// Their names.
pub const FILES: [&str; 10] =
    ["access", "logfmt", "json", "sshd", "threads", "cyrillic", "japanese", "colons", "noise", "lengths"];

const WORDS: [&str; 16] = [
    "alpha", "bravo", "carbon", "delta", "ember", "frost", "gamma", "harbor", "indigo", "jasper", "kernel", "lumen",
    "meadow", "nectar", "onyx", "pepper",
];
const LEVELS: [&str; 4] = ["error", "warn", "info", "debug"];

/// The lines of a file; none if there is no such file.
pub fn lines(file: &str) -> Vec<String> {
    let make: fn(u64, u64) -> String = match file {
        "access" => access,
        "logfmt" => logfmt,
        "json" => document,
        "sshd" => sshd,
        "threads" => threads,
        "cyrillic" => cyrillic,
        "japanese" => japanese,
        "colons" => colons,
        "noise" => noise,
        "lengths" => lengths,
        _ => return Vec::new(),
    };
    let mut state = file.bytes().fold(7, |sum: u64, byte| sum.wrapping_mul(31).wrapping_add(u64::from(byte)));
    (0..LINES as u64).map(|number| make(number, random(&mut state))).collect()
}

fn access(number: u64, chance: u64) -> String {
    format!(
        "10.{}.{}.{} - {} [21/Nov/2026:12:{:02}:{:02} +0000] \"{} {} HTTP/1.1\" {} {} \"-\" \"{}\"",
        chance % 4,
        (chance >> 8) % 250,
        (chance >> 16) % 250,
        of(&["-", "bob", "eve"], chance, 3),
        number / 60 % 60,
        number % 60,
        of(&["GET", "POST", "HEAD"], chance, 7),
        of(&["/", "/login", "/api/v1/orders", "/static/app.js"], chance, 11),
        of(&["200", "301", "404", "502"], chance, 15),
        chance % 90_000,
        of(&["curl/8.5.0", "Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101"], chance, 40),
    )
}

fn logfmt(number: u64, chance: u64) -> String {
    let (level, component) = (of(&LEVELS, chance, 3), of(&["ring", "ingester", "querier"], chance, 9));
    match chance % 4 {
        0 => format!(
            "ts={number} level={level} component={component} msg=\"request done\" status={} duration={}ms",
            200 + chance % 5,
            chance % 900
        ),
        1 => format!(
            "level={level} ts={number} msg=\"chunk flushed\" id={:x} bytes={} component={component}",
            chance,
            chance % 100_000
        ),
        2 => format!(
            "level={level} component={component} msg=\"user \\\"{}\\\" logged in\" traceID={chance:x}",
            of(&WORDS, chance, 21)
        ),
        _ => format!(
            "time={number} level={level} caller=main.go:{} err=\"dial tcp 10.0.0.{}: refused\" retry={}",
            chance % 9,
            chance % 250,
            chance % 4
        ),
    }
}

fn document(number: u64, chance: u64) -> String {
    let message = match chance % 5 {
        0 => format!("order {number} was paid by {} with \\\"card\\\"", of(&WORDS, chance, 9)),
        1 => format!("cache miss for key user:{}:profile after {} ms", chance % 5000, chance % 70),
        2 => format!("connection to db-{} lost, trying again in {}s", chance % 3, chance % 30),
        3 => "scheduler tick: nothing to do here".to_owned(),
        _ => format!("saved {}/{} rows of table=\\\"orders\\\"", chance % 100, chance % 1000),
    };
    let field = of(&["msg", "message", "log", "text"], chance, 30);
    format!(
        "{{\"level\":\"{}\",\"n\":{number},\"{field}\":\"{message}\",\"host\":\"h{}\"}}",
        of(&LEVELS, chance, 5),
        chance % 7
    )
}

fn sshd(number: u64, chance: u64) -> String {
    let head =
        format!("Nov 21 12:{:02}:{:02} host{} sshd[{}]:", number / 60 % 60, number % 60, chance % 3, 1000 + number);
    let user = of(&WORDS, chance, 13);
    match chance % 5 {
        0 => format!(
            "{head} Accepted publickey for {user} from 192.168.{}.{} port {} ssh2",
            chance % 9,
            chance % 200,
            chance % 60_000
        ),
        1 => format!(
            "{head} Failed password for invalid user {user} from 203.0.113.{} port {} ssh2",
            chance % 200,
            chance % 60_000
        ),
        2 => format!("{head} pam_unix(sshd:session): session opened for user {user} by (uid=0)"),
        3 => format!("{head} Connection closed by 203.0.113.{} [preauth]", chance % 200),
        _ => format!("{head} error: maximum authentication attempts exceeded for {user}"),
    }
}

fn threads(number: u64, chance: u64) -> String {
    let head = format!(
        "2026-11-21 12:{:02}:{:02},{:03} {} [http-nio-8080-exec-{}] c.e.{}Service -",
        number / 60 % 60,
        number % 60,
        chance % 1000,
        of(&["ERROR", "WARN", "INFO", "DEBUG"], chance, 3),
        chance % 20,
        of(&["Order", "User", "Cart"], chance, 9),
    );
    match chance % 6 {
        0 => format!("{head} Handled request in {}ms <{}>", chance % 800, of(&WORDS, chance, 17)),
        1 => format!("{head} NullPointerException at line {} ~ {}%", chance % 500, chance % 100),
        2 => {
            format!("{head} Pool stats (total={}, active={}, idle={}, waiting=0)", chance % 20, chance % 10, chance % 9)
        }
        3 => format!(
            "{head} Retry #{} of {} | cost ${}.{:02} + tax",
            chance % 5,
            of(&WORDS, chance, 17),
            chance % 90,
            chance % 100
        ),
        4 => format!("{head}   indented   by   blanks {}", chance % 50),
        _ => format!("{head} Started `{}` => ok", of(&WORDS, chance, 17)),
    }
}

fn cyrillic(number: u64, chance: u64) -> String {
    let name = of(&["Анна", "Борис", "Вера", "Глеб", "Дарья", "Егор", "Жанна", "Зоя"], chance, 9);
    match chance % 6 {
        0 => format!("Пользователь «{name}» вошёл в систему — сеанс №{number}, адрес 10.0.0.{}", chance % 250),
        1 => format!("Ошибка: не удалось открыть файл «данные-{}.txt»… повтор через {} с", chance % 400, chance % 60),
        2 => format!("Заказ № {} оплачен — сумма {} руб., клиент {name}", 1000 + number, chance % 9000),
        3 => format!("Кэш очищен: удалено {} записей за {} мс", chance % 5000, chance % 300),
        4 => format!("Предупреждение — диск «{}» заполнен на {}%", of(&WORDS, chance, 21), 80 + chance % 20),
        _ => "Служба запущена и ожидает подключений…".to_owned(),
    }
}

fn japanese(number: u64, chance: u64) -> String {
    let name = of(&["佐藤", "鈴木", "高橋", "田中", "伊藤"], chance, 9);
    match chance % 5 {
        0 => format!("ユーザー「{name}」が ログイン しました。 番号 {number}、 接続元 10.0.0.{}", chance % 250),
        1 => format!("警告: ディスク 使用率 {}％ です。 確認 して ください！", 80 + chance % 20),
        2 => format!("注文 {} を 処理 しました（{} ミリ秒、 担当・{name}）", 1000 + number, chance % 900),
        3 => format!("エラー ファイル『data-{}.csv』を 開けません 理由 {}", chance % 400, of(&WORDS, chance, 21)),
        _ => "サービス を 開始 しました。 待機 中…".to_owned(),
    }
}

fn colons(number: u64, chance: u64) -> String {
    match chance % 4 {
        0 => {
            format!("queue: mail, size: {}, oldest: {}s, worker: {}", chance % 700, chance % 60, of(&WORDS, chance, 9))
        }
        1 => format!("job:{number} state:done node:{}-{} took:{}ms", of(&WORDS, chance, 9), chance % 4, chance % 900),
        2 => format!("a={} b={} c: {{x: {}, y: [{}, {}]}}", chance % 7, chance % 11, chance % 90, number, chance % 3),
        _ => format!(
            "{}/{}@{}: permission denied; code={}",
            of(&WORDS, chance, 9),
            of(&WORDS, chance, 15),
            of(&WORDS, chance, 21),
            chance % 5
        ),
    }
}

/// Half the lines have nothing in common.
fn noise(number: u64, chance: u64) -> String {
    if chance.is_multiple_of(2) {
        return format!("heartbeat of node {} seen after {} ms", of(&WORDS, chance, 9), chance % 100);
    }
    let mut state = chance;
    let words: Vec<&str> = (0..4 + number % 9).map(|_| of(&WORDS, random(&mut state), 5)).collect();
    words.join([" ", ", ", "; ", " + "][usize::try_from(chance % 4).unwrap_or_default()])
}

/// Too short, too long, too many tokens, blanks in odd places, nothing at all.
fn lengths(number: u64, chance: u64) -> String {
    let word = of(&WORDS, chance, 9);
    match chance % 12 {
        0 => format!("{word} {number}"),
        1 => String::new(),
        2 => format!("{word} ").repeat(81),
        3 => format!("{word},").repeat(65 + usize::try_from(chance % 3).unwrap_or_default()),
        4 if chance >> 32 & 7 == 0 => "x".repeat(2990 + usize::try_from(chance % 20).unwrap_or_default()) + " a b c",
        5 => format!(" leading blank before {number} and after "),
        6 => format!("tabs\tbetween\t{word}\twords {number} end"),
        7 => format!("two  blanks  between  {number}  words"),
        8 => format!("control \u{1b}[31m{word}\u{1b}[0m {number} done"),
        9 => format!("emoji 🚀 {word} — {number}"),
        _ => format!("plain line {number} of file {word}"),
    }
}
