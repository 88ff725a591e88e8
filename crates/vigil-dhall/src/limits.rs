//! How much a stranger's program may cost.

/// Bounds on what reading, checking and evaluating may use. Each has an error that names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How deep expressions may nest, parentheses and chains of operators included.
    pub depth: usize,
    /// How many reductions one evaluation may take, or one resolution with all that it imports.
    pub steps: u64,
    /// How many bytes of results (texts, lists, records, numbers, encodings) one evaluation may
    /// build in all; also how many bytes one session may import.
    pub memory_bytes: u64,
    /// How many imports one resolution may load.
    pub imports: usize,
    /// How many bytes one import may have.
    pub import_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            depth: 20_000,
            // About a minute of work.
            steps: 1_000_000_000,
            memory_bytes: 4 << 30,
            imports: 10_000,
            import_bytes: 256 << 20,
        }
    }
}
