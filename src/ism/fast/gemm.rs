//! Matrix products.

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
