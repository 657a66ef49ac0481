//! The process as its kernel sees it, and figures that dashboards know by the names of Go's runtime.
//!
//! What has a counterpart here shows it: tasks and threads for goroutines, memory of the heap for the heap. Garbage is
//! never collected, so its figures are zero. Linux only: elsewhere the files are not there, and nothing is shown.

use std::path::Path;

use super::text::Page;

/// A tick of `/proc` is a hundredth of a second wherever Linux runs today.
const TICKS: f64 = 100.0;

/// Figures of one scrape.
#[derive(Debug, Default, PartialEq)]
struct Figures {
    cpu_secs: f64,
    virtual_bytes: f64,
    resident_bytes: f64,
    start_secs: f64,
    threads: f64,
    heap_bytes: f64,
    open_fds: f64,
    max_fds: f64,
    max_virtual_bytes: f64,
    received_bytes: f64,
    sent_bytes: f64,
}

/// `read` gives a file's text, `open_fds` how many descriptors are open.
fn figures(read: impl Fn(&str) -> Option<String>, open_fds: usize) -> Option<Figures> {
    let stat = read("/proc/self/stat")?;
    // The second field is the name in brackets, which may hold anything.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let field = |number: usize| fields.get(number - 3)?.parse::<f64>().ok();
    let status = read("/proc/self/status")?;
    let kib = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        line.split_whitespace().next()?.parse::<f64>().ok()
    };
    let boot = read("/proc/stat")?.lines().find_map(|line| line.strip_prefix("btime ")?.trim().parse::<f64>().ok())?;
    let limits = read("/proc/self/limits").unwrap_or_default();
    let limit = |name: &str| {
        let line = limits.lines().find_map(|line| line.strip_prefix(name))?;
        match line.split_whitespace().next()? {
            "unlimited" => Some(u64::MAX as f64),
            number => number.parse::<f64>().ok(),
        }
    };
    let net = read("/proc/self/net/netstat").unwrap_or_default();
    let octets = |name: &str| {
        let mut lines = net.lines().filter(|line| line.starts_with("IpExt:"));
        let (names, values) = (lines.next()?, lines.next()?);
        let at = names.split_whitespace().position(|word| word == name)?;
        values.split_whitespace().nth(at)?.parse::<f64>().ok()
    };
    Some(Figures {
        cpu_secs: (field(14)? + field(15)?) / TICKS,
        virtual_bytes: field(23)?,
        resident_bytes: kib("VmRSS")? * 1024.0,
        start_secs: boot + field(22)? / TICKS,
        threads: field(20)?,
        heap_bytes: kib("RssAnon")? * 1024.0,
        open_fds: open_fds as f64,
        max_fds: limit("Max open files").unwrap_or_default(),
        max_virtual_bytes: limit("Max address space").unwrap_or_default(),
        received_bytes: octets("InOctets").unwrap_or_default(),
        sent_bytes: octets("OutOctets").unwrap_or_default(),
    })
}

#[allow(clippy::disallowed_methods, reason = "the kernel's account of this process is no file of a disk")]
fn now() -> Option<Figures> {
    let read = |path: &str| std::fs::read_to_string(Path::new(path)).ok();
    let open_fds = std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count);
    figures(read, open_fds)
}

/// Appends the families; `tasks` are those of the reactor.
pub(super) fn write(page: &mut Page, tasks: usize) {
    let Some(process) = now() else { return };
    page.counter("process_cpu_seconds_total", "Total user and system CPU time spent in seconds", process.cpu_secs);
    page.gauge("process_max_fds", "Maximum number of open file descriptors", process.max_fds);
    page.gauge("process_open_fds", "Number of open file descriptors", process.open_fds);
    page.gauge("process_resident_memory_bytes", "Resident memory size in bytes", process.resident_bytes);
    page.gauge(
        "process_start_time_seconds",
        "Start time of the process since unix epoch in seconds",
        process.start_secs,
    );
    page.gauge("process_virtual_memory_bytes", "Virtual memory size in bytes", process.virtual_bytes);
    page.gauge(
        "process_virtual_memory_max_bytes",
        "Maximum amount of virtual memory available in bytes",
        process.max_virtual_bytes,
    );
    page.counter(
        "process_network_receive_bytes_total",
        "Number of bytes received by the process over the network",
        process.received_bytes,
    );
    page.counter(
        "process_network_transmit_bytes_total",
        "Number of bytes sent by the process over the network",
        process.sent_bytes,
    );
    page.gauge(
        "go_goroutines",
        "Tasks and threads of this process, which is not written in Go",
        tasks as f64 + process.threads,
    );
    page.gauge("go_threads", "Number of OS threads", process.threads);
    page.gauge(
        "go_memstats_heap_inuse_bytes",
        "Resident memory that is no file's: the heap of this process, which is not written in Go",
        process.heap_bytes,
    );
    no_garbage(page);
}

/// The collector's figures: there is none.
fn no_garbage(page: &mut Page) {
    page.counter("go_gc_cycles_total_gc_cycles_total", "No garbage is collected here", 0.0);
    page.put(format_args!(
        "# HELP go_gc_duration_seconds No garbage is collected here\n# TYPE go_gc_duration_seconds summary\n"
    ));
    for quantile in ["0.0", "0.25", "0.5", "0.75", "1.0"] {
        page.put(format_args!("go_gc_duration_seconds{{quantile=\"{quantile}\"}} 0\n"));
    }
    page.put(format_args!("go_gc_duration_seconds_sum 0\ngo_gc_duration_seconds_count 0\n"));
    page.put(format_args!(
        "# HELP go_gc_pauses_seconds No garbage is collected here\n# TYPE go_gc_pauses_seconds histogram\n"
    ));
    for bound in ["1e-06", "0.001", "1.0", "+Inf"] {
        page.put(format_args!("go_gc_pauses_seconds_bucket{{le=\"{bound}\"}} 0\n"));
    }
    page.put(format_args!("go_gc_pauses_seconds_sum 0\ngo_gc_pauses_seconds_count 0\n"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_files_are_read() {
        let read = |path: &str| {
            let text = match path {
                "/proc/self/stat" => {
                    "7 (a )b) S 1 7 7 0 -1 0 1 0 0 0 150 50 0 0 20 0 11 0 1000 4096000 300 1 1 1 0 0 0 0 0 0 0"
                }
                "/proc/self/status" => "VmRSS:\t  2048 kB\nRssAnon:\t    1024 kB\n",
                "/proc/stat" => "cpu 1\nbtime 1700000000\n",
                "/proc/self/limits" => {
                    "Limit Soft Hard\nMax open files            1024   4096  files\nMax address space         unlimited  unlimited bytes\n"
                }
                "/proc/self/net/netstat" => "TcpExt: A\nTcpExt: 1\nIpExt: InOctets OutOctets\nIpExt: 12 34\n",
                _ => return None,
            };
            Some(text.to_owned())
        };
        let found = figures(read, 9).expect("all files are there");
        let expected = Figures {
            cpu_secs: 2.0,
            virtual_bytes: 4_096_000.0,
            resident_bytes: 2_097_152.0,
            start_secs: 1_700_000_010.0,
            threads: 11.0,
            heap_bytes: 1_048_576.0,
            open_fds: 9.0,
            max_fds: 1024.0,
            max_virtual_bytes: u64::MAX as f64,
            received_bytes: 12.0,
            sent_bytes: 34.0,
        };
        assert_eq!(found, expected);
        assert_eq!(figures(|_| None, 0), None);
    }
}
