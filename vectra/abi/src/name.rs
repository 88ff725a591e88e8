/// The name of a Bundle slot: up to sixteen bytes, carried in two words.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Name([u8; 16]);

impl Name {
    /// Makes a name from text; what exceeds sixteen bytes is cut.
    pub const fn new(text: &str) -> Self {
        let bytes = text.as_bytes();
        let mut out = [0; 16];
        let mut at = 0;
        while at < bytes.len() && at < 16 {
            out[at] = bytes[at];
            at += 1;
        }
        Self(out)
    }

    /// Takes the bytes as they are; [`Name::is_legal`] judges them.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// Reads a name from the two words of a call.
    pub fn from_words(low: u64, high: u64) -> Self {
        let mut out = [0; 16];
        out[..8].copy_from_slice(&low.to_le_bytes());
        out[8..].copy_from_slice(&high.to_le_bytes());
        Self(out)
    }

    /// Returns the two words that carry this name.
    pub fn words(self) -> [u64; 2] {
        let (low, high) = self.0.split_at(8);
        [low, high].map(|half| {
            let mut word = [0; 8];
            word.copy_from_slice(half);
            u64::from_le_bytes(word)
        })
    }

    /// Says whether this can name a slot: printable ASCII without spaces, then only zeros.
    pub fn is_legal(self) -> bool {
        let length = self.0.iter().position(|&byte| byte == 0).unwrap_or(16);
        let (text, rest) = self.0.split_at(length);
        !text.is_empty() && text.iter().all(u8::is_ascii_graphic) && rest.iter().all(|&b| b == 0)
    }

    /// Returns the text up to the first zero, or `?` where it is not text.
    pub fn as_str(&self) -> &str {
        let length = self.0.iter().position(|&byte| byte == 0).unwrap_or(16);
        core::str::from_utf8(&self.0[..length]).unwrap_or("?")
    }
}

impl core::fmt::Debug for Name {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.as_str())
    }
}
