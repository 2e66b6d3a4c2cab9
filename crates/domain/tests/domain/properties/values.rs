use serde_json::{Map, Value};
use tenantry_domain::{AttributeType, Change, Metadata};
use tenantry_test_properties::Property;

#[test]
fn metadata_is_kept_as_it_was_given() {
    let likely = "\\{(\"[a-zå]{1,5}\":(1|null|\"[a-z]{0,5}\"|\\[1,2\\]|\\{\"a\":\\{\\}\\}))?\\}";
    Property::new("metadata").of_text(likely, |text| {
        let Ok(pairs) = serde_json::from_str::<Map<String, Value>>(text) else { return };
        let Ok(metadata) = Metadata::parse(pairs.clone()) else { return };
        assert_eq!(metadata.pairs(), &pairs);
        assert_eq!(metadata.is_empty(), pairs.is_empty());
        let json = serde_json::to_string(&metadata).unwrap();
        assert_eq!(serde_json::from_str::<Metadata>(&json).unwrap(), metadata);
        assert!(json.len() <= 16 * 1024 && pairs.len() <= 40);

        assert_eq!(metadata.clone().with(Change::Keep), Ok(metadata.clone()));
        let set = Metadata::default().with(Change::Set(pairs.clone())).unwrap();
        assert!(set.pairs().iter().all(|(key, value)| !value.is_null() && pairs.get(key) == Some(value)));
        let ours = |key: &str| key.starts_with("tenantry_change_customer_id_");
        assert!(set.pairs().keys().all(|key| !ours(key)), "notes of the server are not for callers");
        let cleared = metadata.with(Change::Clear).unwrap();
        assert!(cleared.pairs().keys().all(|key| ours(key)));
    });
}

#[test]
fn a_value_is_found_by_the_text_that_it_is() {
    use AttributeType::{Boolean, Date, DateTime, Email, Integer, PhoneNumber, Real, String};
    let likely = "-?[0-9]{1,20}|true|[a-z]{1,5}|[0-9]{4}-[01][0-9]-[0-3][0-9]|[a-z]{1,4}@[a-z]{1,4}.no|-?[0-9]{1,3}\\.[0-9]{1,3}(e[0-9]{1,3})?";
    Property::new("attribute").of_text(likely, |text| {
        for kind in [String, Integer, Real, Boolean, PhoneNumber, Email, Date, DateTime] {
            let Ok(key) = kind.sought(text) else { continue };
            // What it is found by finds it again; of a moment, also where its text is another one. Folded, a text may be longer than any.
            if key.chars().count() <= 1000 {
                assert_eq!(kind.sought(&key), Ok(key.clone()), "{kind:?}");
            }
        }
    });
}
