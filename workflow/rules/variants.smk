# VCF -> shards of equal numbers of records -> scored VCF and ranked table


rule variants_shard:
    input:
        vcf=lambda wc: SAMPLES[wc.sample]["vcf"],
        fasta=lambda wc: SAMPLES[wc.sample]["fasta"],
        models=lambda wc: model_files(wc.sample),
    output:
        temp("results/{sample}/shards/variants/{scatteritem}.shard"),
    log:
        "results/{sample}/logs/variants.{scatteritem}.log",
    benchmark:
        "results/{sample}/benchmarks/variants.{scatteritem}.tsv"
    conda:
        "../envs/python.yaml"
    threads: config["threads"]
    resources:
        mem_mb=lambda wc, threads, attempt: megabytes(1500 + 150 * threads, attempt),
        runtime=lambda wc, input, threads, attempt: minutes(
            records_of(input.vcf) * seconds_a_record(wc.sample) / threads / int(wc.scatteritem.split("-of-")[1]),
            attempt,
        ),
    params:
        program=PROGRAM,
        model=lambda wc: SAMPLES[wc.sample]["model"],
        flags=config["flags"]["variants"],
        shard=of_shard,
        # Beside it lies the journal of a killed job, which Snakemake does not know of.
        unfinished=lambda wc: f"results/{wc.sample}/unfinished/scored.vcf.gz",
        part=lambda wc: "{}of{}.shard".format(*wc.scatteritem.split("-of-")),
    shell:
        """
        exec >>{log} 2>&1
        echo "shard {params.shard} on ${{SLURMD_NODENAME:-$(uname -n)}}"
        mkdir -p "$(dirname {params.unfinished})"
        {params.program} variants --vcf {input.vcf:q} --fasta {input.fasta:q} --model {params.model:q} \
            --out {params.unfinished} --table {params.unfinished}.tsv \
            --shard {params.shard} --resume --force --threads {threads} {params.flags}
        mv {params.unfinished}.{params.part} {output}
        """


rule variants_merge:
    input:
        shards=lambda wc: gathered(
            f"{wc.sample}.variants", f"results/{wc.sample}/shards/variants/{{scatteritem}}.shard"
        ),
        vcf=lambda wc: SAMPLES[wc.sample]["vcf"],
        fasta=lambda wc: SAMPLES[wc.sample]["fasta"],
        models=lambda wc: model_files(wc.sample),
    output:
        vcf="results/{sample}/variants/scored.vcf.gz",
        table="results/{sample}/variants/ranked.tsv",
    log:
        "results/{sample}/logs/variants_merge.log",
    benchmark:
        "results/{sample}/benchmarks/variants_merge.tsv"
    conda:
        "../envs/python.yaml"
    threads: 2
    resources:
        # 70 bytes an allele for the table's ranks.
        mem_mb=lambda wc, input, attempt: megabytes(1500 + 100e-6 * records_of(input.vcf), attempt),
        runtime=lambda wc, input, attempt: minutes(records_of(input.vcf) / 2e4, attempt),
    params:
        program=PROGRAM,
        model=lambda wc: SAMPLES[wc.sample]["model"],
        flags=config["flags"]["variants"],
    shell:
        """
        {params.program} variants --vcf {input.vcf:q} --fasta {input.fasta:q} --model {params.model:q} \
            --out {output.vcf} --table {output.table} --merge {input.shards:q} --force \
            --threads {threads} {params.flags} >{log} 2>&1
        """
