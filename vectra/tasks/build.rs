//! Tells the linker that these are Tasks, not Linux programs.

fn main() {
    for argument in [
        "-nostartfiles",
        "-nostdlib",
        "-static",
        "-no-pie",
        "-Wl,-e,vectra_start",
        "-Wl,--image-base=0x400000",
        "-Wl,--build-id=none",
        "-Wl,-z,max-page-size=0x1000",
        "-Wl,-z,separate-code",
        "-Wl,-z,norelro",
        "-Wl,-z,noexecstack",
        "-Wl,--gc-sections",
        "-Wl,--strip-all",
    ] {
        println!("cargo::rustc-link-arg-bins={argument}");
    }
}
