# genome -> shards of equal bases -> tracks


# A shard is scored in a folder that Snakemake does not know of, since it deletes what a failed job
# has made: there `--resume` finds how far a killed job was. When it is whole it gets its name.
rule score:
    input:
        fasta=lambda wc: SAMPLES[wc.sample]["fasta"],
        bed=lambda wc: bed_of(wc.sample),
        models=lambda wc: model_files(wc.sample),
    output:
        temp(directory("results/{sample}/shards/{scatteritem}")),
    log:
        "results/{sample}/logs/score.{scatteritem}.log",
    benchmark:
        "results/{sample}/benchmarks/score.{scatteritem}.tsv"
    conda:
        "../envs/python.yaml"
    threads: config["threads"]
    resources:
        mem_mb=lambda wc, input, threads, attempt: megabytes(
            1000 + 150 * threads + 10 * sum(file_mb(bed) for bed in input.bed), attempt
        ),
        runtime=lambda wc, threads, attempt: minutes(bases_of_shard(wc) * seconds_a_base(wc.sample) / threads, attempt),
    params:
        program=PROGRAM,
        regions=lambda wc, input: f"--bed {shlex.quote(input.bed[0])}" if input.bed else "--genome",
        model=lambda wc: SAMPLES[wc.sample]["model"],
        flags=config["flags"]["score"],
        checkpoint=config["checkpoint_seconds"],
        shard=of_shard,
        unfinished=lambda wc: f"results/{wc.sample}/unfinished/{wc.scatteritem}",
    shell:
        """
        exec >>{log} 2>&1
        echo "shard {params.shard} on ${{SLURMD_NODENAME:-$(uname -n)}}"
        notes={params.unfinished}/.partial/checkpoint.json
        if [ -e "$notes" ]; then
            echo "going on behind unit $(grep -o '"next_unit":[0-9]*' "$notes" | cut -d: -f2)"
        fi
        {params.program} {params.regions} --fasta {input.fasta:q} --model {params.model:q} \
            --shard {params.shard} --out {params.unfinished} --resume --force \
            --checkpoint {params.checkpoint} --threads {threads} {params.flags}
        mv {params.unfinished} {output}
        """


rule merge:
    input:
        shards=lambda wc: gathered(wc.sample, f"results/{wc.sample}/shards/{{scatteritem}}"),
        fasta=lambda wc: SAMPLES[wc.sample]["fasta"],
        bed=lambda wc: bed_of(wc.sample),
    output:
        "results/{sample}/tracks/run.json",
    log:
        "results/{sample}/logs/merge.log",
    benchmark:
        "results/{sample}/benchmarks/merge.tsv"
    conda:
        "../envs/python.yaml"
    threads: 1
    resources:
        mem_mb=lambda wc, input, attempt: megabytes(1000 + 10 * sum(file_mb(bed) for bed in input.bed), attempt),
        # Ten million bases a second are read and written again.
        runtime=lambda wc, attempt: minutes(bases_of(wc.sample) / 1e7, attempt),
    params:
        program=PROGRAM,
        folder=lambda wc, output: Path(output[0]).parent,
        check=workflow.source_path("../scripts/check_bases.py"),
        asked=lambda wc, input: (
            f"--bed {shlex.quote(input.bed[0])}" if input.bed else f"--fai {shlex.quote(input.fasta + '.fai')}"
        ),
    shell:
        """
        {params.program} merge {input.shards:q} --out {params.folder} --force >{log} 2>&1
        python3 {params.check} {params.folder} {params.asked} --shards {input.shards:q} >>{log} 2>&1
        """
