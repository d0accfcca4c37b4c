//! Numbers outside their range are usage errors of the program and setting errors of the library.

use std::process::Command;

use super::*;

/// Exit code and standard error.
fn outcome(arguments: &[&str]) -> (Option<i32>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_mpra-score"))
        .args(arguments)
        .output()
        .unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    (output.status.code(), error)
}

#[test]
fn numbers_outside_their_range_are_usage_errors() {
    let positive = "expected a number above 0";
    for (flag, value, why) in [
        ("--data-weight", "NaN", positive),
        ("--data-weight", "-1", positive),
        ("--data-weight", "inf", positive),
        ("--data-weight", "0", positive),
        ("--pair-weight", "-0.5", "expected a number of 0 or more"),
        ("--pair-weight", "nan", "expected a number of 0 or more"),
        ("--lr", "nan", positive),
        ("--lr", "0", positive),
        ("--lr", "-0.001", positive),
        ("--reverse-share", "1.5", "from 0 to 1"),
        ("--reverse-share", "NaN", "from 0 to 1"),
        ("--patience", "0", "whole number from 1"),
        ("--batch", "0", "whole number from 1"),
        ("--epochs", "-3", "whole number from 1"),
        ("--epochs", "18446744073709551615", "whole number from 1"),
        ("--search", "0", "whole number from 1"),
        ("--mutants", "-1", "whole number from 0"),
        ("--mutants", "1000000", "whole number from 0"),
        ("--changes", "0-4", "expected LOW-HIGH"),
        ("--step", "0", "whole number from 1"),
        ("--stretch", "0", "whole number from 1"),
        ("--random", "0", "whole number from 1"),
        ("--threads", "0", "--threads"),
        ("--arch", "conv 8x5, dropout NaN, dense", "a dropout of NaN"),
        (
            "--arch",
            "conv 8x5, dropout -0.1, dense",
            "a dropout of -0.1",
        ),
        ("--arch", "conv 8x5 valid, dense", "is no layer"),
        ("--freeze", "5", "more than the network's 4"),
    ] {
        let (code, error) = outcome(&["train", "--data", "none.parquet", flag, value]);
        assert_eq!(code, Some(2), "{flag} {value}: {error}");
        assert!(error.contains(why), "{flag} {value}: {error}");
        assert!(error.contains(flag), "{flag} {value}: {error}");
    }
    for (flag, value) in [
        ("--alpha", "1e-4,nan"),
        ("--alpha", "-1"),
        ("--eta0", "0"),
        ("--eta0", "inf"),
        ("--power-t", "-1"),
        ("--l1-share", "NaN"),
        ("--longest", "9"),
        ("--epochs", "0"),
        ("--patience", "-1"),
        ("--bootstrap", "1e3"),
    ] {
        let arguments = ["train", "kmer", "--data", "none", "--out", "o", flag, value];
        let (code, error) = outcome(&arguments);
        assert_eq!(code, Some(2), "{flag} {value}: {error}");
        assert!(
            error.contains(flag) && error.contains("expected"),
            "{error}"
        );
    }
}

#[test]
fn the_library_refuses_them_before_any_work() {
    let dir = tempfile::tempdir().unwrap();
    let refused = |change: &dyn Fn(&mut Config), why: &str| {
        let none = dir.path().join("none.parquet");
        let mut config = config(&none, dir.path().join("out"), "conv 4x4, relu, dense");
        change(&mut config);
        let error = train_error(go(&config));
        assert!(matches!(error, TrainError::Setting(_)), "{error}");
        assert!(error.to_string().contains(why), "{error}");
        assert!(!config.out.exists());
    };
    for rate in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        refused(&|c| c.fit.rate = rate, "--lr");
    }
    for weight in [0.0, -1.0, f32::NAN, f32::INFINITY] {
        refused(&|c| c.beside = Some(("x".into(), weight)), "--data-weight");
    }
    for weight in [-1.0, f32::NAN, f32::INFINITY] {
        refused(&|c| c.fit.pair_weight = weight, "--pair-weight");
    }
    refused(&|c| c.fit.patience = 0, "--patience");
    refused(&|c| c.fit.batch = 0, "--batch");
    refused(&|c| c.fit.epochs = usize::MAX, "--epochs");
    refused(&|c| c.search = Some(0), "--search");
    refused(&|c| c.fit.frozen = 2, "--freeze");
    refused(&|c| c.init_reverse = Some(f32::NAN), "--init-reverse");
}
