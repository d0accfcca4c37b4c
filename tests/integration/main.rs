//! The library and the program as their users meet them. One test binary, a module a subject: every
//! test binary links the whole program, and sixteen of them took gigabytes and minutes.

mod support;

mod attributions;
mod closed_form;
mod dag_engine;
mod damaged;
mod design;
mod embedded;
mod engines;
mod ensemble;
mod examples;
mod failures;
mod fast_engine;
mod fdr;
mod gwas;
mod haplotypes;
mod hostile;
mod imports;
mod inputs;
mod interrupts;
mod invariance;
mod invariants;
mod judged_models;
mod kmer_engine;
mod liftover;
mod motifs;
mod odd_inputs;
mod outputs;
mod overlap;
mod perturb;
mod predict;
mod report;
mod resume;
mod run_json;
mod sharpr_dataset;
mod shell;
mod sumstats_corpus;
mod train;
mod unsupported_graphs;
mod variants;
mod variants_files;
mod variants_parts;
mod vcf_corpus;
