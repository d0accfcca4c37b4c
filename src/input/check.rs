//! What a bigBed or bigWig says of its own lengths (Kent et al. 2010, supplement), held against the file: `bigtools`
//! takes memory for whatever is said, and follows indexes wherever they lead.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

const BIG_WIG: u32 = 0x888F_FC26;
const BIG_BED: u32 = 0x8789_F2EB;
const CONTIGS: u32 = 0x78CA_8C91;
const BLOCKS: u32 = 0x2468_ACE0;

/// Largest block when unpacked; programs write some ten thousand bytes.
const UNPACKED: u64 = 1 << 28;

/// Longest name of a contig.
const NAME: u64 = 1 << 12;

/// Deepest index; with 2 entries a node it would hold 2^40 blocks.
const DEPTH: usize = 40;

/// Looks whether both indexes lie within the file, and all blocks that they name.
///
/// # Errors
/// What is wrong, as text. A file of another format is not looked at.
pub(super) fn check_big(file: &File) -> Result<(), String> {
    let length = file.metadata().map_err(|e| e.to_string())?.len();
    let mut file = Bytes {
        file,
        length,
        big: false,
        nodes: length / 4,
    };
    let Ok(head) = file.at(0, 64) else {
        return Ok(());
    };
    let magic = file.u32(&head, 0);
    file.big = [BIG_WIG, BIG_BED].contains(&magic.swap_bytes());
    if !file.big && ![BIG_WIG, BIG_BED].contains(&magic) {
        return Ok(());
    }
    if u64::from(file.u32(&head, 52)) > UNPACKED {
        return Err("it says its blocks have over 256 MB".into());
    }
    let read = |e: io::Error| format!("its index leads out of the file ({e})");
    let of_contigs = file.u64(&head, 8);
    let tree = file.at(of_contigs, 32).map_err(read)?;
    if file.u32(&tree, 0) != CONTIGS {
        return Err("its list of contigs is damaged".into());
    }
    let (key, value) = (u64::from(file.u32(&tree, 8)), file.u32(&tree, 12));
    let count = file.u64(&tree, 16);
    let fits = |size: u64| count.checked_mul(size).is_some_and(|all| all <= length);
    if value != 8 || key > NAME || !fits(key + 8) {
        return Err("its list of contigs is damaged".into());
    }
    let (leaf, inner) = (key + 8, key + 8);
    file.walk(of_contigs + 32, (leaf, inner, key), 0, &mut |_, _| Ok(()))?;
    let of_blocks = file.u64(&head, 24);
    let tree = file.at(of_blocks, 48).map_err(read)?;
    if file.u32(&tree, 0) != BLOCKS {
        return Err("its index is damaged".into());
    }
    let block = |file: &Bytes<'_>, item: &[u8]| {
        let (at, size) = (file.u64(item, 16), file.u64(item, 24));
        match at.checked_add(size).is_some_and(|end| end <= length) {
            true => Ok(()),
            false => Err("its index names a block that lies outside of the file".to_owned()),
        }
    };
    file.walk(of_blocks + 48, (32, 24, 16), 0, &mut |file, item| {
        block(file, item)
    })
}

struct Bytes<'a> {
    file: &'a File,
    length: u64,
    /// Whether the most significant byte is first.
    big: bool,
    /// How many nodes there can still be.
    nodes: u64,
}

type Item<'f> = &'f mut dyn FnMut(&Bytes<'_>, &[u8]) -> Result<(), String>;

impl Bytes<'_> {
    fn at(&self, place: u64, size: u64) -> io::Result<Vec<u8>> {
        if place.checked_add(size).is_none_or(|end| end > self.length) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let mut bytes = vec![0; size as usize];
        self.file.read_exact_at(&mut bytes, place)?;
        Ok(bytes)
    }

    /// A whole number of `bytes.len()` bytes.
    fn number(&self, bytes: &[u8]) -> u64 {
        let add = |sum: u64, byte: &u8| sum << 8 | u64::from(*byte);
        match self.big {
            true => bytes.iter().fold(0, add),
            false => bytes.iter().rev().fold(0, add),
        }
    }

    fn u32(&self, bytes: &[u8], at: usize) -> u32 {
        self.number(&bytes[at..at + 4]) as u32
    }

    fn u64(&self, bytes: &[u8], at: usize) -> u64 {
        self.number(&bytes[at..at + 8])
    }

    /// Walks an index: `sizes` are those of entries in leaves and in other nodes, and where in these the place of
    /// the next node is.
    fn walk(
        &mut self,
        node: u64,
        sizes: (u64, u64, u64),
        depth: usize,
        item: Item<'_>,
    ) -> Result<(), String> {
        let damaged = || "its index is damaged".to_owned();
        self.nodes = self.nodes.checked_sub(1).ok_or_else(damaged)?;
        let head = self.at(node, 4).map_err(|_| damaged())?;
        if head[0] > 1 || depth > DEPTH {
            return Err(damaged());
        }
        let (leaf, count) = (head[0] == 1, self.number(&head[2..4]));
        let size = if leaf { sizes.0 } else { sizes.1 };
        let items = self.at(node + 4, count * size).map_err(|_| damaged())?;
        for entry in items.chunks_exact(size as usize) {
            match leaf {
                true => item(self, entry)?,
                false => self.walk(self.u64(entry, sizes.2 as usize), sizes, depth + 1, item)?,
            }
        }
        Ok(())
    }
}
