//! Images: the graph of one type of keys as bytes, so that the next process need not compute it. Drawn
//! in `docs/format/graph.md`.
//!
//! An image holds what was sound when it was written, with what each node had read, and is as good as
//! the inputs in it: whoever loads one injects the inputs as they are now before asking, and what
//! differs is computed again, with early cut-off.
//!
//! Invariants:
//! - nodes stand in an order in which each comes after all that it has read, so no image has a circle;
//! - an image that is cut short, altered, or written by other code is refused whole, and the engine is
//!   as it was before.

use vigil_base::{Hasher, Vcid};

use super::Engine;
use super::core::Core;
use super::graph::{Flag, NodeId, Part, Standing, WITH_PREVIOUS};
use super::key::{Key, Table};

/// A type of keys whose graph can be written down.
pub trait Stored: Key {
    /// Writes the key.
    fn write_key(&self, out: &mut Vec<u8>);
    /// Reads a key, and leaves in `from` what follows it.
    fn read_key(from: &mut &[u8]) -> Option<Self>;
    /// Writes a value.
    fn write_value(value: &Self::Value, out: &mut Vec<u8>);
    /// Reads a value, and leaves in `from` what follows it.
    fn read_value(from: &mut &[u8]) -> Option<Self::Value>;
}

/// Why an image was not loaded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ImageError {
    /// The bytes are not those that were written.
    #[error("the image is damaged: {what}; what it told of is computed again")]
    Damaged {
        /// What is wrong.
        what: &'static str,
    },
    /// Other code wrote it.
    #[error("the image was written by other code; what it told of is computed again")]
    Stale,
    /// The engine knows something already.
    #[error("an image is loaded before anything is asked")]
    InUse,
}

impl vigil_base::Blamed for ImageError {
    fn blame(&self) -> vigil_base::Blame {
        match self {
            Self::Damaged { .. } | Self::Stale => vigil_base::Blame::World,
            Self::InUse => vigil_base::Blame::Us,
        }
    }
}

const MAGIC: [u8; 8] = *b"vigilgrf";
const STAMP_AT: usize = MAGIC.len();
const NODES_AT: usize = STAMP_AT + 32;
const EDGES_AT: usize = NODES_AT + size_of::<u64>();
const SUM_AT: usize = EDGES_AT + size_of::<u64>();
const BODY_AT: usize = SUM_AT + 32;

/// The lowest bit of a node's flags: its value was injected.
const INJECTED: u8 = 1;

/// Bytes of a node before its edges: flags, and how many edges.
const NODE_BYTES: u64 = 1 + 4;

fn damaged<T>(what: &'static str) -> Result<T, ImageError> {
    Err(ImageError::Damaged { what })
}

impl Engine {
    /// Returns the image of what is known of one type of keys: all that is sound, lasts beyond this run,
    /// and rests on nothing but keys of the same type. `stamp` says which code computed it.
    ///
    /// The engine is locked meanwhile.
    pub fn image<K: Stored>(&self, stamp: Vcid) -> Vec<u8> {
        let mut core = self.shared().lock();
        let (family, _) = core.table::<K>();
        let order = order(&core, family);
        let mut places = vec![u32::MAX; core.graph.len()];
        for (place, node) in order.iter().enumerate() {
            places[node.0 as usize] = place as u32;
        }
        let mut flags = Vec::with_capacity(order.len());
        let mut counts = Vec::with_capacity(4 * order.len());
        let mut edges = Vec::new();
        for node in &order {
            flags.push(if core.graph.has(*node, Flag::INJECTED) { INJECTED } else { 0 });
            let mut count = 0_u32;
            while let Some((below, with_previous)) = core.graph.dependency(*node, count as usize) {
                let with_previous = if with_previous { WITH_PREVIOUS } else { 0 };
                let edge = places[below.0 as usize] | with_previous;
                edges.extend_from_slice(&edge.to_le_bytes());
                count += 1;
            }
            counts.extend_from_slice(&count.to_le_bytes());
        }
        let mut image = vec![0; BODY_AT];
        image[..STAMP_AT].copy_from_slice(&MAGIC);
        image[STAMP_AT..NODES_AT].copy_from_slice(stamp.as_bytes());
        image[NODES_AT..EDGES_AT].copy_from_slice(&(order.len() as u64).to_le_bytes());
        let edge_count = edges.len() as u64 / 4;
        image[EDGES_AT..SUM_AT].copy_from_slice(&edge_count.to_le_bytes());
        for column in [&flags, &counts, &edges] {
            image.extend_from_slice(column);
        }
        let slots: Vec<u32> = order.iter().map(|node| core.graph.place(*node).1).collect();
        let (_, table) = core.table::<K>();
        slots.iter().for_each(|slot| table.key(*slot).write_key(&mut image));
        for slot in slots {
            let value = table.value(slot).expect("only what has a value is written");
            K::write_value(value, &mut image);
        }
        let sum = sum(&image);
        image[SUM_AT..BODY_AT].copy_from_slice(sum.as_bytes());
        image
    }

    /// Loads an image into an engine that knows nothing yet, and returns how many keys it knows then.
    /// All of it is read, compared with its checksum, and ready to be asked for.
    pub fn load_image<K: Stored>(&self, image: &[u8], stamp: Vcid) -> Result<usize, ImageError> {
        let columns = Columns::of(image, stamp)?;
        let mut core = self.shared().lock();
        let crew = core.crew.clone();
        if !core.graph.is_empty() {
            return Err(ImageError::InUse);
        }
        let (family, _) = core.table::<K>();
        // Beside each other where there are threads: they share nothing.
        let mut is_sum_right = false;
        let mut part = None;
        let mut filled = None;
        let mut check = || is_sum_right = sum(image) == columns.sum;
        let mut link = || part = Part::link(columns.nodes, columns.counts, columns.edges);
        let mut fill = || filled = Table::<K>::read(columns.nodes, columns.rows);
        let mut first = || {
            check();
            link();
        };
        if crew.width() > 1 {
            crew.run(&mut [&mut first, &mut fill]);
        } else {
            first();
            fill();
        }
        if !is_sum_right {
            return damaged("its checksum differs");
        }
        let Some(part) = part else { return damaged("an edge leads nowhere") };
        let Some((table, bytes)) = filled else { return damaged("a key or value cannot be read") };
        let is_injected = |node: usize| columns.flags[node] & INJECTED != 0;
        core.graph.take_in(part, family, is_injected);
        *core.table::<K>().1 = table;
        core.bytes_held += bytes;
        if core.bytes_max < usize::MAX {
            let computed = (0..columns.nodes as u32).filter(|node| !is_injected(*node as usize));
            core.evictable.extend(computed.map(NodeId));
        }
        Ok(columns.nodes)
    }
}

/// Returns what can be written down, each after all that it has read.
fn order(core: &Core, family: u16) -> Vec<NodeId> {
    /// What is known of a node.
    #[derive(Clone, Copy, PartialEq)]
    enum Place {
        Unknown,
        Listed,
        Unfit,
    }
    let graph = &core.graph;
    let is_fit = |node: NodeId| {
        let lasts = ![Flag::TRANSIENT, Flag::FAILED, Flag::EVICTED, Flag::PENDING]
            .into_iter()
            .any(|flag| graph.has(node, flag));
        lasts && graph.place(node).0 == family && graph.standing(node) == Standing::Sound
    };
    let mut places = vec![Place::Unknown; graph.len()];
    let mut order = Vec::new();
    // A path downward: each node, and which of its dependencies is next.
    let mut path: Vec<(NodeId, usize)> = Vec::new();
    for start in 0..graph.len() as u32 {
        path.push((NodeId(start), 0));
        while let Some((node, next)) = path.last_mut() {
            let (node, index) = (*node, *next);
            let is_known = places[node.0 as usize] != Place::Unknown;
            if is_known || index == 0 && !is_fit(node) {
                if !is_known {
                    places[node.0 as usize] = Place::Unfit;
                }
                path.pop();
                continue;
            }
            let below = graph.dependency(node, index);
            match below.map(|(below, _)| (below, places[below.0 as usize])) {
                // It is looked at once more when what is below is known.
                Some((below, Place::Unknown)) => path.push((below, 0)),
                Some((_, Place::Unfit)) => {
                    places[node.0 as usize] = Place::Unfit;
                    path.pop();
                }
                Some((_, Place::Listed)) => *next += 1,
                None => {
                    places[node.0 as usize] = Place::Listed;
                    order.push(node);
                    path.pop();
                }
            }
        }
    }
    order
}

/// Returns the checksum: of all that stands before and behind it.
fn sum(image: &[u8]) -> Vcid {
    let mut hasher = Hasher::new();
    hasher.update(&image[..SUM_AT]);
    hasher.update(&image[BODY_AT..]);
    hasher.finish()
}

/// An image, taken apart; the checksum was not looked at.
struct Columns<'a> {
    sum: Vcid,
    nodes: usize,
    flags: &'a [u8],
    counts: &'a [u8],
    edges: &'a [u8],
    /// Keys, and then values.
    rows: &'a [u8],
}

impl<'a> Columns<'a> {
    fn of(image: &'a [u8], stamp: Vcid) -> Result<Self, ImageError> {
        let Some((head, body)) = image.split_at_checked(BODY_AT) else {
            return damaged("it is cut short");
        };
        if !head.starts_with(&MAGIC) {
            return damaged("it does not begin as one");
        }
        if head[STAMP_AT..NODES_AT] != stamp.as_bytes()[..] {
            return Err(ImageError::Stale);
        }
        let number = |at: usize| {
            head[at..].first_chunk().map_or(u64::MAX, |bytes| u64::from_le_bytes(*bytes))
        };
        let (nodes, edges) = (number(NODES_AT), number(EDGES_AT));
        let needed = nodes
            .checked_mul(NODE_BYTES)
            .and_then(|bytes| bytes.checked_add(edges.checked_mul(4)?))
            .filter(|bytes| *bytes <= body.len() as u64 && nodes < u64::from(WITH_PREVIOUS));
        if needed.is_none() {
            return damaged("it is cut short");
        }
        let (flags, rest) = body.split_at(nodes as usize);
        let (counts, rest) = rest.split_at(4 * nodes as usize);
        let (edges, rows) = rest.split_at(4 * edges as usize);
        if flags.iter().any(|flags| *flags & !INJECTED != 0) {
            return damaged("a node has a flag that there is none of");
        }
        let mut sum = [0; 32];
        sum.copy_from_slice(&head[SUM_AT..]);
        let sum = Vcid::from_bytes(sum);
        Ok(Self { sum, nodes: nodes as usize, flags, counts, edges, rows })
    }
}
