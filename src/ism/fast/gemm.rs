//! Matrix products.

use super::simd::{Level, PAD, Simd, kernel};

/// `c[m, n] = a[m, k] b[k, n]`, row-major, with the rows of `a`, `b` and `c` this far apart.
pub(super) fn product(
    (m, k, n): (usize, usize, usize),
    (a, a_step): (&[f32], usize),
    (b, b_step): (&[f32], usize),
    (c, c_step): (&mut [f32], usize),
) {
    if m == 0 || n == 0 {
        return;
    }
    assert!(k > 0 && a_step >= k && b_step >= n && c_step >= n);
    assert!(a.len() >= (m - 1) * a_step + k);
    assert!(b.len() >= (k - 1) * b_step + n);
    assert!(c.len() >= (m - 1) * c_step + n);
    // SAFETY: by the assertions every element that is read or written lies in its slice.
    unsafe {
        matrixmultiply::sgemm(
            m,
            k,
            n,
            1.0,
            a.as_ptr(),
            a_step as isize,
            1,
            b.as_ptr(),
            b_step as isize,
            1,
            0.0,
            c.as_mut_ptr(),
            c_step as isize,
            1,
        );
    }
}

/// `c[n] = a[k] b[k, n]`: of one row a general product spends its time on rearranging `b`. `n` is
/// a multiple of [`PAD`].
pub(super) fn row_product(level: Level, a: &[f32], b: &[f32], k: usize, c: &mut [f32]) {
    let n = c.len();
    assert!(n.is_multiple_of(PAD) && a.len() >= k && b.len() >= k * n);
    // SAFETY: by the assertion.
    unsafe { add_rows(level, &a[..k], b, c) }
}

kernel! {
    /// # Safety
    /// `b` has a row of as many floats as `c`, a multiple of [`PAD`], for each of `a`.
    fn add_rows = add_rows_body(a: &[f32], b: &[f32], c: &mut [f32])
}

/// # Safety
/// `b` has a row of as many floats as `c`, a multiple of [`PAD`], for each of `a`; and the
/// instruction set.
#[inline(always)]
unsafe fn add_rows_body<S: Simd>(a: &[f32], b: &[f32], c: &mut [f32]) {
    // Sums of so many vectors stay in registers.
    const WIDE: usize = 8;
    let n = c.len();
    // SAFETY: the caller's promise: `b` has a row of `n` floats for each of `a`, and `n` is a
    // whole number of vectors.
    unsafe {
        let mut at = 0;
        while at < n {
            let (from, to) = (b.as_ptr().add(at), c.as_mut_ptr().add(at));
            if n - at >= WIDE * S::LANES {
                sums::<S, WIDE>(a, from, n, to);
                at += WIDE * S::LANES;
            } else {
                sums::<S, 1>(a, from, n, to);
                at += S::LANES;
            }
        }
    }
}

/// `N` vectors of sums of rows that lie `step` floats apart.
///
/// # Safety
/// `c` holds `N` vectors, and so does each row, of which there are as many as `a` is long; and the
/// instruction set.
#[inline(always)]
unsafe fn sums<S: Simd, const N: usize>(a: &[f32], b: *const f32, step: usize, c: *mut f32) {
    // SAFETY: the caller's promise.
    unsafe {
        let mut sums = [S::zero(); N];
        for (i, &x) in a.iter().enumerate() {
            // Behind a ReLU many are.
            if x == 0.0 {
                continue;
            }
            let (x, row) = (S::splat(x), b.add(i * step));
            for (v, sum) in sums.iter_mut().enumerate() {
                *sum = S::fma(x, S::load(row.add(v * S::LANES)), *sum);
            }
        }
        for (v, sum) in sums.into_iter().enumerate() {
            S::store(c.add(v * S::LANES), sum);
        }
    }
}
