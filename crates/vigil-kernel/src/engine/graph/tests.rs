use std::collections::BTreeSet;

use proptest::prelude::*;

use super::super::crew::{Alone, Crew, Threads};
use super::*;

fn seen(graph: &Graph, nodes: &[u32]) -> Vec<Seen> {
    let item = |&node: &u32| Seen {
        node: NodeId(node),
        version: graph.version(NodeId(node)),
        with_previous: false,
    };
    nodes.iter().map(item).collect()
}

/// Makes a graph of sound nodes from each one's dependencies.
fn graph_of(dependencies: &[Vec<u32>]) -> Graph {
    let mut graph = Graph::default();
    for _ in dependencies {
        graph.add(0, 0);
    }
    for (node, below) in dependencies.iter().enumerate() {
        let seen = seen(&graph, below);
        graph.settle(NodeId(node as u32), &seen, true, true, &Alone);
    }
    graph
}

/// Says of each node what is known, one letter each.
fn standings(graph: &Graph) -> String {
    let letter = |node| match graph.standing(NodeId(node)) {
        Standing::Absent => 'a',
        Standing::Sound => 's',
        Standing::Doubtful => '?',
        Standing::Dirty => 'd',
    };
    (0..graph.len() as u32).map(letter).collect()
}

#[test]
fn doubt_goes_up_and_ends_with_the_last_dirty_node() {
    let mut graph = graph_of(&[vec![], vec![0], vec![1], vec![]]);
    assert_eq!(standings(&graph), "ssss");
    assert!(graph.soil(NodeId(0), &Alone));
    assert_eq!(standings(&graph), "d??s");
    graph.settle(NodeId(0), &[], false, true, &Alone);
    assert_eq!(standings(&graph), "ssss");
}

#[test]
fn a_change_soils_what_is_directly_above() {
    let mut graph = graph_of(&[vec![], vec![0], vec![1]]);
    graph.soil(NodeId(0), &Alone);
    graph.settle(NodeId(0), &[], true, true, &Alone);
    assert_eq!(standings(&graph), "sd?");
    let below = seen(&graph, &[0]);
    graph.settle(NodeId(1), &below, false, true, &Alone);
    assert_eq!(standings(&graph), "sss");
}

#[test]
fn doubts_of_another_dirty_node_stay() {
    let mut graph = graph_of(&[vec![], vec![], vec![0], vec![1]]);
    graph.soil(NodeId(0), &Alone);
    graph.soil(NodeId(1), &Alone);
    graph.settle(NodeId(0), &[], false, true, &Alone);
    assert_eq!(standings(&graph), "sd??");
    graph.confirm(NodeId(2));
    assert_eq!(standings(&graph), "sds?");
}

#[test]
fn epochs_wrap_around() {
    let mut graph = graph_of(&[vec![], vec![0]]);
    for _ in 0..1000 {
        graph.soil(NodeId(0), &Alone);
        assert_eq!(standings(&graph), "d?");
        graph.settle(NodeId(0), &[], false, true, &Alone);
        assert_eq!(standings(&graph), "ss");
    }
}

#[test]
fn repetitions_go_and_groups_stay() {
    let mut graph = graph_of(&[vec![], vec![], vec![]]);
    let item = |node, with_previous| Seen { node: NodeId(node), version: 1, with_previous };
    let mut list = vec![
        item(0, false),
        item(1, true),
        item(0, false),
        item(2, true),
        item(1, true),
        item(2, false),
    ];
    graph.dedup(&mut list);
    assert_eq!(list, [item(0, false), item(1, true), item(2, false)]);
}

#[test]
fn a_split_level_marks_the_same() {
    let count = 3 * SPLIT_EDGES_MIN as u32;
    let mut dependencies = vec![vec![]];
    dependencies.extend((0..count).map(|_| vec![0]));
    dependencies.extend((1..=count).map(|node| vec![node, node % 7 + 1]));
    for crew in [&Alone as &dyn Crew, &Threads(2), &Threads(3)] {
        let mut graph = graph_of(&dependencies);
        graph.soil(NodeId(0), crew);
        assert_eq!(standings(&graph), format!("d{}", "?".repeat(2 * count as usize)));
    }
}

proptest! {
    /// After any row of edits, edges stand at both ends, and doubt is exactly where it must be.
    #[test]
    fn edges_agree(edits in proptest::collection::vec(
        (1..12u32, proptest::collection::btree_set(0..12u32, 0..5)), 0..60))
    {
        let mut graph = graph_of(&vec![vec![]; 12]);
        let mut model: Vec<BTreeSet<u32>> = vec![BTreeSet::new(); 12];
        for (node, below) in edits {
            let below: Vec<u32> = below.into_iter().filter(|other| *other < node).collect();
            let list = seen(&graph, &below);
            graph.settle(NodeId(node), &list, false, true, &Alone);
            model[node as usize] = below.into_iter().collect();
        }
        for node in 0..12u32 {
            let below: BTreeSet<u32> = graph.dependencies(NodeId(node)).map(|n| n.0).collect();
            prop_assert_eq!(&below, &model[node as usize]);
            let above: BTreeSet<u32> = graph.dependents(NodeId(node)).map(|n| n.0).collect();
            let want: BTreeSet<u32> =
                (0..12).filter(|other| model[*other as usize].contains(&node)).collect();
            prop_assert_eq!(&above, &want);
        }
        graph.soil(NodeId(0), &Alone);
        let mut above: BTreeSet<u32> = BTreeSet::new();
        for node in 1..12u32 {
            if model[node as usize].iter().any(|below| *below == 0 || above.contains(below)) {
                above.insert(node);
            }
        }
        for node in 1..12u32 {
            let want = if above.contains(&node) { Standing::Doubtful } else { Standing::Sound };
            prop_assert_eq!(graph.standing(NodeId(node)), want);
        }
    }
}
