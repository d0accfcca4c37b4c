//! Vectors of f32 whose width is chosen when the program runs.
//!
//! A kernel is one generic function over [`Simd`], compiled once for each instruction set by
//! [`kernel!`]; the wrapper picks by [`Level`], which is found once a process. All rows are padded
//! to [`PAD`] floats, so no kernel has a tail.

use std::sync::OnceLock;

/// Rows are padded to a multiple of this: the widest vector.
pub(super) const PAD: usize = 16;

/// `n` rounded up to whole vectors.
pub(super) fn padded(n: usize) -> usize {
    n.next_multiple_of(PAD)
}

/// The instruction sets that kernels are compiled for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Set {
    /// AVX-512F (x86-64).
    Avx512,
    /// AVX2 with FMA (x86-64).
    Avx2,
    /// What the target always has: SSE2 on x86-64, NEON on aarch64.
    Portable,
}

/// An instruction set that this machine has: made nowhere but here, after asking the processor, so
/// that whoever holds one may run the kernels compiled for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Level(Set);

impl Level {
    /// The best that this machine has, or less where `MPRA_SCORE_INSTRUCTIONS` says `avx2` or `portable`: what another
    /// machine would compute (docs/reliability.md).
    pub(super) fn best() -> Self {
        static BEST: OnceLock<Level> = OnceLock::new();
        *BEST.get_or_init(|| {
            let said = std::env::var("MPRA_SCORE_INSTRUCTIONS");
            Self(match (said.as_deref(), Self::detect()) {
                (Ok("portable"), _) => Set::Portable,
                (Ok("avx2"), Set::Avx512) => Set::Avx2,
                (_, found) => found,
            })
        })
    }

    /// Which set it is.
    #[inline(always)]
    pub(super) fn set(self) -> Set {
        self.0
    }

    #[cfg(target_arch = "x86_64")]
    fn detect() -> Set {
        let avx2 = std::arch::is_x86_feature_detected!("avx2")
            && std::arch::is_x86_feature_detected!("fma");
        match avx2 {
            true if std::arch::is_x86_feature_detected!("avx512f") => Set::Avx512,
            true => Set::Avx2,
            false => Set::Portable,
        }
    }

    #[cfg(not(target_arch = "x86_64"))]
    fn detect() -> Set {
        Set::Portable
    }

    /// All levels that this machine has, for tests.
    #[cfg(test)]
    pub(super) fn all() -> Vec<Self> {
        let mut all = vec![Self(Set::Portable)];
        if Self::best() != Self(Set::Portable) {
            all.push(Self(Set::Avx2));
        }
        if Self::best() == Self(Set::Avx512) {
            all.push(Self(Set::Avx512));
        }
        all
    }
}

/// A vector type and what the kernels do with it.
///
/// # Safety
/// Every function needs the instruction set that the type stands for; pointers need `LANES`
/// floats.
pub(super) trait Simd {
    const LANES: usize;
    type V: Copy;
    unsafe fn zero() -> Self::V;
    /// The same number in all lanes.
    unsafe fn splat(x: f32) -> Self::V;
    unsafe fn load(from: *const f32) -> Self::V;
    unsafe fn store(to: *mut f32, v: Self::V);
    unsafe fn add(a: Self::V, b: Self::V) -> Self::V;
    unsafe fn sub(a: Self::V, b: Self::V) -> Self::V;
    /// `b` where one of them is not a number.
    unsafe fn max(a: Self::V, b: Self::V) -> Self::V;
    /// `a * b + c`.
    unsafe fn fma(a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// The sums of the lanes of four vectors.
    unsafe fn sum4(v: [Self::V; 4]) -> [f32; 4];
    /// A vector of 16 lanes, four from each place. Only for such.
    #[inline(always)]
    unsafe fn load4(from: [*const f32; 4]) -> Self::V {
        // SAFETY: the caller's promise.
        unsafe { Self::load(from[0]) }
    }
    /// Adds to four floats at each place the sums of a quarter of each of four vectors of 16
    /// lanes. Only for such.
    #[inline(always)]
    unsafe fn add_quarters(_v: [Self::V; 4], _to: [*mut f32; 4]) {}
    /// The sums of the lanes of 16 vectors of 16 lanes. Only for such.
    #[inline(always)]
    unsafe fn sum16(v: [Self::V; 16]) -> Self::V {
        v[0]
    }
}

/// What every target can do; the compiler turns the arrays into vectors of its own.
pub(super) struct Portable;

impl Simd for Portable {
    const LANES: usize = 8;
    type V = [f32; 8];

    #[inline(always)]
    unsafe fn zero() -> Self::V {
        [0.0; 8]
    }
    #[inline(always)]
    unsafe fn splat(x: f32) -> Self::V {
        [x; 8]
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self::V {
        // SAFETY: the caller's promise; an array of floats needs no more alignment than a float.
        unsafe { *from.cast() }
    }
    #[inline(always)]
    unsafe fn store(to: *mut f32, v: Self::V) {
        // SAFETY: as in `load`.
        unsafe { *to.cast() = v }
    }
    #[inline(always)]
    unsafe fn add(a: Self::V, b: Self::V) -> Self::V {
        std::array::from_fn(|i| a[i] + b[i])
    }
    #[inline(always)]
    unsafe fn sub(a: Self::V, b: Self::V) -> Self::V {
        std::array::from_fn(|i| a[i] - b[i])
    }
    #[inline(always)]
    unsafe fn max(a: Self::V, b: Self::V) -> Self::V {
        std::array::from_fn(|i| if a[i] > b[i] { a[i] } else { b[i] })
    }
    #[inline(always)]
    unsafe fn fma(a: Self::V, b: Self::V, c: Self::V) -> Self::V {
        // Fused where that is an instruction, not a call.
        if cfg!(target_arch = "aarch64") {
            std::array::from_fn(|i| a[i].mul_add(b[i], c[i]))
        } else {
            std::array::from_fn(|i| a[i] * b[i] + c[i])
        }
    }
    #[inline(always)]
    unsafe fn sum4(v: [Self::V; 4]) -> [f32; 4] {
        v.map(|v| ((v[0] + v[4]) + (v[2] + v[6])) + ((v[1] + v[5]) + (v[3] + v[7])))
    }
}

#[cfg(target_arch = "x86_64")]
pub(super) use x86::{Avx2, Avx512};

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    use super::Simd;

    /// 16 lanes.
    pub(in super::super) struct Avx512;

    impl Simd for Avx512 {
        const LANES: usize = 16;
        type V = __m512;

        #[inline(always)]
        unsafe fn zero() -> Self::V {
            // SAFETY: the trait's callers have the instruction set.
            unsafe { _mm512_setzero_ps() }
        }
        #[inline(always)]
        unsafe fn splat(x: f32) -> Self::V {
            // SAFETY: the trait's callers have the instruction set.
            unsafe { _mm512_set1_ps(x) }
        }
        #[inline(always)]
        unsafe fn load(from: *const f32) -> Self::V {
            // SAFETY: the trait's callers have the instruction set and valid pointers.
            unsafe { _mm512_loadu_ps(from) }
        }
        #[inline(always)]
        unsafe fn store(to: *mut f32, v: Self::V) {
            // SAFETY: the trait's callers have the instruction set and valid pointers.
            unsafe { _mm512_storeu_ps(to, v) }
        }
        #[inline(always)]
        unsafe fn add(a: Self::V, b: Self::V) -> Self::V {
            // SAFETY: the trait's callers have the instruction set.
            unsafe { _mm512_add_ps(a, b) }
        }
        #[inline(always)]
        unsafe fn sub(a: Self::V, b: Self::V) -> Self::V {
            // SAFETY: the trait's callers have the instruction set.
            unsafe { _mm512_sub_ps(a, b) }
        }
        #[inline(always)]
        unsafe fn max(a: Self::V, b: Self::V) -> Self::V {
            // SAFETY: the trait's callers have the instruction set.
            unsafe { _mm512_max_ps(a, b) }
        }
        #[inline(always)]
        unsafe fn fma(a: Self::V, b: Self::V, c: Self::V) -> Self::V {
            // SAFETY: the trait's callers have the instruction set.
            unsafe { _mm512_fmadd_ps(a, b, c) }
        }
        #[inline(always)]
        unsafe fn sum4(v: [Self::V; 4]) -> [f32; 4] {
            // SAFETY: the trait's callers have the instruction set.
            unsafe { four_sums([half(v[0]), half(v[1]), half(v[2]), half(v[3])]) }
        }
        #[inline(always)]
        unsafe fn load4(from: [*const f32; 4]) -> Self::V {
            // SAFETY: the trait's callers have the instruction set and valid pointers.
            unsafe {
                let [a, b, c, d] = from;
                let v = _mm512_castps128_ps512(_mm_loadu_ps(a));
                let v = _mm512_insertf32x4::<1>(v, _mm_loadu_ps(b));
                let v = _mm512_insertf32x4::<2>(v, _mm_loadu_ps(c));
                _mm512_insertf32x4::<3>(v, _mm_loadu_ps(d))
            }
        }
        #[inline(always)]
        unsafe fn add_quarters(v: [Self::V; 4], to: [*mut f32; 4]) {
            // SAFETY: the trait's callers have the instruction set and valid pointers.
            unsafe {
                let sums = quarters(v);
                let parts = [
                    _mm512_castps512_ps128(sums),
                    _mm512_extractf32x4_ps::<1>(sums),
                    _mm512_extractf32x4_ps::<2>(sums),
                    _mm512_extractf32x4_ps::<3>(sums),
                ];
                for (to, part) in to.into_iter().zip(parts) {
                    _mm_storeu_ps(to, _mm_add_ps(_mm_loadu_ps(to), part));
                }
            }
        }
        #[inline(always)]
        unsafe fn sum16(v: [Self::V; 16]) -> Self::V {
            // SAFETY: the trait's callers have the instruction set.
            unsafe {
                let a = quarters([v[0], v[1], v[2], v[3]]);
                let b = quarters([v[4], v[5], v[6], v[7]]);
                let c = quarters([v[8], v[9], v[10], v[11]]);
                let d = quarters([v[12], v[13], v[14], v[15]]);
                // Sums of a's even and odd quarters, then b's: 0 2 0 2 and 1 3 1 3.
                let ab = _mm512_add_ps(
                    _mm512_shuffle_f32x4::<0b10_00_10_00>(a, b),
                    _mm512_shuffle_f32x4::<0b11_01_11_01>(a, b),
                );
                let cd = _mm512_add_ps(
                    _mm512_shuffle_f32x4::<0b10_00_10_00>(c, d),
                    _mm512_shuffle_f32x4::<0b11_01_11_01>(c, d),
                );
                _mm512_add_ps(
                    _mm512_shuffle_f32x4::<0b10_00_10_00>(ab, cd),
                    _mm512_shuffle_f32x4::<0b11_01_11_01>(ab, cd),
                )
            }
        }
    }

    /// The sums of quarters of lanes of four vectors, by quarter: each quarter of the result holds
    /// one lane of each vector's partial sums.
    ///
    /// # Safety
    /// AVX-512F.
    #[inline(always)]
    unsafe fn quarters(v: [__m512; 4]) -> __m512 {
        // SAFETY: the caller has the instruction set.
        unsafe {
            // Pairs of lanes within quarters, of two vectors each, then of all four.
            let ab = _mm512_add_ps(
                _mm512_unpacklo_ps(v[0], v[1]),
                _mm512_unpackhi_ps(v[0], v[1]),
            );
            let cd = _mm512_add_ps(
                _mm512_unpacklo_ps(v[2], v[3]),
                _mm512_unpackhi_ps(v[2], v[3]),
            );
            // ab: a b a b in each quarter.
            _mm512_add_ps(
                _mm512_shuffle_ps::<0b01_00_01_00>(ab, cd),
                _mm512_shuffle_ps::<0b11_10_11_10>(ab, cd),
            )
        }
    }

    /// 8 lanes.
    pub(in super::super) struct Avx2;

    impl Simd for Avx2 {
        const LANES: usize = 8;
        type V = __m256;

        #[inline(always)]
        unsafe fn zero() -> Self::V {
            // SAFETY: the trait's callers have the instruction set.
            unsafe { _mm256_setzero_ps() }
        }
        #[inline(always)]
        unsafe fn splat(x: f32) -> Self::V {
            // SAFETY: the trait's callers have the instruction set.
            unsafe { _mm256_set1_ps(x) }
        }
        #[inline(always)]
        unsafe fn load(from: *const f32) -> Self::V {
            // SAFETY: the trait's callers have the instruction set and valid pointers.
            unsafe { _mm256_loadu_ps(from) }
        }
        #[inline(always)]
        unsafe fn store(to: *mut f32, v: Self::V) {
            // SAFETY: the trait's callers have the instruction set and valid pointers.
            unsafe { _mm256_storeu_ps(to, v) }
        }
        #[inline(always)]
        unsafe fn add(a: Self::V, b: Self::V) -> Self::V {
            // SAFETY: the trait's callers have the instruction set.
            unsafe { _mm256_add_ps(a, b) }
        }
        #[inline(always)]
        unsafe fn sub(a: Self::V, b: Self::V) -> Self::V {
            // SAFETY: the trait's callers have the instruction set.
            unsafe { _mm256_sub_ps(a, b) }
        }
        #[inline(always)]
        unsafe fn max(a: Self::V, b: Self::V) -> Self::V {
            // SAFETY: the trait's callers have the instruction set.
            unsafe { _mm256_max_ps(a, b) }
        }
        #[inline(always)]
        unsafe fn fma(a: Self::V, b: Self::V, c: Self::V) -> Self::V {
            // SAFETY: the trait's callers have the instruction set.
            unsafe { _mm256_fmadd_ps(a, b, c) }
        }
        #[inline(always)]
        unsafe fn sum4(v: [Self::V; 4]) -> [f32; 4] {
            // SAFETY: the trait's callers have the instruction set.
            unsafe { four_sums(v) }
        }
    }

    /// Sums of the lanes of both halves.
    ///
    /// # Safety
    /// AVX-512F.
    #[inline(always)]
    unsafe fn half(v: __m512) -> __m256 {
        // SAFETY: the caller has the instruction set.
        unsafe {
            let high = _mm256_castpd_ps(_mm512_extractf64x4_pd::<1>(_mm512_castps_pd(v)));
            _mm256_add_ps(_mm512_castps512_ps256(v), high)
        }
    }

    /// The sums of the lanes of four vectors.
    ///
    /// # Safety
    /// AVX2.
    #[inline(always)]
    unsafe fn four_sums(v: [__m256; 4]) -> [f32; 4] {
        // SAFETY: the caller has the instruction set; the store goes to four floats.
        unsafe {
            let pairs = _mm256_hadd_ps(_mm256_hadd_ps(v[0], v[1]), _mm256_hadd_ps(v[2], v[3]));
            let sums = _mm_add_ps(
                _mm256_castps256_ps128(pairs),
                _mm256_extractf128_ps::<1>(pairs),
            );
            let mut out = [0.0; 4];
            _mm_storeu_ps(out.as_mut_ptr(), sums);
            out
        }
    }
}

/// Asks for a line that will be read soon.
#[inline(always)]
pub(super) fn fetch(line: *const f32) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: part of SSE, which x86-64 always has; a prefetch reads nothing.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(line.cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = line;
}

/// Asks for a row that will be read soon.
#[inline(always)]
pub(super) fn prefetch(row: &[f32]) {
    for line in row.chunks(PAD) {
        fetch(line.as_ptr());
    }
}

/// Compiles a generic kernel for every instruction set, behind one function that chooses.
///
/// The body is an `#[inline(always)] unsafe fn body<S: Simd>(..)`. The wrapper sees to the
/// instruction set; its callers must keep what else the body asks for.
macro_rules! kernel {
    ($(#[$meta:meta])* $vis:vis fn $name:ident = $body:ident($($arg:ident: $ty:ty),* $(,)?)) => {
        $(#[$meta])*
        #[allow(clippy::too_many_arguments)]
        $vis unsafe fn $name(level: $crate::ism::fast::simd::Level, $($arg: $ty),*) {
            #[cfg(target_arch = "x86_64")]
            {
                use $crate::ism::fast::simd::{Avx2, Avx512, Set};
                #[target_feature(enable = "avx512f")]
                unsafe fn avx512($($arg: $ty),*) {
                    // SAFETY: the caller's promise, and the features are enabled here.
                    unsafe { $body::<Avx512>($($arg),*) }
                }
                #[target_feature(enable = "avx2,fma")]
                unsafe fn avx2($($arg: $ty),*) {
                    // SAFETY: the caller's promise, and the features are enabled here.
                    unsafe { $body::<Avx2>($($arg),*) }
                }
                match level.set() {
                    // SAFETY: the caller's promise; a `Level` is of a set that the machine has.
                    Set::Avx512 => return unsafe { avx512($($arg),*) },
                    // SAFETY: as above.
                    Set::Avx2 => return unsafe { avx2($($arg),*) },
                    Set::Portable => {}
                }
            }
            let _ = level;
            // SAFETY: the caller's promise; this set is always there.
            unsafe { $body::<$crate::ism::fast::simd::Portable>($($arg),*) }
        }
    };
}

pub(super) use kernel;
