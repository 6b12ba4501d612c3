//! A sign test that may be read at any time: an e-process.
//!
//! After `n` signs of which `k` are positive, `e = 2^n B(k + 1/2, n - k + 1/2) / B(1/2, 1/2)`, the likelihood ratio of
//! Jeffreys' mixture against a fair coin. If the coin is fair, `e` ever exceeds `1/alpha` with probability at most
//! `alpha`, however often and whenever it is read (Ville's inequality). Seven equal signs in a row pass 20.

/// The evidence against a fair coin after each of `signs`, in order.
pub fn evidence(signs: impl IntoIterator<Item = bool>) -> impl Iterator<Item = f64> {
    let (mut n, mut counts, mut e) = (0.0, [0.0, 0.0], 1.0);
    signs.into_iter().map(move |positive| {
        // Each sign multiplies e by twice its predictive probability under Jeffreys' prior.
        let count: &mut f64 = &mut counts[usize::from(positive)];
        e *= 2.0 * (*count + 0.5) / (n + 1.0);
        *count += 1.0;
        n += 1.0;
        e
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(positive: usize, of: usize) -> f64 {
        evidence((0..of).map(|i| i < positive)).last().unwrap()
    }

    #[test]
    fn evidence_agrees_with_the_beta_function_in_any_order() {
        // scipy.special.betaln, by the formula in the head of this module
        for (k, n, expected) in
            [(6, 6, 14.4375), (7, 7, 26.8125), (0, 7, 26.8125), (5, 10, 0.24609375), (20, 30, 0.789445385336874)]
        {
            assert!((after(k, n) / expected - 1.0).abs() < 1e-12, "{k} of {n}: {}", after(k, n));
        }
        let alternating = evidence([true, false, true, false, true, false, true, false, true, false]).last().unwrap();
        assert!((alternating - after(5, 10)).abs() < 1e-12);
    }

    #[test]
    fn seven_equal_signs_decide_at_five_percent() {
        assert!(after(6, 6) < 20.0 && after(7, 7) > 20.0);
    }
}
