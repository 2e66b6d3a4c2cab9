//! The description of the API is the API's.

use tenantry_api::document;
use tenantry_tests::PUBLIC;

/// Every change of the API shows here. Look at the difference, then `make docs`.
#[test]
fn the_document_is_locked() {
    insta::assert_json_snapshot!("openapi", document(PUBLIC));
}

#[test]
fn operation_ids_are_unique_and_every_body_has_an_example() {
    let document = document(PUBLIC);
    let mut ids = Vec::new();
    for operations in document["paths"].as_object().unwrap().values() {
        for operation in operations.as_object().unwrap().values() {
            ids.push(operation["operationId"].as_str().unwrap().to_owned());
            assert!(operation["summary"].as_str().is_some_and(|summary| !summary.is_empty()));
            for status in ["400", "500", "503"] {
                assert!(operation["responses"][status].is_object(), "{} lacks {status}", ids.last().unwrap());
            }
        }
    }
    let count = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), count);
}
