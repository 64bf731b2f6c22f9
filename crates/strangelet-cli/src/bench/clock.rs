//! Which seconds count.

/// A clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Clock {
    /// Seconds of processor time, with that of child processes: other work on the machine does not show
    Cpu,
    /// Seconds on the wall
    Wall,
}

impl Clock {
    /// Name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Clock::Cpu => "cpu",
            Clock::Wall => "wall",
        }
    }

    /// Seconds since some moment in the past.
    pub fn now(self) -> f64 {
        match self {
            Clock::Cpu => cpu(),
            Clock::Wall => wall(),
        }
    }
}

fn wall() -> f64 {
    static START: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
    START.get_or_init(std::time::Instant::now).elapsed().as_secs_f64()
}

#[cfg(unix)]
fn cpu() -> f64 {
    let t = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    t.tv_sec as f64 + t.tv_nsec as f64 * 1e-9 + children()
}

#[cfg(not(unix))]
fn cpu() -> f64 {
    wall()
}

/// Processor time of children that have ended, where the system tells; in steps of 10 ms.
#[cfg(unix)]
fn children() -> f64 {
    let Ok(stat) = std::fs::read_to_string("/proc/self/stat") else { return 0.0 };
    let Some((_, fields)) = stat.rsplit_once(')') else { return 0.0 };
    let ticks = fields.split_whitespace().skip(13).take(2).filter_map(|f| f.parse::<f64>().ok());
    ticks.sum::<f64>() / 100.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(unix)]
    fn sleeping_costs_wall_time_only() {
        let (wall, cpu) = (Clock::Wall.now(), Clock::Cpu.now());
        std::thread::sleep(std::time::Duration::from_millis(300));
        assert!(Clock::Wall.now() - wall >= 0.3);
        // Other tests of this process run meanwhile: only a child's time is looked at exactly.
        assert!(Clock::Cpu.now() >= cpu);
        let before = children();
        let busy = "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done";
        assert!(std::process::Command::new("sh").args(["-c", busy]).status().unwrap().success());
        assert!(children() > before);
    }
}
