//! Where kernel and boot archive come from: out of the program, or out of its checkout.

use std::path::PathBuf;

use crate::MachineError;

/// Kernel and boot archive.
pub(crate) struct Image {
    #[cfg(not(carries_machine))]
    built: vectra_image::Image,
}

/// The two as files, for as long as this lives.
pub(crate) struct Files {
    #[cfg(carries_machine)]
    kernel: std::os::fd::OwnedFd,
    #[cfg(carries_machine)]
    archive: std::os::fd::OwnedFd,
    #[cfg(not(carries_machine))]
    built: vectra_image::Image,
}

#[cfg(carries_machine)]
mod carried {
    use std::fs::File;
    use std::io::Write as _;
    use std::os::fd::{AsRawFd as _, OwnedFd};

    use rustix::fs::{MemfdFlags, memfd_create};

    use super::{Files, Image, MachineError, PathBuf};

    static KERNEL: &[u8] = include_bytes!(env!("VECTRA_KERNEL"));
    static ARCHIVE: &[u8] = include_bytes!(env!("VECTRA_ARCHIVE"));

    /// Makes a file that QEMU inherits and that is gone when nobody has it open.
    fn file(name: &str, bytes: &[u8]) -> std::io::Result<OwnedFd> {
        let fd = memfd_create(name, MemfdFlags::empty())?;
        let mut file = File::from(fd);
        file.write_all(bytes)?;
        Ok(file.into())
    }

    fn path(fd: &OwnedFd) -> PathBuf {
        PathBuf::from(format!("/proc/self/fd/{}", fd.as_raw_fd()))
    }

    impl Image {
        pub(crate) fn find(_say: &dyn Fn(&str)) -> Result<Self, MachineError> {
            Ok(Self {})
        }

        pub(crate) fn archive(&self) -> Result<std::borrow::Cow<'static, [u8]>, MachineError> {
            Ok(ARCHIVE.into())
        }

        pub(crate) fn files(&self) -> Result<Files, MachineError> {
            let file = |name, bytes| file(name, bytes).map_err(MachineError::Image);
            Ok(Files {
                kernel: file("vectra-kernel", KERNEL)?,
                archive: file("vectra-archive", ARCHIVE)?,
            })
        }
    }

    impl Files {
        pub(crate) fn kernel(&self) -> PathBuf {
            path(&self.kernel)
        }

        pub(crate) fn archive(&self) -> PathBuf {
            path(&self.archive)
        }
    }
}

#[cfg(not(carries_machine))]
mod built {
    use std::path::Path;

    use vectra_image::{Tools, build};

    use super::{Files, Image, MachineError, PathBuf};

    impl Image {
        pub(crate) fn find(say: &dyn Fn(&str)) -> Result<Self, MachineError> {
            let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../vectra");
            let path = |text: &str| (!text.is_empty()).then(|| PathBuf::from(text));
            let tools = Tools {
                cargo: env!("VECTRA_CARGO").into(),
                rustc: path(env!("VECTRA_RUSTC")),
                home: path(env!("VECTRA_CARGO_HOME")),
            };
            if !root.join("target/vectra.archive").exists() {
                say("building the machine, which this development build does not carry");
            }
            Ok(Self { built: build(&root, &tools).map_err(MachineError::Build)? })
        }

        #[cfg(hosts_tasks)]
        pub(crate) fn archive(&self) -> Result<Vec<u8>, MachineError> {
            std::fs::read(&self.built.archive).map_err(MachineError::Image)
        }

        pub(crate) fn files(&self) -> Result<Files, MachineError> {
            Ok(Files { built: self.built.clone() })
        }
    }

    impl Files {
        pub(crate) fn kernel(&self) -> PathBuf {
            self.built.kernel.clone()
        }

        pub(crate) fn archive(&self) -> PathBuf {
            self.built.archive.clone()
        }
    }
}
