# What the tracks overlap with, and the page of a sample


rule overlap:
    input:
        tracks=rules.merge.output,
        annotations=lambda wc: [file for _, file in annotations_of(wc.sample)],
        bed=lambda wc: bed_of(wc.sample),
    output:
        "results/{sample}/overlap/run.json",
    log:
        "results/{sample}/logs/overlap.log",
    benchmark:
        "results/{sample}/benchmarks/overlap.tsv"
    conda:
        "../envs/python.yaml"
    threads: 2
    resources:
        # Five bytes a base, until counts take 2.5 GB (--memory).
        mem_mb=lambda wc, attempt: megabytes(1000 + min(2500, 5e-6 * bases_of(wc.sample)), attempt),
        runtime=lambda wc, attempt: minutes(bases_of(wc.sample) / 1e6, attempt),
    params:
        program=PROGRAM,
        tracks=lambda wc, input: Path(input.tracks[0]).parent,
        folder=lambda wc, output: Path(output[0]).parent,
        annotations=lambda wc: " ".join(
            f"--annotation {shlex.quote(f'{name}={file}')}" for name, file in annotations_of(wc.sample)
        ),
        regions=lambda wc, input: f"--regions {shlex.quote(input.bed[0])}" if input.bed else "",
        flags=config["flags"]["overlap"],
    shell:
        """
        scores=()
        for track in {params.tracks}/*.importance.bw; do scores+=(--scores "$track"); done
        {params.program} overlap enrichment "${{scores[@]}}" {params.annotations} {params.regions} \
            --out {params.folder} --threads {threads} --force {params.flags} >{log} 2>&1
        """


rule report:
    input:
        tracks=lambda wc: expand(rules.merge.output, sample=wc.sample) if has_tracks(wc.sample) else [],
        overlap=lambda wc: (
            expand(rules.overlap.output, sample=wc.sample)
            if has_tracks(wc.sample) and annotations_of(wc.sample)
            else []
        ),
        variants=lambda wc: (
            expand(rules.variants_merge.output, sample=wc.sample) if "vcf" in SAMPLES[wc.sample] else []
        ),
        fasta=lambda wc: SAMPLES[wc.sample]["fasta"],
    output:
        "results/{sample}/report.html",
    log:
        "results/{sample}/logs/report.log",
    benchmark:
        "results/{sample}/benchmarks/report.tsv"
    conda:
        "../envs/python.yaml"
    threads: 2
    resources:
        # It goes through the tracks a stretch at a time; what grows is the table of regions.
        mem_mb=lambda wc, attempt: megabytes(1500 + 20 * sum(file_mb(bed) for bed in bed_of(wc.sample)), attempt),
        runtime=lambda wc, attempt: minutes(bases_of(wc.sample) / 1e6, attempt),
    params:
        program=PROGRAM,
        results=lambda wc, input: [str(Path(run).parent) for run in (*input.tracks, *input.overlap)],
        annotations=lambda wc: " ".join(
            f"--annotation {shlex.quote(f'{name}={file}')}" for name, file in annotations_of(wc.sample)
        ),
        flags=config["flags"]["report"],
    shell:
        """
        {params.program} report {params.results:q} {input.variants:q} --fasta {input.fasta:q} \
            {params.annotations} --out {output} --force {params.flags} >{log} 2>&1
        """
