//! Our proofs beside those of `ct-merkle`, another implementation of RFC 6962: byte for byte.

use ct_merkle::mem_backed_tree::MemoryBackedTree;
use ct_merkle::{ConsistencyProof, InclusionProof, RootHash};
use proptest::prelude::*;
use sha2::Sha256;
use vigil_trust::log::{
    Edge, Growth, GrowthRoots, Inclusion, LeafIndex, MemoryTree, TileNodes, TreeHash, TreeSize,
    check_consistency, check_inclusion, prove_consistency, prove_inclusion, root,
};

use super::world::{MemoryLog, entry};

/// Big enough for tiles on three levels is too slow for all pairs; this has odd edges on two.
const SIZE: u64 = 70;

fn theirs(size: u64) -> MemoryBackedTree<Sha256, Vec<u8>> {
    let mut tree = MemoryBackedTree::new();
    (0..size).for_each(|index| tree.push(entry(index)));
    tree
}

fn ours(size: u64) -> MemoryTree {
    let mut tree = MemoryTree::default();
    (0..size).for_each(|index| tree.push(TreeHash::of_leaf(&entry(index))));
    tree
}

fn bytes(hashes: &[TreeHash]) -> Vec<u8> {
    hashes.iter().flat_map(|hash| hash.0).collect()
}

#[test]
fn every_inclusion_proof_of_small_trees_is_the_same_and_verifies_on_both_sides() {
    for size in 1..=SIZE {
        let (their, mut our) = (theirs(size), ours(size));
        let tree = root(&mut our, TreeSize(size)).expect("a root");
        assert_eq!(their.root().as_bytes().as_slice(), tree.0);
        for index in 0..size {
            let what = Inclusion { index: LeafIndex(index), size: TreeSize(size) };
            let proof = prove_inclusion(&mut our, what).expect("a proof");
            let their_proof = their.prove_inclusion(index as usize);
            assert_eq!(their_proof.as_bytes(), bytes(&proof), "{index} of {size}");
            let leaf = TreeHash::of_leaf(&entry(index));
            assert_eq!(check_inclusion(what, leaf, &proof, tree), Ok(()));
            let ours_for_them = InclusionProof::from_bytes(bytes(&proof));
            let verified = their.root().verify_inclusion(&entry(index), index, &ours_for_them);
            assert!(verified.is_ok());
        }
    }
}

#[test]
fn every_consistency_proof_of_small_trees_is_the_same_and_verifies_on_both_sides() {
    let roots: Vec<TreeHash> =
        (0..=SIZE).map(|size| root(&mut ours(size), TreeSize(size)).expect("a root")).collect();
    for to in 1..=SIZE {
        let (their, mut our) = (theirs(to), ours(to));
        for from in 1..to {
            let what = Growth { from: TreeSize(from), to: TreeSize(to) };
            let proof = prove_consistency(&mut our, what).expect("a proof");
            let their_proof = their.prove_consistency((to - from) as usize);
            assert_eq!(their_proof.as_bytes(), bytes(&proof), "{from} to {to}");
            let both = GrowthRoots { from: roots[from as usize], to: roots[to as usize] };
            assert_eq!(check_consistency(what, both, &proof), Ok(()));
            let old = RootHash::<Sha256>::new(both.from.0.into(), from);
            let ours_for_them = ConsistencyProof::try_from_bytes(bytes(&proof)).expect("whole");
            assert!(their.root().verify_consistency(&old, &ours_for_them).is_ok());
        }
    }
}

#[test]
fn growing_from_nothing_and_not_at_all_needs_no_hashes() {
    let mut tree = ours(5);
    let five = root(&mut tree, TreeSize(5)).expect("a root");
    for (from, earlier) in [(0, TreeHash::of_empty_tree()), (5, five)] {
        let what = Growth { from: TreeSize(from), to: TreeSize(5) };
        assert_eq!(prove_consistency(&mut tree, what), Ok(Vec::new()));
        let roots = GrowthRoots { from: earlier, to: five };
        assert_eq!(check_consistency(what, roots, &[]), Ok(()));
        assert!(check_consistency(what, roots, &[five]).is_err());
        let wrong = GrowthRoots { from: TreeHash([7; 32]), ..roots };
        assert!(check_consistency(what, wrong, &[]).is_err());
    }
}

#[test]
fn tiles_give_the_same_hashes_as_a_whole_tree() {
    // 66 000 entries have tiles on three levels.
    let mut log = MemoryLog::of(66_000);
    let signed = log.sign();
    let size = signed.unverified().size;
    let mut whole = ours(66_000);
    assert_eq!(root(&mut whole, size), Ok(signed.unverified().root));
    let edge = Edge::read(log.clone(), size).expect("an edge");
    assert_eq!(edge, log.edge);
    let mut nodes = TileNodes::new(log, size);
    assert_eq!(root(&mut nodes, size), Ok(signed.unverified().root));
    for index in [0, 1, 255, 256, 65_535, 65_536, 65_999] {
        let what = Inclusion { index: LeafIndex(index), size };
        assert_eq!(prove_inclusion(&mut nodes, what).ok(), prove_inclusion(&mut whole, what).ok());
    }
    for from in [1, 255, 256, 257, 65_535, 65_536, 65_537, 66_000] {
        let what = Growth { from: TreeSize(from), to: size };
        assert_eq!(
            prove_consistency(&mut nodes, what).ok(),
            prove_consistency(&mut whole, what).ok()
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Each bit of a proof counts, and so do its length, the index and both sizes.
    #[test]
    fn a_changed_proof_shows_nothing(
        size in 2u64..200, index in 0u64..200, hash in 0usize..8, bit in 0usize..256, other in 1u64..200,
    ) {
        let index = index % size;
        let mut tree = ours(size);
        let wanted = root(&mut tree, TreeSize(size)).expect("a root");
        let what = Inclusion { index: LeafIndex(index), size: TreeSize(size) };
        let proof = prove_inclusion(&mut tree, what).expect("a proof");
        let leaf = TreeHash::of_leaf(&entry(index));
        let mut flipped = proof.clone();
        let at = hash % flipped.len();
        flipped[at].0[bit / 8] ^= 1 << (bit % 8);
        prop_assert!(check_inclusion(what, leaf, &flipped, wanted).is_err());
        prop_assert!(check_inclusion(what, leaf, &proof[1..], wanted).is_err());
        let longer: Vec<TreeHash> = proof.iter().copied().chain([wanted]).collect();
        prop_assert!(check_inclusion(what, leaf, &longer, wanted).is_err());
        if other % size != index {
            let moved = Inclusion { index: LeafIndex(other % size), ..what };
            prop_assert!(check_inclusion(moved, leaf, &proof, wanted).is_err());
        }
        let from = 1 + other % (size - 1);
        let growth = Growth { from: TreeSize(from), to: TreeSize(size) };
        let proof = prove_consistency(&mut tree, growth).expect("a proof");
        let roots = GrowthRoots {
            from: root(&mut ours(from), TreeSize(from)).expect("a root"),
            to: wanted,
        };
        prop_assert!(check_consistency(growth, roots, &proof).is_ok());
        let mut flipped = proof.clone();
        let at = hash % flipped.len();
        flipped[at].0[bit / 8] ^= 1 << (bit % 8);
        prop_assert!(check_consistency(growth, roots, &flipped).is_err());
        prop_assert!(check_consistency(growth, roots, &proof[1..]).is_err());
        let longer: Vec<TreeHash> = proof.iter().copied().chain([wanted]).collect();
        prop_assert!(check_consistency(growth, roots, &longer).is_err());
    }
}
