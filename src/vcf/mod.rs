//! VCF and BCF as they are: records travel as text or as the bytes of a BCF, and nothing is read of
//! them but what is asked for.
//!
//! - [`Header`]: the header's lines, kept as bytes.
//! - [`Dictionary`]: the numbers that a BCF has for the header's names.
//! - [`Reader`]: a VCF or BCF, record by record.
//! - [`Record`]: a record of a BCF: its columns as text, or its bytes with INFO fields added.
//! - [`Encoder`]: from a line of text to a record of a BCF. [`Undefined`] finds what the header
//!   lacks for that.
//!
//! Values are those of BCF 2.2 (VCF specification, section 6), read and written as bcftools does it:
//! text of any kind stays as it is (nothing is percent-decoded), `.` is missing in every type, a
//! flag may have a value and any field may have any number of them.
//!
//! Positions are 1-based in lines of text and 0-based in records of a BCF.

mod decode;
mod dictionary;
mod encode;
mod error;
mod header;
mod reader;
mod record;
mod samples;
mod text;
mod typed;
mod undefined;

pub use dictionary::Dictionary;
pub use encode::Encoder;
pub use error::VcfError;
pub use header::{Header, contig_line, info_line};
pub use reader::Reader;
pub use record::{NewInfo, Record};
pub use text::Changed;
pub use undefined::Undefined;
