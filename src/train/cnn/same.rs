use serde_json::Value;

use crate::train::TrainError;

/// Whether an unfinished run was one of these settings.
///
/// # Errors
/// [`TrainError::OtherRun`] with the first setting that differs.
pub(super) fn same_run(old: &Value, new: &Value) -> Result<(), TrainError> {
    let (Some(old), Some(new)) = (old.as_object(), new.as_object()) else {
        return Err(TrainError::OtherRun("configuration".into()));
    };
    let differs = new.iter().find(|(key, value)| old.get(*key) != Some(value));
    match differs {
        None => Ok(()),
        Some((key, _)) => Err(TrainError::OtherRun(key.clone())),
    }
}
