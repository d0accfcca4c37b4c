use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::Path;

use super::{ITEMS_PER_SECTION, NODE_SIZE};

/// A compressed section: what it covers and where it lies in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Block {
    pub contig: u32,
    pub start: u32,
    pub end: u32,
    pub offset: u64,
    pub size: u32,
}

const SPOOLED: usize = 24;

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

/// Blocks waiting in a temporary file for their R tree.
#[derive(Debug)]
pub(super) struct BlockSpool {
    file: BufWriter<File>,
    pub(super) blocks: u64,
}

impl BlockSpool {
    pub(super) fn new(folder: &Path) -> io::Result<Self> {
        Ok(Self {
            file: BufWriter::new(tempfile::tempfile_in(folder)?),
            blocks: 0,
        })
    }

    pub(super) fn push(&mut self, block: &Block) -> io::Result<()> {
        let mut bytes = [0; SPOOLED];
        bytes[0..4].copy_from_slice(&block.contig.to_le_bytes());
        bytes[4..8].copy_from_slice(&block.start.to_le_bytes());
        bytes[8..12].copy_from_slice(&block.end.to_le_bytes());
        bytes[12..20].copy_from_slice(&block.offset.to_le_bytes());
        bytes[20..24].copy_from_slice(&block.size.to_le_bytes());
        self.blocks += 1;
        self.file.write_all(&bytes)
    }

    fn replay(
        file: &mut File,
        blocks: u64,
        mut each: impl FnMut(Block) -> io::Result<()>,
    ) -> io::Result<()> {
        file.seek(SeekFrom::Start(0))?;
        let mut reader = BufReader::with_capacity(1 << 16, file);
        let mut bytes = [0; SPOOLED];
        for _ in 0..blocks {
            reader.read_exact(&mut bytes)?;
            let word = |at: usize| {
                let mut word = [0; 4];
                word.copy_from_slice(&bytes[at..at + 4]);
                u32::from_le_bytes(word)
            };
            let mut offset = [0; 8];
            offset.copy_from_slice(&bytes[12..20]);
            each(Block {
                contig: word(0),
                start: word(4),
                end: word(8),
                offset: u64::from_le_bytes(offset),
                size: word(20),
            })?;
        }
        Ok(())
    }

    /// Writes the R tree over the blocks at the writer's position (`at`): header, then the levels
    /// from the root to the leaves. `data_end` is where the indexed data ends.
    pub(super) fn write_tree<W: Write>(
        self,
        out: &mut W,
        at: u64,
        data_end: u64,
    ) -> io::Result<()> {
        let blocks = self.blocks;
        let mut file = self.file.into_inner().map_err(|e| e.into_error())?;

        // Bounds of the leaves, then of every level above, up to a single root.
        let mut leaves: Vec<Bounds> = Vec::new();
        let mut filled = 0;
        Self::replay(&mut file, blocks, |block| {
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
        out.write_all(&bytes)?;
        let mut position = at + bytes.len() as u64;

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
            out.write_all(&bytes)?;
            position = first_child;
        }

        // Leaves. An empty track has one without children.
        if blocks == 0 {
            out.write_all(&[1, 0, 0, 0])?;
        }
        let mut left = blocks;
        let mut in_node = 0;
        Self::replay(&mut file, blocks, |block| {
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
            out.write_all(&bytes)
        })
    }
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
