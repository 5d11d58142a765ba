//! The path of a request.

use gatefold_dataplane::path_normalization::PathNormalization;

/// Normalises the bytes as a path. The result must be in normal form, and must not lead out of a folder.
pub fn check(bytes: &[u8]) {
    let Some(path) = str::from_utf8(bytes).ok().filter(|it| it.starts_with('/')) else {
        return;
    };
    let Ok(normal) = PathNormalization::On.normalize(path) else {
        return;
    };
    assert!(normal.starts_with('/'), "{path:?} becomes {normal:?}");
    assert!(!normal.contains("//"), "{path:?} becomes {normal:?}");
    let mut segments = normal.split('/');
    let is_dots = |segment: &str| matches!(segment, "." | "..");
    assert!(!segments.any(is_dots), "{path:?} becomes {normal:?}");
    let again = PathNormalization::On.normalize(&normal);
    assert_eq!(again.as_deref(), Ok(&*normal), "from {path:?}");
}
