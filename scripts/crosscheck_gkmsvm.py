"""Tables of k-mers that mpra-score makes of gapped k-mer support vector machines, against gkmsvm-lite and plain Python.

    python3 scripts/crosscheck_gkmsvm.py train POSITIVE.fa NEGATIVE.fa --kernel 2 --lkd 10,6,3 [--one-strand] [--quick] OUT.model.txt
    python3 scripts/crosscheck_gkmsvm.py predict MODEL.txt TABLE [--sample 20000]
    python3 scripts/crosscheck_gkmsvm.py twin MODEL.txt TABLE [--sample 200]
    python3 scripts/crosscheck_gkmsvm.py variants TABLE REFERENCE.fa.gz SCORED.vcf FIELD

train     a model of gkmsvm-lite (PyPI), written as LS-GKM writes it; with --quick (kernels 0, 1, 2) its matrix of kernel values is
          made by counting the mismatches of all pairs of l-mers in compiled code, after a comparison with its own on 40 sequences
predict   what gkmsvm-lite gives to each k-mer alone, against TABLE, which `mpra-score model convert MODEL.txt --out TABLE`
          wrote; a sample of its rows, or all
twin      the same by the formulas of LS-GKM (libsvm_gkm.c), pair by pair of l-mers, also for wgkm, whose weights by place
          gkmsvm-lite defines in another way
variants  deltaSVM's rule (deltasvm.pl: the sum over the k-mers that hold the variant, alternative less
          reference) against INFO/FIELD of `mpra-score variants --model TABLE --windows centre`

By hand: gkmsvm-lite brings numba and scikit-learn.
"""

import argparse
import gzip
import itertools
import math
import random

import numpy as np


def lines(path):
    opener = gzip.open if path.endswith(".gz") else open
    with opener(path, "rt") as file:
        yield from file


def rows(path, sample):
    table = [(kmer, float(weight)) for kmer, weight in (line.split() for line in lines(path))]
    if sample and sample < len(table):
        table = random.Random(1).sample(table, sample)
    return table


def compare(found, expected):
    found, expected = np.array(found), np.array(expected)
    difference = np.abs(found - expected)
    scale = np.abs(expected).max()
    print(f"{len(found)} values, largest {scale:.6g}; largest difference {difference.max():.3g}, "
          f"{difference.max() / scale:.3g} of the largest; relative, of values above 0.01 of it, "
          f"{(difference / np.abs(expected))[np.abs(expected) > 0.01 * scale].max():.3g}")


def train(args):
    from gkmsvm.fasta import read_fasta
    from gkmsvm.serialization import save_lsgkm
    from gkmsvm.train import train_gkmsvm

    l, k, d = map(int, args.lkd.split(","))
    positive, negative = ([s for _, s in read_fasta(path)] for path in (args.positive, args.negative))
    if args.quick:
        quick(args, (l, k, d))
    model = train_gkmsvm(positive, negative, kernel_type=args.kernel, l=l, k=k, d=d,
                         include_rc=not args.one_strand, device="cpu")
    save_lsgkm(model, args.out)
    print(f"{args.out}: {model.num_support_vectors} support vectors, bias {model.bias:.6f}")


def quick(args, lkd):
    """Lets gkmsvm-lite take its matrix of kernel values from here."""
    import gkmsvm.gram
    import numba

    l, k, d = lkd
    weights = np.array(mismatch_weights(("gkm_cnt", "gkm_estfull", "gkm_esttrunc")[args.kernel], l, k))
    if args.kernel:
        weights[d + 1:] = 0
    last = int(np.flatnonzero(weights).max()) + 1

    @numba.njit(parallel=True, fastmath=False)
    def raw(x, y, counted):
        out = np.zeros((len(x), len(y)))
        for i in numba.prange(len(x)):
            mismatches = np.zeros(y.shape[1], np.uint8)
            for j in range(i, len(y)):
                found = np.zeros(counted, np.int64)
                for a in x[i]:
                    for p in range(y.shape[1]):
                        z = a ^ y[j, p]
                        z = (z | (z >> np.uint32(1))) & np.uint32(0x55555555)
                        z = (z & np.uint32(0x33333333)) + ((z >> np.uint32(2)) & np.uint32(0x33333333))
                        z = (z + (z >> np.uint32(4))) & np.uint32(0x0F0F0F0F)
                        mismatches[p] = (z * np.uint32(0x01010101)) >> np.uint32(24)
                    for m in range(counted):
                        n = np.uint32(0)
                        for p in range(y.shape[1]):
                            n += np.uint32(mismatches[p] == m)
                        found[m] += n
                for m in range(counted):
                    out[i, j] += weights[m] * found[m]
        return out

    def words(x):
        """[n, 4, length] to l-mers, two bits a base."""
        codes = np.asarray(x).argmax(1)
        found = np.zeros((len(codes), codes.shape[1] - l + 1), np.uint32)
        for i in range(l):
            found = found << np.uint32(2) | codes[:, i:i + found.shape[1]].astype(np.uint32)
        return found

    def gram(x):
        own = words(x)
        other = own
        if not args.one_strand:
            other = np.concatenate([own, words(np.asarray(x)[:, ::-1, ::-1])], axis=1)
        found = raw(own, other, last)
        found = np.triu(found) + np.triu(found, 1).T
        lengths = np.sqrt(np.diag(found))
        return found / (lengths[:, None] * lengths[None])

    theirs = gkmsvm.gram.compute_gram

    def checked(kernel, x, *, out, **_):
        few = np.concatenate([x[:20], x[-20:]])
        compare(gram(few).ravel(), theirs(kernel, few).ravel())
        out[...] = gram(x)
        return out

    gkmsvm.gram.compute_gram = checked


def predict(args):
    from gkmsvm.codec import one_hot_encode
    from gkmsvm.importers.lsgkm import load_lsgkm_model

    model = load_lsgkm_model(args.model, dtype=np.float64)
    table = rows(args.table, args.sample)
    expected = []
    for part in itertools.batched(table, 8192) if hasattr(itertools, "batched") else chunks(table, 8192):
        x = np.stack([one_hot_encode(kmer, dtype=np.float64) for kmer, _ in part])
        expected.extend(np.asarray(model(x)).reshape(-1))
    compare([weight for _, weight in table], expected)


def chunks(items, size):
    for start in range(0, len(items), size):
        yield items[start:start + size]


def comb(n, k):
    return math.comb(n, k) if 0 <= k <= n else 0


def mismatch_weights(kernel, l, k):
    """calc_gkm_kernel_wt and calc_gkm_kernel_lmerest_wt of libsvm_gkm.c."""
    if kernel == "gkm_cnt":
        return [comb(l - m, k) for m in range(l + 1)]
    before = [[1.0] * (k + 1) for _ in range(k + 1)]
    for length in range(1, l + 1):
        now = [[1.0] * (k + 1) for _ in range(k + 1)]
        for known in range(1, k + 1):
            now[known][0] = before[known][0] + 3 * before[known - 1][0]
            for m in range(1, known + 1):
                now[known][m] = now[known - 1][m - 1] * (known - length) / known
        before = now
    gapped = [w / (comb(l, k) * 4.0 ** l) for w in before[k]]
    one = [sum(gapped[i] * comb(l - m, k - i) * comb(m, i) for i in range(min(m, k) + 1)) for m in range(l + 1)]
    if kernel != "gkm_estfull":
        end = next((m for m in range(l + 1) if one[m] < 1e-50), l + 1)
        one = [w if m < end else 0.0 for m, w in enumerate(one)]
    found = [0.0] * (l + 1)
    for same in range(l + 1):
        for a, b, t in itertools.product(range(l + 1), range(l + 1), range(same + 1)):
            r = a + b - 2 * t - l + same
            if 0 <= a - t <= l - same and 0 <= r <= a - t:
                found[l - same] += comb(same, t) * comb(l - same, a - t) * comb(a - t, r) * 3 ** t * 2 ** r * one[a] * one[b]
    return found


def twin(args):
    head, vectors = {}, []
    text = iter(lines(args.model))
    for line in text:
        key, *value = line.split()
        if key == "SV":
            break
        head[key] = value[0]
    for line in text:
        coefficient, sequence = line.split()
        vectors.append((float(coefficient), sequence))
    kernel, l, k = head["kernel_type"], int(head["L"]), int(head["k"])
    d = int(head.get("d", l - k))  # gkmsvm-lite writes none for gkm_cnt
    both = head.get("norc", "0") == "0"
    c = np.array(mismatch_weights(kernel, l, k))
    c[d + 1:] = 0

    def words(sequence):
        codes = np.array(["ACGT".index(b) for b in sequence])
        count = len(codes) - l + 1
        weights = np.ones(count)
        if kernel == "wgkm":
            most, half = int(head["M"]), float(head["H"])
            away = np.abs(count // 2 - np.arange(count))
            weights = np.minimum(np.floor(most * np.exp(-math.log(2) * away / half) + 1), most)
        return np.lib.stride_tricks.sliding_window_view(codes, l), weights

    def raw(a, b):
        (x, wx), (y, wy) = words(a), words(b)
        pairs = [y] + ([3 - y[:, ::-1]] if both else [])
        return sum((c[(x[:, None] != other[None]).sum(-1)] * wx[:, None] * wy[None]).sum() for other in pairs)

    norms = [math.sqrt(raw(s, s)) for _, s in vectors]
    table = rows(args.table, args.sample)
    expected = []
    for kmer, _ in table:
        own = math.sqrt(raw(kmer, kmer))
        score = sum(a * raw(kmer, s) / (own * n) for (a, s), n in zip(vectors, norms))
        expected.append(score - float(head["rho"]))
    compare([weight for _, weight in table], expected)


def variants(args):
    import pyfaidx

    weights = {}
    turn = str.maketrans("ACGT", "TGCA")
    for kmer, weight in rows(args.table, 0):
        weights[kmer] = weight
        weights.setdefault(kmer.translate(turn)[::-1], weight)
    k = len(next(iter(weights)))
    fasta = pyfaidx.Fasta(args.fasta)
    found, expected = [], []
    for line in lines(args.scored):
        if line.startswith("#"):
            continue
        chrom, pos, _, ref, alt, *_, info = line.rstrip("\n").split("\t")[:8]
        fields = dict(f.split("=", 1) for f in info.split(";") if "=" in f)
        if len(ref) != 1 or len(alt) != 1 or args.field not in fields:
            continue
        at = int(pos) - 1
        before, behind = (str(fasta[chrom][a:b]).upper() for a, b in ((at - k + 1, at), (at + 1, at + k)))
        score = {a: sum(weights[(before + a + behind)[i:i + k]] for i in range(k)) for a in (ref, alt)}
        expected.append(score[alt] - score[ref])
        found.append(float(fields[args.field]))
    compare(found, expected)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    jobs = parser.add_subparsers(required=True)
    job = jobs.add_parser("train")
    job.set_defaults(run=train)
    for name in ("positive", "negative"):
        job.add_argument(name)
    job.add_argument("--kernel", type=int, default=2)
    job.add_argument("--lkd", default="11,7,3")
    job.add_argument("--one-strand", action="store_true")
    job.add_argument("--quick", action="store_true")
    job.add_argument("out")
    for name, run in (("predict", predict), ("twin", twin)):
        job = jobs.add_parser(name)
        job.set_defaults(run=run)
        job.add_argument("model")
        job.add_argument("table")
        job.add_argument("--sample", type=int, default=0)
    job = jobs.add_parser("variants")
    job.set_defaults(run=variants)
    for name in ("table", "fasta", "scored", "field"):
        job.add_argument(name)
    args = parser.parse_args()
    args.run(args)


if __name__ == "__main__":
    main()
