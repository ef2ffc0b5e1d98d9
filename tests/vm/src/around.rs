//! What a scenario does to the machine around hal, and counts on it: the clock, rights, open files.

use anyhow::{Context as _, Result, anyhow, ensure};
use rustix::{
    process::{Gid, Uid},
    thread::{set_thread_groups, set_thread_res_gid, set_thread_res_uid},
    time::{ClockId, clock_gettime, clock_settime},
};
use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt as _,
    path::Path,
    thread,
    time::Duration,
};

/// The user and group that own nothing.
const NOBODY: u32 = 65_534;

/// Sets the wall clock forward, or back.
pub(crate) fn set_clock(seconds: i64) -> Result<()> {
    let mut now = clock_gettime(ClockId::Realtime);
    now.tv_sec += seconds;
    clock_settime(ClockId::Realtime, now).context("the clock cannot be set")
}

/// Runs `body` as a user who owns nothing, and with it every thread that it starts.
pub(crate) fn unprivileged<T: Send + 'static>(
    body: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    let thread = thread::spawn(move || {
        let (user, group) = (Uid::from_raw(NOBODY), Gid::from_raw(NOBODY));
        set_thread_groups(&[])?;
        set_thread_res_gid(group, group, group)?;
        set_thread_res_uid(user, user, user)?;
        body()
    });
    thread.join().map_err(|_| anyhow!("it panicked without rights"))?
}

/// Lets everybody use a node, as udev does a moment after the kernel made it.
pub(crate) fn allow(node: &Path) -> Result<()> {
    fs::set_permissions(node, Permissions::from_mode(0o666)).with_context(|| node.display().to_string())
}

/// Waits until the thread of this process with this name sleeps. A thread that something just woke does not, so
/// that after a write to what it reads, it sleeps only over something else.
pub(crate) fn until_asleep(name: &str, limit: Duration) -> Result<()> {
    let deadline = hal::Deadline::after(limit);
    let sleeps = |task: fs::DirEntry| {
        let of = |file| fs::read_to_string(task.path().join(file)).unwrap_or_default();
        // `pid (name) state ...`
        of("comm").trim() == name
            && of("stat").rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('S'))
    };
    while !fs::read_dir("/proc/self/task")?.flatten().any(sleeps) {
        ensure!(!deadline.passed(), "{name} does not sleep within {} s", limit.as_secs());
        thread::park_timeout(Duration::from_millis(5));
    }
    Ok(())
}

/// How often the threads of this process with one of these names gave their core back so far
/// (`voluntary_ctxt_switches`, `proc_pid_status(5)`).
pub(crate) fn wakes(names: &[&str]) -> Result<u64> {
    let mut all = 0;
    for task in fs::read_dir("/proc/self/task")? {
        let task = task?.path();
        if names.contains(&fs::read_to_string(task.join("comm"))?.trim()) {
            let status = fs::read_to_string(task.join("status"))?;
            let count = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
            all += count.context("a thread without a count")?.trim().parse::<u64>()?;
        }
    }
    Ok(all)
}

/// How many files and threads this process has at one moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Held {
    files: usize,
    threads: usize,
}

impl Held {
    /// Counts them now.
    pub(crate) fn now() -> Result<Self> {
        let entries = |folder| Ok::<_, std::io::Error>(fs::read_dir(folder)?.count());
        Ok(Self { files: entries("/proc/self/fd")?, threads: entries("/proc/self/task")? })
    }

    /// Whether neither grew. A moment may fall where something is open for an instant, so that the least of
    /// the earlier half is compared with the least of the later one.
    pub(crate) fn same_throughout(counts: &[Self]) -> Result<()> {
        let (earlier, later) = counts.split_at(counts.len() / 2);
        let least = |half: &[Self], of: fn(&Self) -> usize| half.iter().map(of).min();
        for of in [|held: &Self| held.files, |held: &Self| held.threads] {
            let (before, after) = (least(earlier, of), least(later, of));
            ensure!(before.is_some() && after <= before, "files and threads grow: {counts:?}");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_file_more_each_time_is_a_leak_and_a_moment_is_not() {
        let counts = |files: &[usize]| -> Vec<Held> {
            files.iter().map(|files| Held { files: *files, threads: 2 }).collect()
        };
        assert!(Held::same_throughout(&counts(&[8, 9, 10, 11])).is_err());
        assert!(Held::same_throughout(&counts(&[9, 8, 8, 9])).is_ok());
        assert!(Held::same_throughout(&counts(&[])).is_err());
    }
}
