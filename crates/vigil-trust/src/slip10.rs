//! SLIP-0010 for Ed25519: keys from a seed, along a path. Only hardened steps exist on this curve.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha512;
use zeroize::Zeroizing;

use crate::keys::SecretKey;

/// What the master key's HMAC is keyed with (SLIP-0010, "Master key generation").
const MASTER: &[u8] = b"ed25519 seed";

/// What makes a step a hardened one.
const HARDENED: u32 = 1 << 31;

/// A key and its chain code.
struct Node(Zeroizing<[u8; 64]>);

fn keyed(key: &[u8], parts: &[&[u8]]) -> Node {
    let mut mac = Hmac::<Sha512>::new_from_slice(key).expect("HMAC takes keys of any length");
    parts.iter().for_each(|part| mac.update(part));
    Node(Zeroizing::new(mac.finalize().into_bytes().into()))
}

fn node(seed: &[u8], path: &[u32]) -> Node {
    path.iter().fold(keyed(MASTER, &[seed]), |above, step| {
        let (key, chain_code) = above.0.split_at(32);
        keyed(chain_code, &[&[0], key, &(step | HARDENED).to_be_bytes()])
    })
}

/// Returns the key at a path below a seed. Each step is hardened, whether its top bit is set or not.
pub fn key(seed: &[u8], path: &[u32]) -> SecretKey {
    let node = node(seed, path);
    let half = Zeroizing::new(<[u8; 32]>::try_from(&node.0[..32]).expect("half of 64 bytes is 32"));
    SecretKey::from_seed(&half)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{hex, unhex};

    /// The vectors of SLIP-0010: path, chain code, private key, public key (without its leading zero).
    #[track_caller]
    fn check(seed: &str, path: &[u32], chain_code: &str, private: &str, public: Option<&str>) {
        let node = node(&unhex(seed), path);
        assert_eq!(hex(&node.0[..32]), private);
        assert_eq!(hex(&node.0[32..]), chain_code);
        let key = key(&unhex(seed), path);
        assert_eq!(hex(&*key.seed()), private);
        if let Some(public) = public {
            assert_eq!(hex(key.public().as_bytes()), public);
        }
    }

    #[test]
    fn the_first_published_vector_holds() {
        let seed = "000102030405060708090a0b0c0d0e0f";
        check(
            seed,
            &[],
            "90046a93de5380a72b5e45010748567d5ea02bbf6522f979e05c0d8d8ca9fffb",
            "2b4be7f19ee27bbf30c667b642d5f4aa69fd169872f8fc3059c08ebae2eb19e7",
            Some("a4b2856bfec510abab89753fac1ac0e1112364e7d250545963f135f2a33188ed"),
        );
        check(
            seed,
            &[0],
            "8b59aa11380b624e81507a27fedda59fea6d0b779a778918a2fd3590e16e9c69",
            "68e0fe46dfb67e368c75379acec591dad19df3cde26e63b93a8e704f1dade7a3",
            Some("8c8a13df77a28f3445213a0f432fde644acaa215fc72dcdf300d5efaa85d350c"),
        );
        check(
            seed,
            &[0, 1],
            "a320425f77d1b5c2505a6b1b27382b37368ee640e3557c315416801243552f14",
            "b1d0bad404bf35da785a64ca1ac54b2617211d2777696fbffaf208f746ae84f2",
            Some("1932a5270f335bed617d5b935c80aedb1a35bd9fc1e31acafd5372c30f5c1187"),
        );
        check(
            seed,
            &[0, 1, 2],
            "2e69929e00b5ab250f49c3fb1c12f252de4fed2c1db88387094a0f8c4c9ccd6c",
            "92a5b23c0b8a99e37d07df3fb9966917f5d06e02ddbd909c7e184371463e9fc9",
            None,
        );
        check(
            seed,
            &[0, 1, 2, 2],
            "8f6d87f93d750e0efccda017d662a1b31a266e4a6f5993b15f5c1f07f74dd5cc",
            "30d1dc7e5fc04c31219ab25a27ae00b50f6fd66622f6e9c913253d6511d1e662",
            None,
        );
        check(
            seed,
            &[0, 1, 2, 2, 1_000_000_000],
            "68789923a0cac2cd5a29172a475fe9e0fb14cd6adb5ad98a3fa70333e7afa230",
            "8f94d394a8e8fd6b1bc2f3f49f5c47e385281d5c17e65324b0f62483e37e8793",
            None,
        );
    }

    #[test]
    fn the_second_published_vector_holds() {
        let seed = "fffcf9f6f3f0edeae7e4e1dedbd8d5d2cfccc9c6c3c0bdbab7b4b1aeaba8a5a2\
                    9f9c999693908d8a8784817e7b7875726f6c696663605d5a5754514e4b484542";
        check(
            seed,
            &[],
            "ef70a74db9c3a5af931b5fe73ed8e1a53464133654fd55e7a66f8570b8e33c3b",
            "171cb88b1b3c1db25add599712e36245d75bc65a1a5c9e18d76f9f2b1eab4012",
            None,
        );
        check(
            seed,
            &[0, 2_147_483_647],
            "138f0b2551bcafeca6ff2aa88ba8ed0ed8de070841f0c4ef0165df8181eaad7f",
            "ea4f5bfe8694d8bb74b7b59404632fd5968b774ed545e810de9c32a4fb4192f4",
            None,
        );
    }
}
