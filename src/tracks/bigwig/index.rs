use super::spool::{Record, Replay, long, word};
use super::{ITEMS_PER_SECTION, NODE_SIZE};
use crate::output::{AppendFile, OutputError};

/// A compressed section: what it covers and where it lies in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Block {
    pub contig: u32,
    pub start: u32,
    pub end: u32,
    pub offset: u64,
    pub size: u32,
}

/// What a tree node covers, from `(contig, base)` to `(contig, base)`.
#[derive(Clone, Copy, Debug)]
struct Bounds {
    from: (u32, u32),
    to: (u32, u32),
}

impl Bounds {
    fn join(&mut self, other: Self) {
        // Children come in order, so the first one's start is the node's.
        self.to = self.to.max(other.to);
    }

    fn put(&self, out: &mut Vec<u8>) {
        for word in [self.from.0, self.from.1, self.to.0, self.to.1] {
            out.extend(word.to_le_bytes());
        }
    }
}

impl From<&Block> for Bounds {
    fn from(b: &Block) -> Self {
        Self {
            from: (b.contig, b.start),
            to: (b.contig, b.end),
        }
    }
}

impl Record for Block {
    const SIZE: usize = 24;

    fn put(&self, out: &mut Vec<u8>) {
        for word in [self.contig, self.start, self.end] {
            out.extend(word.to_le_bytes());
        }
        out.extend(self.offset.to_le_bytes());
        out.extend(self.size.to_le_bytes());
    }

    fn get(bytes: &[u8]) -> Self {
        Self {
            contig: word(bytes, 0),
            start: word(bytes, 4),
            end: word(bytes, 8),
            offset: long(bytes, 12),
            size: word(bytes, 20),
        }
    }
}

/// Writes the R tree over the blocks at the end of the file: header, then the levels from the root
/// to the leaves. The indexed data ends where the tree begins.
pub(super) fn write_tree(
    spool: &mut Replay<Block>,
    out: &mut AppendFile,
) -> Result<(), OutputError> {
    let blocks = spool.records;
    let data_end = out.length();

    // Bounds of the leaves, then of every level above, up to a single root.
    let mut leaves: Vec<Bounds> = Vec::new();
    let mut filled = 0;
    spool.each(|block| {
        match leaves.last_mut() {
            Some(leaf) if filled < NODE_SIZE => leaf.join((&block).into()),
            _ => {
                leaves.push((&block).into());
                filled = 0;
            }
        }
        filled += 1;
        Ok(())
    })?;
    let mut levels = vec![leaves];
    while levels[levels.len() - 1].len() > 1 {
        let above = levels[levels.len() - 1]
            .chunks(NODE_SIZE)
            .map(|children| {
                let mut bounds = children[0];
                children[1..].iter().for_each(|c| bounds.join(*c));
                bounds
            })
            .collect();
        levels.push(above);
    }

    let whole = levels[levels.len() - 1].first().copied().unwrap_or(Bounds {
        from: (0, 0),
        to: (0, 0),
    });
    let mut bytes = Vec::new();
    bytes.extend(0x2468_ACE0_u32.to_le_bytes());
    bytes.extend((NODE_SIZE as u32).to_le_bytes());
    bytes.extend(blocks.to_le_bytes());
    whole.put(&mut bytes);
    bytes.extend(data_end.to_le_bytes());
    bytes.extend((ITEMS_PER_SECTION as u32).to_le_bytes());
    bytes.extend(0u32.to_le_bytes());
    out.append(&bytes)?;
    let mut position = out.length();

    // Inner levels, the root first. All nodes of a level are full but the last, so where a
    // child lies is plain arithmetic.
    for depth in (1..levels.len()).rev() {
        let children = &levels[depth - 1];
        let nodes = levels[depth].len();
        let level_size = (4 * nodes + 24 * children.len()) as u64;
        let child_full = if depth == 1 {
            4 + 32 * NODE_SIZE
        } else {
            4 + 24 * NODE_SIZE
        } as u64;
        let first_child = position + level_size;
        bytes.clear();
        for (node, group) in children.chunks(NODE_SIZE).enumerate() {
            bytes.extend([0, 0]);
            bytes.extend((group.len() as u16).to_le_bytes());
            for (i, child) in group.iter().enumerate() {
                child.put(&mut bytes);
                let offset = first_child + (node * NODE_SIZE + i) as u64 * child_full;
                bytes.extend(offset.to_le_bytes());
            }
        }
        out.append(&bytes)?;
        position = first_child;
    }

    // Leaves. An empty track has one without children.
    if blocks == 0 {
        out.append(&[1, 0, 0, 0])?;
    }
    let mut left = blocks;
    let mut in_node = 0;
    spool.each(|block| {
        bytes.clear();
        if in_node == 0 {
            in_node = left.min(NODE_SIZE as u64);
            bytes.extend([1, 0]);
            bytes.extend((in_node as u16).to_le_bytes());
        }
        Bounds::from(&block).put(&mut bytes);
        bytes.extend(block.offset.to_le_bytes());
        bytes.extend(u64::from(block.size).to_le_bytes());
        in_node -= 1;
        left -= 1;
        out.append(&bytes)
    })
}

/// The bytes of the B+ tree of chromosome names; ids are the ranks of the names. `at` is where it
/// will lie in the file. `names` must be sorted.
pub(super) fn name_tree(names: &[(&str, u32)], at: u64) -> Vec<u8> {
    let key_size = names.iter().map(|(n, _)| n.len()).max().unwrap_or(1).max(1);
    let mut out = Vec::new();
    out.extend(0x78CA_8C91_u32.to_le_bytes());
    out.extend((NODE_SIZE as u32).to_le_bytes());
    out.extend((key_size as u32).to_le_bytes());
    out.extend(8u32.to_le_bytes());
    out.extend((names.len() as u64).to_le_bytes());
    out.extend(0u64.to_le_bytes());

    let key = |name: &str, out: &mut Vec<u8>| {
        out.extend(name.as_bytes());
        out.resize(out.len() + key_size - name.len(), 0);
    };
    // First name below each node, level by level from the leaves up.
    let mut levels: Vec<Vec<usize>> = vec![(0..names.len()).step_by(NODE_SIZE).collect()];
    while levels[levels.len() - 1].len() > 1 {
        let above = levels[levels.len() - 1]
            .iter()
            .copied()
            .step_by(NODE_SIZE)
            .collect();
        levels.push(above);
    }
    let item = key_size + 8;
    for depth in (1..levels.len()).rev() {
        let children = &levels[depth - 1];
        let first_child = at + (out.len() + 4 * levels[depth].len() + item * children.len()) as u64;
        let full = (4 + item * NODE_SIZE) as u64;
        for (node, group) in children.chunks(NODE_SIZE).enumerate() {
            out.extend([0, 0]);
            out.extend((group.len() as u16).to_le_bytes());
            for (i, first) in group.iter().enumerate() {
                key(names[*first].0, &mut out);
                out.extend((first_child + (node * NODE_SIZE + i) as u64 * full).to_le_bytes());
            }
        }
    }
    for (node, group) in names.chunks(NODE_SIZE).enumerate() {
        out.extend([1, 0]);
        out.extend((group.len() as u16).to_le_bytes());
        for (i, (name, length)) in group.iter().enumerate() {
            key(name, &mut out);
            out.extend(((node * NODE_SIZE + i) as u32).to_le_bytes());
            out.extend(length.to_le_bytes());
        }
    }
    out
}
