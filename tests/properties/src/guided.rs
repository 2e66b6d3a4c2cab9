//! Texts that libFuzzer makes, guided by what they reach in the code; only where everything was built for it: `scripts/guided`.

use std::panic::AssertUnwindSafe;

use bolero::TargetLocation;

/// Tries one property until libFuzzer has had enough, which ends the process; any but the one that is asked for is passed over.
#[expect(clippy::disallowed_methods, reason = "whoever runs it says which")]
pub(crate) fn tried(name: &'static str, holds: &dyn Fn(&str)) {
    if std::env::var("TENANTRY_GUIDED").as_deref() != Ok(name) {
        return;
    }
    let location = TargetLocation {
        package_name: env!("CARGO_PKG_NAME"),
        manifest_dir: env!("CARGO_MANIFEST_DIR"),
        module_path: module_path!(),
        file: file!(),
        line: line!(),
        item_path: name,
        test_name: Some(name.to_owned()),
    };
    let holds = AssertUnwindSafe(holds);
    bolero::test(location).for_each(|bytes: &[u8]| {
        if let Ok(text) = std::str::from_utf8(bytes) {
            holds(text);
        }
    });
}
