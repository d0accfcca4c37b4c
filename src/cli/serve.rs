//! `mpra-score serve`: whole tracks in a browser, from this machine.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;

use crate::report::{ServeConfig, serve};
use anyhow::{Context, Result};
use clap::Args;

use super::interrupt;
use super::shared::say;

/// Look at whole tracks in a browser: igv.js over the results of the main job, until Ctrl-C
///
/// Tracks and genome are read by ranges, so that results of a whole genome open at once. The page is served to this
/// machine alone, unless --host says otherwise; nothing can be changed through it.
#[derive(Debug, Args)]
pub struct ServeArgs {
    /// The folder of results (with bigWigs)
    #[arg(value_name = "RESULTS")]
    results: PathBuf,
    /// The genome with its .fai (and .gzi), where it is not where the job had it
    #[arg(long, value_name = "FILE")]
    fasta: Option<PathBuf>,
    /// The port; 0: one that is free
    #[arg(long, value_name = "N", default_value_t = 8899)]
    port: u16,
    /// The address to listen at; any but a loopback one shows the results to other machines
    #[arg(long, value_name = "ADDRESS", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    host: IpAddr,
    /// igv.js [default: igv.min.js beside the program]
    #[arg(long, value_name = "FILE")]
    igv: Option<PathBuf>,
}

impl ServeArgs {
    /// Runs the subcommand.
    pub fn run(self, quiet: bool) -> Result<()> {
        let cancel = interrupt::watch()?;
        let igv = self.igv.or_else(super::report::igv);
        let config = ServeConfig {
            results: self.results,
            fasta: self.fasta,
            host: self.host,
            port: self.port,
            igv: igv.context("there is no igv.min.js beside the program; `make build` puts it there, --igv FILE names one")?,
        };
        if !self.host.is_loopback() && !quiet {
            say(format!(
                "{} is not a loopback address: other machines may read these results",
                self.host
            ));
        }
        serve(
            &config,
            |address| say(format!("http://{address}/  (Ctrl-C ends it)")),
            &cancel,
        )?;
        Ok(())
    }
}
