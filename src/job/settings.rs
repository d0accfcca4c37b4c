use serde_json::Value;

use super::JobError;

/// Compares what two runs depend on.
///
/// # Errors
/// [`JobError::OtherJob`] with the names of what differs.
pub fn same_settings(left: &Value, right: &Value) -> Result<(), JobError> {
    if left == right {
        return Ok(());
    }
    let mut differing = Vec::new();
    differences("", left, right, &mut differing);
    Err(JobError::OtherJob(differing.join(", ")))
}

fn differences(path: &str, left: &Value, right: &Value, out: &mut Vec<String>) {
    match (left, right) {
        (Value::Object(a), Value::Object(b)) => {
            let mut keys: Vec<&String> = a.keys().chain(b.keys()).collect();
            keys.sort();
            keys.dedup();
            for key in keys {
                let path = match path.is_empty() {
                    true => key.clone(),
                    false => format!("{path} {key}"),
                };
                let null = Value::Null;
                differences(
                    &path,
                    a.get(key).unwrap_or(&null),
                    b.get(key).unwrap_or(&null),
                    out,
                );
            }
        }
        _ if left != right => out.push(path.to_owned()),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_differs_is_named() {
        let a = json!({"model": {"sha256": "a", "window": 145}, "version": 1, "gone": 2});
        assert!(same_settings(&a, &a).is_ok());
        let b = json!({"model": {"sha256": "b", "window": 145}, "version": 1, "new": 2});
        let error = same_settings(&a, &b).unwrap_err();
        assert_eq!(
            error.to_string(),
            "this is not the same job: gone, model sha256, new differ(s)"
        );
        assert!(error.hint().is_some());
    }
}
