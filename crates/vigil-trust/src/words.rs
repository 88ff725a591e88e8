//! The words of a Person: 256 bits as 24 words (BIP39), and fingerprints as words to compare by voice.
//!
//! The words are the Person: whoever has them signs as it. They are shown once, and wiped when dropped.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use bip39::{Language, Mnemonic};
use vigil_base::world::{Randomness, RandomnessError};
use vigil_base::{Blame, Blamed, Vcid};
use zeroize::Zeroizing;

use crate::entropy::Certain;
use crate::keys::{PublicKey, SecretKey};
use crate::slip10;

/// How many words there are: 256 bits and a checksum of 8, at 11 bits each.
pub const WORDS: usize = 24;

/// The path of a Person's key below the words' seed. 1531 is this project's number; the second step
/// leaves room for keys of other kinds.
const PERSON_PATH: [u32; 2] = [1531, 0];

/// How many words a fingerprint has. 12 words are 132 bits, so that nobody finds a second key whose
/// fingerprint is the same.
pub const FINGERPRINT_WORDS: usize = 12;

/// Why a text is not the words of a Person. None of these shows a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WordsError {
    /// There are more or fewer words.
    #[error("a Person has {WORDS} words, these are {found}")]
    Count {
        /// How many there are.
        found: usize,
    },
    /// A word is not on the list.
    #[error("word {number} is not on the English list of BIP39; is a letter wrong?")]
    Unknown {
        /// Which, from 1.
        number: usize,
    },
    /// The words are on the list, but not in this order or not these.
    #[error("the checksum of these words does not fit: two are swapped, or one is another word")]
    Checksum,
}

impl Blamed for WordsError {
    fn blame(&self) -> Blame {
        Blame::Caller
    }
}

/// The 24 words of a Person.
pub struct Words(Mnemonic);

impl Words {
    /// Makes the words of a new Person, who takes high confidence and nothing less.
    pub fn new(entropy: &Certain) -> Self {
        Self::from_entropy(entropy.bytes())
    }

    fn from_entropy(entropy: &[u8; 32]) -> Self {
        Self(Mnemonic::from_entropy(entropy).expect("32 bytes are 24 words"))
    }

    /// Reads words that are parted by white space, in any case.
    ///
    /// # Errors
    /// Fails for another number of words, for unknown ones, and where the checksum does not fit.
    pub fn parse(text: &str) -> Result<Self, WordsError> {
        let text = Zeroizing::new(text.to_lowercase());
        let words: Vec<&str> = text.split_whitespace().collect();
        if words.len() != WORDS {
            return Err(WordsError::Count { found: words.len() });
        }
        let list = Language::English.word_list();
        let unknown = words.iter().position(|word| list.binary_search(word).is_err());
        if let Some(at) = unknown {
            return Err(WordsError::Unknown { number: at + 1 });
        }
        let joined = Zeroizing::new(words.join(" "));
        Mnemonic::parse_in_normalized(Language::English, &joined)
            .map(Self)
            .map_err(|_| WordsError::Checksum)
    }

    /// Returns the words, parted by blanks: to be shown once, to the Person.
    pub fn text(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::with_capacity(WORDS * 9));
        for (at, word) in self.0.words().enumerate() {
            if at > 0 {
                text.push(' ');
            }
            text.push_str(word);
        }
        text
    }

    /// Returns the Person's key: SLIP-0010 at m/1531'/0' of the BIP39 seed with an empty passphrase.
    pub fn person(&self) -> SecretKey {
        let seed = Zeroizing::new(self.0.to_seed_normalized(""));
        slip10::key(&*seed, &PERSON_PATH)
    }

    /// Chooses three words to ask for, so that the Person shows that they were written down.
    ///
    /// # Errors
    /// Fails where there is no randomness.
    pub fn ask(&self, randomness: &dyn Randomness) -> Result<Questions, RandomnessError> {
        let mut numbers: Vec<usize> = Vec::new();
        while numbers.len() < 3 {
            let mut byte = [0];
            randomness.fill(&mut byte)?;
            // 240 is the largest multiple of 24 below 256, so that each word is as likely.
            let number = usize::from(byte[0]) % WORDS + 1;
            if byte[0] < 240 && !numbers.contains(&number) {
                numbers.push(number);
            }
        }
        numbers.sort_unstable();
        Ok(Questions(numbers.try_into().expect("three were chosen")))
    }

    /// Says whether an answer is the word of a number, from 1.
    pub fn is_word(&self, number: usize, answer: &str) -> bool {
        let word = self.0.words().nth(number.wrapping_sub(1));
        word.is_some_and(|word| answer.trim().eq_ignore_ascii_case(word))
    }
}

impl fmt::Debug for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the words of a Person")
    }
}

/// The numbers of the three words that are asked for, rising, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Questions(pub [usize; 3]);

/// Returns a key's fingerprint: the first 132 bits of the SHA-256 of its 32 bytes, as 12 words of the
/// same list.
pub fn fingerprint(key: &PublicKey) -> String {
    fingerprint_of(&key.id())
}

fn fingerprint_of(id: &Vcid) -> String {
    let list = Language::English.word_list();
    let bit = |at: usize| usize::from(id.as_bytes()[at / 8] >> (7 - at % 8) & 1);
    let word = |number: usize| {
        let index = (number * 11..number * 11 + 11).fold(0, |index, at| index << 1 | bit(at));
        list[index]
    };
    let mut text = String::new();
    for number in 0..FINGERPRINT_WORDS {
        if number > 0 {
            text.push(' ');
        }
        text.push_str(word(number));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Repeating, hex, unhex};
    use alloc::format;
    use alloc::string::ToString;

    /// The vectors for 24 words that BIP39 points at: entropy, words, seed with the passphrase TREZOR.
    const VECTORS: [(&str, &str, &str); 2] = [
        (
            "0000000000000000000000000000000000000000000000000000000000000000",
            "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon \
             abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon \
             abandon art",
            "bda85446c68413707090a52022edd26a1c9462295029f2e60cd7c4f2bbd3097170af7a4d73245cafa9c3cca8d561a7c3\
             de6f5d4a10be8ed2a5e608d68f92fcc8",
        ),
        (
            "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
            "zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo \
             vote",
            "dd48c104698c30cfe2b6142103248622fb7bb0ff692eebb00089b32d22484e1613912f0a5b694407be899ffd31ed3992\
             c456cdf60f5d4564b8ba3f05a69890ad",
        ),
    ];

    #[test]
    fn the_published_vectors_hold() {
        for (entropy, words, seed) in VECTORS {
            let entropy: [u8; 32] = unhex(entropy).try_into().expect("32 bytes");
            let made = Words::from_entropy(&entropy);
            assert_eq!(made.text().as_str(), words);
            assert_eq!(hex(&made.0.to_seed_normalized("TREZOR")), seed);
            let read = Words::parse(words).expect("they are words");
            assert_eq!(read.person().public(), made.person().public());
        }
    }

    #[test]
    fn the_key_of_known_words_stays() {
        // Computed with Python's hashlib and hmac from the same words.
        let key = Words::from_entropy(&[0; 32]).person();
        let want = "1a6e226a6f25b4c106be5327cdadf1abc1b3260c98a839282b608024635ca24c";
        assert_eq!(hex(&*key.seed()), want);
    }

    #[test]
    fn what_is_wrong_with_words_is_said_without_showing_one() {
        let words = Words::from_entropy(&[3; 32]).text();
        let upper = words.to_uppercase().replace(' ', "  \n");
        assert!(Words::parse(&upper).is_ok());
        let cut = words.rsplit_once(' ').expect("many words").0;
        assert_eq!(Words::parse(cut).err(), Some(WordsError::Count { found: 23 }));
        let typo = format!("{cut} xyzzy");
        assert_eq!(Words::parse(&typo).err(), Some(WordsError::Unknown { number: 24 }));
        let mut list: Vec<&str> = words.split(' ').collect();
        let last = list.len() - 1;
        list[last] = if list[last] == "zoo" { "zone" } else { "zoo" };
        let error = Words::parse(&list.join(" ")).expect_err("the checksum is another");
        assert_eq!(error, WordsError::Checksum);
        let shown = format!("{error} {error:?} {:?}", Words::from_entropy(&[3; 32]));
        assert!(words.split(' ').filter(|word| word.len() > 4).all(|word| !shown.contains(word)));
    }

    #[test]
    fn three_different_words_are_asked_for_and_only_those_answer() {
        let words = Words::from_entropy(&[9; 32]);
        let list: Vec<String> = words.text().split(' ').map(ToString::to_string).collect();
        let randomness = Repeating::new(1);
        let mut seen = [false; WORDS];
        for _ in 0..200 {
            let Questions([a, b, c]) = words.ask(&randomness).expect("randomness");
            assert!(1 <= a && a < b && b < c && c <= WORDS);
            [a, b, c].into_iter().for_each(|number| seen[number - 1] = true);
            assert!(words.is_word(a, &format!(" {}\n", list[a - 1].to_uppercase())));
            assert!(!words.is_word(a, "xyzzy") && !words.is_word(a, ""));
        }
        assert!(seen.iter().all(|seen| *seen));
        assert!(!words.is_word(0, &list[0]) && !words.is_word(25, &list[0]));
    }

    #[test]
    fn fingerprints_are_words_and_differ() {
        let one = fingerprint(&SecretKey::from_seed(&[1; 32]).public());
        let two = fingerprint(&SecretKey::from_seed(&[2; 32]).public());
        assert_ne!(one, two);
        assert_eq!(one.split(' ').count(), FINGERPRINT_WORDS);
        let ones = Vcid::from_bytes([0xff; 32]);
        assert!(fingerprint_of(&ones).split(' ').all(|word| word == "zoo"));
    }
}
