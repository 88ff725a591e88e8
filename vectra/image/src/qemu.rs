use std::path::PathBuf;
use std::process::{Command, Stdio};

const QEMU: &str = "qemu-system-x86_64";

/// What to say when QEMU cannot be started.
pub const QEMU_MISSING: &str = "`apt-get install qemu-system-x86` brings qemu-system-x86_64";

/// Says whether QEMU can be started.
pub fn has_qemu() -> bool {
    Command::new(QEMU).arg("--version").stdout(Stdio::null()).status().is_ok()
}

/// A bare machine, emulated.
#[derive(Clone, Debug)]
pub struct Qemu {
    /// The kernel.
    pub kernel: PathBuf,
    /// The boot archive.
    pub archive: PathBuf,
    /// Processors.
    pub processors: u32,
    /// Memory, in MiB.
    pub memory_mib: u32,
    /// Count instructions, so that runs are repeatable.
    pub counted: bool,
    /// The kernel's command line: `first=NAME`, `frames=COUNT`.
    pub words: String,
}

impl Qemu {
    /// Returns the command that boots this machine with the serial line on its own console. Its exit
    /// code is twice the machine's plus one.
    pub fn command(&self) -> Command {
        let mut command = Command::new(QEMU);
        command
            .args(["-M", "q35", "-accel", "tcg", "-cpu", "max"])
            .args(["-nodefaults", "-no-user-config", "-no-reboot", "-display", "none"])
            .args(["-serial", "stdio", "-device", "isa-debug-exit,iobase=0xf4,iosize=1"])
            .args(["-smp", &self.processors.to_string(), "-m", &self.memory_mib.to_string()])
            .args(["-append", &self.words])
            .arg("-kernel")
            .arg(&self.kernel)
            .arg("-initrd")
            .arg(&self.archive);
        if self.counted {
            command.args(["-icount", "shift=0,sleep=off"]);
        }
        command
    }
}
