# The program in an image of its own: `docker build -t mpra-score .`, then
#   docker run --rm -v "$PWD:/data" mpra-score --bed regions.bed --fasta hg19.fa --out results
# The demo, as a test of the image: docker run --rm --entrypoint /opt/mpra-score/demo.sh mpra-score
FROM rust:1.95-slim-bookworm AS build
RUN apt-get update && apt-get install -y --no-install-recommends make python3 python3-pip && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
RUN make build

FROM debian:bookworm-slim
RUN useradd --create-home --uid 1000 mpra && mkdir /data && chown mpra /data
COPY --from=build /src/target/release/mpra-score /src/target/release/libonnxruntime.so.* /src/target/release/igv.min.js /opt/mpra-score/
COPY --from=build /src/fixtures/genome.fa /src/fixtures/genome.fa.fai /src/fixtures/regions.bed /opt/mpra-score/fixtures/
COPY --from=build /src/LICENSE-MIT /src/LICENSE-APACHE /src/CITATION.cff /opt/mpra-score/
COPY packaging/demo.sh /opt/mpra-score/demo.sh
RUN ln -s /opt/mpra-score/mpra-score /usr/local/bin/mpra-score
USER mpra
WORKDIR /data
ENTRYPOINT ["mpra-score"]
CMD ["--help"]
